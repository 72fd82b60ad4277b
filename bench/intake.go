package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/seal"
)

// intakes is how fast the control plane takes in output: from one writer and from four, of a log, which compresses to a
// sixth, and of bytes that do not compress at all.
func (s *site) intakes(ctx context.Context, size int64) ([]figure, error) {
	alone, err := s.syncedMebibytes(int(size >> 22))
	if err != nil {
		return nil, err
	}
	figures := []figure{{"1 MiB written to a file and synced, again and again", rate(size>>2, alone), "", "the disk alone"}}
	for _, kind := range []struct {
		name string
		data [][]byte
	}{{"a log", mebibytes(logText)}, {"random bytes", mebibytes(noise)}} {
		for _, writers := range []int{1, 4} {
			writing, err := s.writers(ctx, writers)
			if err != nil {
				return nil, err
			}
			before, _, err := s.plane.cpu()
			if err != nil {
				return nil, err
			}
			start := time.Now()
			sent, err := flood(ctx, writing, kind.data, size/int64(writers))
			took := time.Since(start)
			after, _, failed := s.plane.cpu()
			if err := errors.Join(err, failed); err != nil {
				return nil, err
			}
			figures = append(figures, figure{
				fmt.Sprintf("output taken in: %s, writers: %d", kind.name, writers), rate(sent, took), "≥ 100 MB/s",
				fmt.Sprintf("%d MB in chunks of 1 MiB; the control plane's processor time: %.1f ms a MiB", sent/1e6, (after-before).Seconds()*1e3/float64(sent>>20)),
			})
		}
	}
	return figures, nil
}

func rate(size int64, took time.Duration) string {
	return fmt.Sprintf("%.0f MB/s", float64(size)/1e6/took.Seconds())
}

// syncedMebibytes is how long the disk takes for so many MiB, each synced.
func (s *site) syncedMebibytes(n int) (time.Duration, error) {
	path := filepath.Join(s.dir, "synced")
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.Remove(path) }() // a file of ours
	data := noise(0)
	start := time.Now()
	for range n {
		if _, err := file.Write(data); err != nil {
			return 0, errors.Join(err, file.Close())
		}
		if err := file.Sync(); err != nil {
			return 0, errors.Join(err, file.Close())
		}
	}
	return time.Since(start), file.Close()
}

// mebibytes are a few chunks that differ.
func mebibytes(kind func(seed uint64) []byte) [][]byte {
	chunks := make([][]byte, 8)
	for i := range chunks {
		chunks[i] = kind(uint64(i))
	}
	return chunks
}

// noise is a MiB that does not compress.
func noise(seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the same in every run
	data := make([]byte, 0, 1<<20)
	for len(data) < 1<<20 {
		n := random.Uint64()
		data = append(data, byte(n), byte(n>>8), byte(n>>16), byte(n>>24), byte(n>>32), byte(n>>40), byte(n>>48), byte(n>>56))
	}
	return data
}

// logText is a MiB of a build's log.
func logText(seed uint64) []byte {
	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // the same in every run
	words := []string{"compile", "link", "internal/control", "internal/store", "cached", "download", "warning: unused variable", "PASS", "=== RUN"}
	word := func() string { return words[random.IntN(len(words))] }
	data := make([]byte, 0, 1<<20+256)
	for i := 0; len(data) < 1<<20; i++ {
		data = fmt.Appendf(data, "2026-11-22T%02d:%02d:%02d.%03dZ [%d/5000] %s %s/%s_%d.o\n",
			seed, i/6000%60, i/100%60, i*10%1000, i, word(), word(), word(), random.IntN(100))
	}
	return data[:1<<20]
}

// writer is a claim whose output is written, without a task-agent.
type writer struct {
	task   *client.Task
	runner *client.Runner
	claim  string
}

// writers claims so many tasks.
func (s *site) writers(ctx context.Context, n int) ([]writer, error) {
	s.runners++
	class := "bench/intake-" + strconv.Itoa(s.runners)
	if err := s.makeClass(ctx, class); err != nil {
		return nil, err
	}
	token, err := s.classToken(ctx, class)
	if err != nil {
		return nil, err
	}
	key, err := seal.NewKey()
	if err != nil {
		return nil, err
	}
	registered, err := s.client.Register(ctx, remuda.Registration{
		Tokens: []remuda.Secret{remuda.NewSecret(token)}, Name: "intake", Slots: n, PublicKey: key.Public(),
	})
	if err != nil {
		return nil, err
	}
	for range n {
		task := s.shell("true")
		task.ResourceClass = class
		if _, err := s.user.Submit(ctx, task, ""); err != nil {
			return nil, err
		}
	}
	runner := s.client.Runner(registered.ID, registered.Token)
	answer, err := runner.Sync(ctx, remuda.Sync{Ready: true, Holding: []string{}})
	if err != nil || len(answer.Claims) != n {
		return nil, fmt.Errorf("claim %d tasks: %d came: %w", n, len(answer.Claims), err)
	}
	var writing []writer
	for _, claim := range answer.Claims {
		task := s.client.Task(claim.ID, claim.Token)
		if _, err := task.Begin(ctx, remuda.Begin{}); err != nil {
			return nil, err
		}
		writing = append(writing, writer{task, runner, claim.ID})
	}
	return writing, nil
}

// flood has each writer write so many bytes, as fast as they are acknowledged, and ends their tasks.
func flood(ctx context.Context, writing []writer, chunks [][]byte, size int64) (sent int64, err error) {
	group, ctx := errgroup.WithContext(ctx)
	for _, w := range writing {
		group.Go(func() error {
			for at, i := int64(0), 0; at < size; i++ {
				data := chunks[i%len(chunks)]
				state, err := w.task.Append(ctx, remuda.Chunk{Offset: at, Source: at + int64(len(data)), Data: data})
				if err != nil {
					return err
				}
				if at += int64(len(data)); state.Length != at {
					return fmt.Errorf("%d bytes are held, not %d", state.Length, at)
				}
			}
			_, err := w.runner.Finish(ctx, w.claim, remuda.Result{State: remuda.Succeeded}, false)
			return err
		})
	}
	return int64(len(writing)) * ((size + 1<<20 - 1) >> 20 << 20), group.Wait()
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent/redact"
)

const (
	// largestChunk is how much of a spool goes into one chunk. What the filter makes of it is at most twice as long,
	// which is less than the 4 MiB that the control plane takes.
	largestChunk = 1 << 20

	// The pauses between two chunks of a step that writes without filling them.
	pauseFollowed = 200 * time.Millisecond
	pauseAlone    = time.Second

	// pauseAstray is how long to wait when the control plane says again that it holds something else.
	pauseAstray = 100 * time.Millisecond
)

// errAstray says that the control plane holds something else than we thought; sender.held says what.
var errAstray = errors.New("the stream is elsewhere")

// sender sends the output of one step, from what the control plane holds of it to its end.
type sender struct {
	plane  Plane
	step   int
	spool  io.ReaderAt
	tail   *tail
	filter *redact.Filter
	log    *slog.Logger

	held      remuda.StreamState // as far as we know
	checksum  uint32             // of the first counted bytes of the stream, all of which we sent
	counted   int64
	following atomic.Bool // someone watches, as of the last answer
}

// newSender makes the sender of a stream of which nothing was sent yet. If that is not so, the first answer tells.
func newSender(plane Plane, step int, spool io.ReaderAt, tail *tail, filter *redact.Filter, log *slog.Logger) *sender {
	return &sender{plane: plane, step: step, spool: spool, tail: tail, filter: filter, log: log}
}

// run sends until the stream is closed. A step that wrote nothing has none.
func (s *sender) run(ctx context.Context) error {
	for !s.held.Closed {
		before := s.held.Length
		err := s.pass(ctx)
		if err == nil && s.held.Length == 0 {
			return nil
		}
		if err == nil && !s.held.Closed {
			err = s.close(ctx)
		}
		switch {
		case err != nil && !errors.Is(err, errAstray):
			return fmt.Errorf("send the output of step %d: %w", s.step, err)
		case s.held.Closed || s.held.Length > before:
			continue
		}
		select { // astray without having come further: no hurry
		case <-time.After(pauseAstray):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// pass sends from s.held on until all is sent, or the stream is closed or turns out to be elsewhere. One goroutine reads and filters
// while the other waits for an answer.
func (s *sender) pass(ctx context.Context) error {
	group, both := errgroup.WithContext(ctx)
	chunks := make(chan remuda.Chunk)
	start := s.held.Source
	group.Go(func() error {
		defer close(chunks)
		return s.produce(both, start, chunks)
	})
	group.Go(func() error { return s.consume(both, chunks) })
	return group.Wait() // of the two errors, that of the one that ended the other
}

// produce reads the spool from start on and hands over what may be shown of it, until it has ended.
func (s *sender) produce(ctx context.Context, start int64, chunks chan<- remuda.Chunk) error {
	stream := s.filter.Stream()
	buffer := make([]byte, 0, 4<<10)
	at, sent := start, time.Time{}
	for {
		size, ended, err := s.await(ctx, at, sent)
		if err != nil {
			return err
		}
		n := int(max(0, min(size-at, largestChunk))) // a spool that was cut short has nothing more to say
		if n > cap(buffer) {
			buffer = make([]byte, 0, roundUp(n))
		}
		if got, err := s.spool.ReadAt(buffer[:n], at); got < n {
			return fmt.Errorf("read the spool: %w", err)
		}
		at += int64(n)
		shown, source := stream.Next(buffer[:n])
		data := append([]byte(nil), shown...) // shown is the filter's, and the last chunk is still on its way
		last := ended && at >= size
		if last {
			shown, source = stream.Flush()
			data = append(data, shown...)
		}
		if len(data) > 0 {
			select {
			case chunks <- remuda.Chunk{Step: s.step, Source: start + source, Data: data}:
				sent = time.Now()
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if last {
			return nil
		}
	}
}

// await waits until there is something to read after at, and then until it is time to send: at once when nothing was
// sent for a while, when a chunk is full, or when the spool has ended.
func (s *sender) await(ctx context.Context, at int64, sent time.Time) (size int64, ended bool, err error) {
	for {
		size, ended = s.tail.now()
		var due <-chan time.Time
		if size > at && !ended && size-at < largestChunk {
			pause := time.Until(sent.Add(s.pause()))
			if pause <= 0 {
				return size, ended, nil
			}
			due = time.After(pause)
		} else if size > at || ended {
			return size, ended, nil
		}
		select {
		case <-due:
		case <-s.tail.wake:
		case <-ctx.Done():
			return 0, false, context.Cause(ctx)
		}
	}
}

func (s *sender) pause() time.Duration {
	if s.following.Load() {
		return pauseFollowed
	}
	return pauseAlone
}

// consume appends the chunks to the stream.
func (s *sender) consume(ctx context.Context, chunks <-chan remuda.Chunk) error {
	for chunk := range chunks {
		chunk.Offset = s.held.Length
		var answer remuda.StreamState
		err := persist(ctx, s.log, "append", func(ctx context.Context) (err error) {
			answer, err = s.plane.Append(ctx, chunk)
			return err
		})
		if err != nil {
			return err
		}
		if answer.Following != s.following.Swap(answer.Following) {
			nudge(s.tail.wake) // the pause is another one now
		}
		end := chunk.Offset + int64(len(chunk.Data))
		s.held = answer
		s.tail.sentTo(answer.Source)
		// An answer that was lost on its way and asked for again looks the same.
		if answer.Length != end || answer.Source != chunk.Source {
			return errAstray
		}
		if s.counted == chunk.Offset {
			s.checksum = crc32.Update(s.checksum, castagnoli(), chunk.Data)
			s.counted = end
		}
		if answer.Closed {
			return errAstray // by somebody else
		}
	}
	return nil
}

// close ends the stream.
func (s *sender) close(ctx context.Context) error {
	end := remuda.StreamClose{Length: s.held.Length}
	if s.counted == end.Length {
		end.Checksum = s.checksum
	}
	return persist(ctx, s.log, "close", func(ctx context.Context) error {
		answer, err := s.plane.CloseStream(ctx, s.step, end)
		if err != nil {
			return err
		}
		s.held = answer
		return nil
	})
}

// castagnoli gives the table of CRC-32C, which the library makes once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// roundUp gives buffers of few sizes, so that a stream that grows faster does not make a new one each time.
func roundUp(n int) int {
	for size := 16 << 10; size < largestChunk; size *= 4 {
		if n <= size {
			return size
		}
	}
	return largestChunk
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// withoutRemuda is how long the same agent takes for the same step when nothing stands behind its socket: so many at a
// time, in a loop. What Remuda adds is the difference.
func withoutRemuda(ctx context.Context, s *site, n, atOnce int) (each time.Duration, err error) {
	dir, err := os.MkdirTemp(s.dir, "alone-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return 0, err
	}
	server := &http.Server{Handler: yes(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends with Close
	defer func() { _ = server.Close() }()

	payload, err := json.Marshal(s.shell("true").Job)
	if err != nil {
		return 0, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	start := time.Now()
	for i := range n {
		group.Go(func() error {
			return runAlone(ctx, filepath.Join(s.dir, "remuda-agent"), agent.Handoff{
				Claim: remuda.Claim{
					ID: "claim-" + strconv.Itoa(i), Attempt: 1, Payload: payload,
					Task: remuda.ClaimTask{ID: "task", Implementation: "job", Total: 1},
				},
				Dir: filepath.Join(dir, strconv.Itoa(i)), Socket: socket,
				Environment: map[string]string{"PATH": os.Getenv("PATH")},
			})
		})
	}
	err = group.Wait()
	return time.Since(start) / time.Duration(n), err
}

func runAlone(ctx context.Context, binary string, handoff agent.Handoff) error {
	if err := os.Mkdir(handoff.Dir, 0o700); err != nil {
		return err
	}
	text, err := json.Marshal(handoff)
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, binary)
	command.Stdin = bytes.NewReader(text)
	command.Env = append(os.Environ(), "GOMAXPROCS=1") // as the runner starts it
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("run the agent alone: %w\n%s", err, said)
	}
	return os.RemoveAll(handoff.Dir)
}

// yes answers all that an agent asks with what it hopes for.
func yes() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, value any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(value) // the agent is a process of ours; if it is gone, the run fails
	}
	var mu sync.Mutex
	held := map[string]remuda.StreamState{}
	key := func(r *http.Request) string { return r.PathValue("claim") + "/" + r.PathValue("step") }
	const claim = "/api/v1/claims/{claim}"
	mux.HandleFunc("POST "+claim+"/begin", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, remuda.Begun{BegunAt: time.Now()})
	})
	mux.HandleFunc("PUT "+claim+"/steps", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc(claim+"/steps/{step}/output", func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		source, _ := strconv.ParseInt(r.URL.Query().Get("source"), 10, 64)
		mu.Lock()
		state := held[key(r)]
		if r.Method == http.MethodPost {
			state.Length, state.Source = state.Length+int64(len(data)), source
			held[key(r)] = state
		}
		mu.Unlock()
		answer(w, state)
	})
	mux.HandleFunc("POST "+claim+"/steps/{step}/output/close", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		state := held[key(r)]
		mu.Unlock()
		state.Closed = true
		answer(w, state)
	})
	return mux
}

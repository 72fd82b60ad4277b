package taskagent

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/internal/job"
)

const (
	// rehearseAfter is how long an agent has waited for its claim when it rehearses. One that is needed at once does not.
	rehearseAfter = 20 * time.Millisecond
	// rehearsalTook is when a rehearsal is given up.
	rehearsalTook = time.Second
	// rehearsal is its folder in the claim folder. Its name has no folder before it: the claim folder moves meanwhile.
	rehearsal = "rehearsal"
)

// awaitHandoff reads the claim. While none comes the agent rehearses, in the folder in which it was started.
func awaitHandoff(ctx context.Context, stdin io.Reader) (agent.Handoff, error) {
	ctx, cancel := context.WithTimeout(ctx, rehearseAfter+rehearsalTook)
	defer cancel()
	done := make(chan struct{})
	timer := time.AfterFunc(rehearseAfter, func() {
		defer close(done)
		_ = rehearse(ctx) // nothing depends on it
	})
	handoff, err := agent.ReadHandoff(stdin)
	if !timer.Stop() {
		cancel()
		<-done
	}
	return handoff, err
}

// rehearse carries out a claim that nobody made, up to where a process would be started: what is done for the first time
// takes several times as long, since memory and the program's own pages are not there yet. A step whose shell is missing
// takes every road, that of its output included.
func rehearse(ctx context.Context) error {
	if err := os.Mkdir(rehearsal, 0o700); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(rehearsal) }() // its own folder, made above
	socket := filepath.Join(rehearsal, "runner.sock")
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return err
	}
	runner := &http.Server{Handler: new(pretence), ReadHeaderTimeout: rehearsalTook}
	defer runner.Close()
	go func() { _ = runner.Serve(listener) }() // until it is closed

	step := remuda.JobStep{Run: &remuda.Run{Command: "true", Shell: "/" + rehearsal}}
	payload, err := json.Marshal(remuda.Job{Steps: []remuda.JobStep{step}})
	if err != nil {
		return err
	}
	handoff := agent.Handoff{
		Claim: remuda.Claim{ID: rehearsal, Attempt: 1, Payload: payload, Task: remuda.ClaimTask{Implementation: job.Name}},
		Dir:   rehearsal, Socket: socket, Environment: map[string]string{"PATH": "/"},
	}
	return carryOut(ctx, agent.Options{Handoff: handoff, Implementation: job.New(), Log: slog.New(slog.DiscardHandler)})
}

// pretence is a runner that takes everything, for one step.
type pretence struct {
	mu   sync.Mutex
	held remuda.StreamState
}

// ServeHTTP implements http.Handler.
func (p *pretence) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the agent ended its request
	}
	_ = json.NewEncoder(w).Encode(p.take(r.URL, len(body)))
}

// take is what is held after a request. It answers those that are not about output, too: they take it for theirs.
func (p *pretence) take(asked *url.URL, sent int) remuda.StreamState {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch query := asked.Query(); {
	case strings.HasSuffix(asked.Path, "/close"):
		p.held.Closed = true
	case query.Has("source"):
		p.held.Length += int64(sent)
		p.held.Source, _ = strconv.ParseInt(query.Get("source"), 10, 64) // it is the agent's own
	}
	return p.held
}

package runnertest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/runner"
)

// Plane is the control plane of one claim, in memory: what its agent and its runner say arrives here, by methods or over
// HTTP as the runner's socket forwards it.
type Plane struct {
	mux *http.ServeMux

	mu      sync.Mutex
	changed chan struct{} // closed and replaced with each call
	begun   bool
	steps   []remuda.Step
	streams map[int]*stream
	away    bool
}

type stream struct {
	data  []byte
	state remuda.StreamState
}

var _ runner.TaskPlane = (*Plane)(nil)

// NewPlane makes the plane of one claim.
func NewPlane(claimID string) *Plane {
	p := &Plane{mux: http.NewServeMux(), changed: make(chan struct{}), streams: map[int]*stream{}}
	prefix := "/api/v1/claims/" + claimID
	p.mux.HandleFunc("POST "+prefix+"/begin", p.serveBegin)
	p.mux.HandleFunc("PUT "+prefix+"/steps", p.serveSteps)
	p.mux.HandleFunc("GET "+prefix+"/steps/{step}/output", p.serveStream)
	p.mux.HandleFunc("POST "+prefix+"/steps/{step}/output", p.serveAppend)
	p.mux.HandleFunc("POST "+prefix+"/steps/{step}/output/close", p.serveClose)
	return p
}

// Begin grants every request.
func (p *Plane) Begin(_ context.Context, begin remuda.Begin) (answer remuda.Begun, err error) {
	return answer, p.call(func() {
		p.begun = true
		p.steps = begin.Steps
	})
}

// Steps keeps what it is told.
func (p *Plane) Steps(_ context.Context, steps []remuda.Step) error {
	return p.call(func() { p.steps = steps })
}

// end takes in how the steps stood at the end.
func (p *Plane) end(result remuda.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(result.Steps) > 0 {
		p.steps = result.Steps
	}
}

// Stream says what is held.
func (p *Plane) Stream(_ context.Context, step int) (state remuda.StreamState, err error) {
	return state, p.call(func() { state = p.stream(step).state })
}

// Append keeps a chunk that starts where the stream ends.
func (p *Plane) Append(_ context.Context, chunk remuda.Chunk) (state remuda.StreamState, err error) {
	return state, p.call(func() {
		s := p.stream(chunk.Step)
		if chunk.Offset == s.state.Length && !s.state.Closed {
			s.data = append(s.data, chunk.Data...)
			s.state.Length, s.state.Source = int64(len(s.data)), chunk.Source
		}
		state = s.state
	})
}

// CloseStream ends a stream.
func (p *Plane) CloseStream(_ context.Context, step int, _ remuda.StreamClose) (state remuda.StreamState, err error) {
	return state, p.call(func() {
		p.stream(step).state.Closed = true
		state = p.stream(step).state
	})
}

// Away lets every call fail, as when the control plane is not there, until it is called again with false.
func (p *Plane) Away(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

// Output is what a step has written so far, and whether that is all.
func (p *Plane) Output(step int) (text string, closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stream(step)
	return string(s.data), s.state.Closed
}

// Await returns when is is true, which it looks at after each call; it is false when ctx ended before.
func (p *Plane) Await(ctx context.Context, is func() bool) bool {
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if is() {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// Said is what the agent said of its steps, and whether it began.
func (p *Plane) Said() (steps []remuda.Step, begun bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.steps), p.begun
}

func (p *Plane) call(f func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return remuda.Fail(remuda.Unavailable, "the control plane is away")
	}
	f()
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

func (p *Plane) stream(step int) *stream {
	if p.streams[step] == nil {
		p.streams[step] = &stream{}
	}
	return p.streams[step]
}

// ServeHTTP is the same for the agent behind its socket.
func (p *Plane) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

func (p *Plane) serveBegin(w http.ResponseWriter, r *http.Request) {
	var begin remuda.Begin
	if read(w, r, &begin) {
		answer, err := p.Begin(r.Context(), begin)
		write(w, answer, err)
	}
}

func (p *Plane) serveSteps(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Steps []remuda.Step `json:"steps"`
	}
	if read(w, r, &body) {
		err := p.Steps(r.Context(), body.Steps)
		write(w, struct{}{}, err)
	}
}

func (p *Plane) serveStream(w http.ResponseWriter, r *http.Request) {
	step, _ := strconv.Atoi(r.PathValue("step"))
	state, err := p.Stream(r.Context(), step)
	write(w, state, err)
}

func (p *Plane) serveAppend(w http.ResponseWriter, r *http.Request) {
	step, _ := strconv.Atoi(r.PathValue("step"))
	offset, _ := strconv.ParseInt(r.URL.Query().Get("offset"), 10, 64)
	source, _ := strconv.ParseInt(r.URL.Query().Get("source"), 10, 64)
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return // The agent went away while it spoke: nothing has changed.
	}
	state, err := p.Append(r.Context(), remuda.Chunk{Step: step, Offset: offset, Source: source, Data: data})
	write(w, state, err)
}

func (p *Plane) serveClose(w http.ResponseWriter, r *http.Request) {
	step, _ := strconv.Atoi(r.PathValue("step"))
	var end remuda.StreamClose
	if read(w, r, &end) {
		state, err := p.CloseStream(r.Context(), step, end)
		write(w, state, err)
	}
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func write(w http.ResponseWriter, answer any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	var body bytes.Buffer
	_ = json.NewEncoder(&body).Encode(answer) // Our own words can be encoded, and a buffer takes all.
	w.Header().Set("Content-Type", "application/json")
	_, _ = body.WriteTo(w)
}

package agenttest

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
)

// Plane is a control plane for one claim, in memory. It holds what the agent said, and refuses what a real one would:
// a chunk at the wrong offset changes nothing, a wrong checksum is an error, nothing is said before Begin.
type Plane struct {
	mu      sync.Mutex
	changed chan struct{} // closed when anything changes
	seen    Seen
	mute    bool
	away    bool
	gone    bool
	follow  bool
	lose    int
}

// Seen is what a Plane was told.
type Seen struct {
	Asked   bool // to begin
	Begun   bool
	Steps   []remuda.Step
	Streams map[int]Stream
	Appends int    // how many chunks were taken
	All     []byte // what they held, in the order in which they came
	Wrong   []string
}

// Stream is one step's output.
type Stream struct {
	Data   []byte
	Source int64
	Closed bool
	Summed bool // closed with a checksum
}

// NewPlane makes a Plane that grants everything.
func NewPlane() *Plane {
	return &Plane{changed: make(chan struct{}), seen: Seen{Streams: map[int]Stream{}}}
}

// Mute makes Begin wait for ever.
func (p *Plane) Mute() { p.set(func() { p.mute = true }) }

// Away makes every call fail as if nobody were there, until it is called with false.
func (p *Plane) Away(away bool) { p.set(func() { p.away = away }) }

// End ends the claim: every call is answered with remuda.Gone.
func (p *Plane) End() { p.set(func() { p.gone = true }) }

// Follow makes the answers say that someone watches.
func (p *Plane) Follow(follow bool) { p.set(func() { p.follow = follow }) }

// LoseAnswers makes the next n Appends fail after they took effect.
func (p *Plane) LoseAnswers(n int) { p.set(func() { p.lose = n }) }

// Put makes the plane hold a stream, as if somebody had sent it before.
func (p *Plane) Put(step int, stream Stream) { p.set(func() { p.seen.Streams[step] = stream }) }

// Seen is what the plane was told so far.
func (p *Plane) Seen() Seen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.copy()
}

// Output is what the plane holds of a step's output.
func (p *Plane) Output(step int) string { return string(p.Seen().Streams[step].Data) }

// Until waits until what it was told is as wanted.
func (p *Plane) Until(t testing.TB, what string, wanted func(Seen) bool) Seen {
	t.Helper()
	late := time.After(patience)
	for {
		p.mu.Lock()
		seen, changed := p.copy(), p.changed
		p.mu.Unlock()
		if wanted(seen) {
			return seen
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("waited in vain for: %s; seen: %+v", what, seen)
		}
	}
}

// patience is how long a test waits for what should come in a moment: machines that run tests may be busy.
const patience = 60 * time.Second

// Begin implements agent.Plane.
func (p *Plane) Begin(ctx context.Context, begin remuda.Begin) (remuda.Begun, error) {
	var begun remuda.Begun
	err := p.answer(func() error {
		p.seen.Asked = true
		if p.mute {
			return nil
		}
		p.seen.Begun, p.seen.Steps = true, slices.Clone(begin.Steps)
		begun.BegunAt = time.Now()
		return nil
	})
	if err == nil && begun.BegunAt.IsZero() {
		<-ctx.Done()
		return begun, ctx.Err()
	}
	return begun, err
}

// Steps implements agent.Plane.
func (p *Plane) Steps(_ context.Context, steps []remuda.Step) error {
	return p.answer(func() error {
		p.begunBefore("steps")
		p.stand(steps)
		return nil
	})
}

// finish takes in how the steps stood at the end.
func (p *Plane) finish(result remuda.Result) {
	p.set(func() {
		if p.seen.Begun && len(result.Steps) > 0 { // else somebody else's agent left it in the folder
			p.stand(result.Steps)
		}
	})
}

// stand notes where the steps stand.
func (p *Plane) stand(steps []remuda.Step) {
	if len(steps) != len(p.seen.Steps) {
		p.wrong("%d steps were reported, %d had begun", len(steps), len(p.seen.Steps))
	}
	for n, before := range p.seen.Steps {
		if n < len(steps) && before.State.Ended() && steps[n].State != before.State {
			p.wrong("step %d had ended as %s and became %s", n, before.State, steps[n].State)
		}
	}
	p.seen.Steps = slices.Clone(steps)
}

// Stream implements agent.Plane.
func (p *Plane) Stream(_ context.Context, step int) (state remuda.StreamState, err error) {
	err = p.answer(func() error {
		state = p.state(step)
		return nil
	})
	return state, err
}

// Append implements agent.Plane.
func (p *Plane) Append(_ context.Context, chunk remuda.Chunk) (state remuda.StreamState, err error) {
	err = p.answer(func() error {
		p.begunBefore("output")
		stream := p.seen.Streams[chunk.Step]
		switch {
		case len(chunk.Data) > 4<<20:
			return remuda.Fail(remuda.TooLarge, "a chunk has at most 4 MiB")
		case !stream.Closed && chunk.Offset == int64(len(stream.Data)):
			if chunk.Source < stream.Source {
				p.wrong("the source of step %d went back from %d to %d", chunk.Step, stream.Source, chunk.Source)
			}
			stream.Data = append(stream.Data, chunk.Data...)
			stream.Source = chunk.Source
			p.seen.Streams[chunk.Step] = stream
			p.seen.Appends++
			p.seen.All = append(p.seen.All, chunk.Data...)
			if p.lose > 0 {
				p.lose--
				return remuda.Fail(remuda.Unavailable, "the answer was lost")
			}
		}
		state = p.state(chunk.Step)
		return nil
	})
	return state, err
}

// CloseStream implements agent.Plane.
func (p *Plane) CloseStream(_ context.Context, step int, end remuda.StreamClose) (state remuda.StreamState, err error) {
	err = p.answer(func() error {
		stream := p.seen.Streams[step]
		switch {
		case stream.Closed || end.Length != int64(len(stream.Data)):
		case end.Checksum != 0 && end.Checksum != crc32.Checksum(stream.Data, crc32.MakeTable(crc32.Castagnoli)):
			p.wrong("the checksum of step %d is wrong", step)
			return remuda.Fail(remuda.Conflict, "the checksum is wrong")
		default:
			stream.Closed, stream.Summed = true, end.Checksum != 0
			p.seen.Streams[step] = stream
		}
		state = p.state(step)
		return nil
	})
	return state, err
}

func (p *Plane) state(step int) remuda.StreamState {
	stream := p.seen.Streams[step]
	return remuda.StreamState{
		Length:    int64(len(stream.Data)),
		Source:    stream.Source,
		Closed:    stream.Closed,
		Following: p.follow,
	}
}

// answer answers a call, unless the plane is away or the claim has ended.
func (p *Plane) answer(call func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.away:
		return remuda.Fail(remuda.Unavailable, "nobody is there")
	case p.gone:
		return remuda.Fail(remuda.Gone, "the claim has ended")
	}
	defer p.tell()
	return call()
}

func (p *Plane) begunBefore(what string) {
	if !p.seen.Begun {
		p.wrong("%s came before the claim had begun", what)
	}
}

func (p *Plane) wrong(format string, args ...any) {
	p.seen.Wrong = append(p.seen.Wrong, fmt.Sprintf(format, args...))
}

func (p *Plane) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.tell()
}

func (p *Plane) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Plane) copy() Seen {
	seen := p.seen
	seen.Steps, seen.Wrong = slices.Clone(p.seen.Steps), slices.Clone(p.seen.Wrong)
	seen.All = bytes.Clone(p.seen.All)
	seen.Streams = map[int]Stream{}
	for n, stream := range p.seen.Streams {
		stream.Data = bytes.Clone(stream.Data)
		seen.Streams[n] = stream
	}
	return seen
}

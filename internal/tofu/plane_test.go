package tofu_test

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent/agenttest"
)

// plane is a control plane for one run, in memory.
type plane struct {
	*agenttest.Plane

	mu     sync.Mutex
	said   kept
	locked chan struct{} // closed when the state is locked for the first time
}

// kept is what it holds.
type kept struct {
	state  []byte
	states int // how many were written
	lock   remuda.StateLock
	locks  int
	plan   []byte
	report remuda.RunReport
}

func newPlane() *plane { return &plane{Plane: agenttest.NewPlane(), locked: make(chan struct{})} }

// next is a plane for the next run of the same block.
func (p *plane) next() *plane {
	n := newPlane()
	n.said = p.kept()
	n.said.report = remuda.RunReport{}
	return n
}

func (p *plane) kept() kept {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said
}

func (p *plane) State(context.Context) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said.state == nil {
		return nil, remuda.Fail(remuda.NotFound, "the block has no state")
	}
	return bytes.Clone(p.said.state), nil
}

func (p *plane) WriteState(_ context.Context, lock string, state []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said.lock.ID != lock {
		return remuda.Fail(remuda.Conflict, "somebody else holds the lock")
	}
	p.said.state, p.said.states = bytes.Clone(state), p.said.states+1
	return nil
}

func (p *plane) DeleteState(context.Context, string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said.state = nil
	return nil
}

func (p *plane) LockState(_ context.Context, lock remuda.StateLock) (remuda.StateLock, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said.lock.ID != "" && p.said.lock.ID != lock.ID {
		return p.said.lock, remuda.Fail(remuda.Conflict, "somebody else holds the lock")
	}
	p.said.lock = lock
	if p.said.locks++; p.said.locks == 1 {
		close(p.locked)
	}
	return remuda.StateLock{}, nil
}

func (p *plane) UnlockState(_ context.Context, id string) (remuda.StateLock, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said.lock.ID != id {
		return p.said.lock, remuda.Fail(remuda.Conflict, "somebody else holds the lock")
	}
	p.said.lock = remuda.StateLock{}
	return remuda.StateLock{}, nil
}

func (p *plane) SavePlan(_ context.Context, plan []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said.plan = bytes.Clone(plan)
	return nil
}

func (p *plane) SavedPlan(context.Context) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said.plan == nil {
		return nil, remuda.Fail(remuda.NotFound, "no plan was saved")
	}
	return bytes.Clone(p.said.plan), nil
}

func (p *plane) ReportRun(_ context.Context, report remuda.RunReport) error {
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return json.Unmarshal(text, &p.said.report)
}

// RunToken is what a pipeline would report by.
func (p *plane) RunToken(context.Context) (remuda.RunToken, error) {
	return remuda.RunToken{Token: runToken, URL: "https://remuda.example.test"}, nil
}

// runToken is what nothing that is printed may show.
const runToken = "rmd_task_0123456789abcdefghijklmnopqrstuv"

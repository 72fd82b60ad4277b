package machine

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ready is an agent that has started and waits for its claim, with all that does not depend on which that is.
type ready struct {
	place
	uid     uint32 // 0 when tasks share a user
	account account
	group   string
	process *process
	claim   *os.File // what it reads its claim from: at its end without one, as when its runner dies, it ends
}

// makeReady starts an agent in a place where nothing is yet. When it fails, what it has made is left there.
func (e *Executor) makeReady(p place) (*ready, error) {
	r := &ready{place: p, account: e.account}
	if e.uids != nil {
		var err error
		if r.uid, err = e.uids.take(p.id); err != nil {
			return nil, err
		}
		r.account = e.accountOf(p, record{UID: r.uid})
	}
	if err := p.make(r.account); err != nil {
		return nil, err
	}
	if err := r.name(e); err != nil {
		return nil, err
	}
	r.group = e.groups.make(p.id, e.log)
	if err := r.launch(e); err != nil {
		return nil, fmt.Errorf("start the agent: %w", err)
	}
	return r, nil
}

// name writes what the agent finds as /etc/passwd, if its user is its own.
func (r *ready) name(e *Executor) error {
	if e.uids == nil {
		return nil
	}
	return r.writePasswd(r.account)
}

func (r *ready) launch(e *Executor) error {
	input, claim, err := os.Pipe()
	if err != nil {
		return err
	}
	defer input.Close()
	words, err := os.OpenFile(r.log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return errors.Join(err, claim.Close())
	}
	defer words.Close()
	r.process, err = e.launch(launching{
		argv:    append(append([]string{}, e.config.CommandPrefix...), e.config.Agent...),
		dir:     string(r.folder()),
		input:   input,
		output:  words,
		group:   r.group,
		account: r.account,
		passwd:  r.passwd(),
	})
	if err != nil {
		return errors.Join(err, claim.Close())
	}
	r.claim = claim
	return nil
}

// waiting is at most one agent that is ready, or is being made so, for whichever claim comes next.
type waiting struct {
	mu     sync.Mutex
	one    *oneReady // nil when there is none
	closed bool
	work   sync.WaitGroup
}

type oneReady struct {
	made  chan struct{} // closed when agent is what came of it
	agent *ready        // nil when it could not be made
	over  *time.Timer   // when it has waited for long enough
}

// readyAnother has an agent be ready for the next claim, unless there is one.
func (e *Executor) readyAnother() {
	if !keepsReady || e.config.ReadyFor <= 0 || len(e.config.CommandPrefix) > 0 {
		return
	}
	w := &e.next
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.one != nil || w.closed {
		return
	}
	one := &oneReady{made: make(chan struct{})}
	one.over = time.AfterFunc(e.config.ReadyFor, func() { e.unready(one) })
	w.one = one
	w.work.Go(func() {
		defer close(one.made)
		p := placeIn(e.config.Dir, readyDir, rand.Text())
		agent, err := e.makeReady(p)
		if err != nil {
			_, failed := e.forget(p)
			e.log.Warn("no agent could be started ahead of the next task", "error", errors.Join(err, failed))
			return
		}
		one.agent = agent
	})
}

// take gives away the agent that is ready; nil when none is.
func (w *waiting) take() *ready {
	w.mu.Lock()
	one := w.one
	w.one = nil
	w.mu.Unlock()
	if one == nil {
		return nil
	}
	one.over.Stop()
	<-one.made
	return one.agent
}

// takeReady gives the agent that is ready to the claim at p, where nothing may be; nil when none is.
func (e *Executor) takeReady(p place) *ready {
	agent := e.next.take()
	if agent == nil {
		return nil
	}
	if err := e.moveReady(agent, p); err != nil {
		e.log.Warn("the agent that was started ahead is of no use", "error", err)
		e.discard(agent)
		return nil
	}
	return agent
}

// moveReady makes an agent's place that of a claim.
func (e *Executor) moveReady(agent *ready, to place) error {
	if !agent.process.alive() {
		return errors.New("it has ended")
	}
	if err := os.Rename(agent.dir, to.dir); err != nil {
		return err
	}
	if e.uids != nil {
		e.uids.pass(agent.id, to.id)
	}
	agent.place = to
	return agent.name(e) // its home is elsewhere now, and the machine may have other accounts
}

// unready ends an agent that has waited for long enough.
func (e *Executor) unready(one *oneReady) {
	w := &e.next
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.one != one || w.closed {
		return
	}
	w.one = nil
	w.work.Go(func() {
		<-one.made
		e.discard(one.agent)
	})
}

// noneReady ends the agent that is ready; there will be no other.
func (e *Executor) noneReady() {
	w := &e.next
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	e.discard(w.take())
	w.work.Wait()
}

// discard ends an agent that got no claim, and removes what it had.
func (e *Executor) discard(agent *ready) {
	if agent == nil {
		return
	}
	_ = agent.claim.Close()
	err := e.end(record{Pid: agent.process.pid, UID: agent.uid, Group: agent.group, Folder: string(agent.folder())}, agent.process)
	agent.process.release()
	if err == nil {
		err = removeTree(agent.dir)
	}
	if err != nil {
		e.log.Warn("something of an agent that waited for a task is left on this machine", "error", err)
		return
	}
	e.release(agent.id)
}

// forgetReady removes what an earlier runner's agents left that waited for a claim. They have ended, or are about to.
func (e *Executor) forgetReady() error {
	names, err := left(e.config.Dir, readyDir)
	for _, name := range names {
		_, failed := e.forget(placeIn(e.config.Dir, readyDir, name))
		err = errors.Join(err, failed)
	}
	if err != nil {
		return fmt.Errorf("remove what waited for a task in %s: %w", filepath.Join(e.config.Dir, readyDir), err)
	}
	return nil
}

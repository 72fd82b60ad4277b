package agent

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Process is a command of the user's, in a session and process group of its own.
type Process struct {
	cmd   *exec.Cmd
	owner *processes
	done  chan struct{}
}

// Done is closed when the command itself has ended; processes that it started may go on.
func (p *Process) Done() <-chan struct{} { return p.done }

// State is how the command ended. Only when Done is closed.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// End ends the command and all that is in its process group: TERM, then KILL to what is left after grace. It returns
// when the command has ended.
func (p *Process) End(grace time.Duration) {
	terminate(p.cmd.Process)
	p.await(grace)
}

// Interrupt is like End, for a command that ends its own children in its own order: it alone is told, by INT, as by a
// person's ^C. Where there is no such signal, it is End.
func (p *Process) Interrupt(grace time.Duration) {
	interrupt(p.cmd.Process)
	p.await(grace)
}

// await waits until nothing of the process group is left, and kills what is after grace.
func (p *Process) await(grace time.Duration) {
	patience := time.NewTimer(grace)
	defer patience.Stop()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for p.left() {
		select {
		case <-ticker.C:
			p.owner.reap()
		case <-patience.C:
			kill(p.cmd.Process)
			<-p.done
			return
		}
	}
}

// left is whether anything of the process group is left.
func (p *Process) left() bool {
	select {
	case <-p.done:
		return groupLeft(p.cmd.Process)
	default:
		return true
	}
}

// processes are all that a task started.
type processes struct {
	alone bool // all children of this process are the task's, orphans included

	mu      sync.Mutex // while a process is started, so that reap does not take its end for an orphan's
	living  map[int]bool
	started []*os.Process
	waiting sync.WaitGroup
}

// start starts a command. Its output has to be files, or nobody knows when its output has ended.
func (ps *processes) start(cmd *exec.Cmd) (*Process, error) {
	cmd.SysProcAttr = ownSession(cmd.SysProcAttr)
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if err := startAwake(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	if ps.living == nil {
		ps.living = map[int]bool{}
	}
	ps.living[cmd.Process.Pid] = true
	ps.started = append(ps.started, cmd.Process)
	p := &Process{cmd: cmd, owner: ps, done: make(chan struct{})}
	ps.waiting.Go(func() {
		defer close(p.done)
		_ = cmd.Wait() // State tells
		ps.mu.Lock()
		defer ps.mu.Unlock()
		delete(ps.living, cmd.Process.Pid)
	})
	return p, nil
}

// endAll kills what is left of all that was started, and returns when it is gone.
func (ps *processes) endAll() error {
	ps.mu.Lock()
	for _, process := range ps.started {
		if ps.living[process.Pid] {
			kill(process)
		}
	}
	ps.mu.Unlock()
	ps.waiting.Wait()
	return ps.endOrphans()
}

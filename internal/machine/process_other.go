//go:build !linux

package machine

import (
	"context"
	"log/slog"
	"os"
	"time"
)

// Where there is neither a handle of processes nor a way to tell one from a later one, an agent is not adopted: one that
// its runner leaves is ended.

type handle = chan exit

// groups are of Linux.
type groups struct{}

func (groups) found() bool                      { return false }
func (groups) make(string, *slog.Logger) string { return "" }
func (groups) left(string) string               { return "" }

func findGroups(limits Limits, log *slog.Logger) groups {
	if limits != (Limits{}) {
		log.Warn("the limits of tasks do not apply", "because", "only Linux has them")
	}
	return groups{}
}

func becomeSubreaper() error { return nil }

// bootID is of no use without adoption.
func bootID() string { return "" }

func findProcess(record) *process { return nil }

// launch starts an agent in a session of its own.
func (e *Executor) launch(l launching) (*process, error) {
	path, err := lookPath(l.argv[0], e.config.Environment["PATH"])
	if err != nil {
		return nil, err
	}
	child, err := os.StartProcess(path, l.argv, &os.ProcAttr{
		Dir:   l.dir,
		Env:   agentEnvironment(e.config.Environment),
		Files: []*os.File{l.input, l.output, l.output},
		Sys:   sessionOf(l.account),
	})
	if err != nil {
		return nil, err
	}
	p := &process{pid: child.Pid, child: child, handle: make(chan exit, 1)}
	go func() {
		state, err := child.Wait()
		if err != nil {
			p.handle <- unknownExit()
			return
		}
		p.handle <- exitOf(state)
	}()
	return p, nil
}

// wait returns when the process has ended, which it notes, or ctx has.
func (p *process) wait(ctx context.Context) exit {
	select {
	case how := <-p.handle:
		p.ended = true
		return how
	case <-ctx.Done():
		return unknownExit()
	}
}

// end kills what the agent started, as far as it stayed in its group.
func (e *Executor) end(_ record, p *process) error {
	if p == nil {
		return nil
	}
	killSession(p)
	if !p.ended {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		p.wait(ctx)
	}
	return nil
}

// release does nothing: a process is left only when it has ended.
func (p *process) release() {}

// alive is true as far as is known: what has ended shows when it is spoken to.
func (p *process) alive() bool { return true }

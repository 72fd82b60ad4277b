package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/agent/redact"
	"github.com/remuda-dev/remuda/runner"
)

const (
	// agentsTurn is how much longer than the grace an agent may take to end its own processes, before all are killed.
	agentsTurn = 500 * time.Millisecond
	// lateOutput is for how long the output of a task that was ended is sent when the control plane is away.
	lateOutput = 30 * time.Second
)

// attempt is one claim while it is carried out.
type attempt struct {
	*Executor
	place
	work    runner.Work
	record  record
	account account
	process *process // nil when it ended before we came
	input   *os.File // where an agent that we started waits for its claim
	exit    exit     // how it ended
	log     *slog.Logger

	holding sync.Mutex
	remains *agent.Remains // what its steps write, held from before they begin
	unheld  bool           // it was said that they cannot be held
}

// Execute carries out a claim; see runner.Executor.
func (e *Executor) Execute(ctx context.Context, w runner.Work) (remuda.Result, error) {
	p, err := e.place(w.Claim.ID)
	if err != nil {
		return remuda.Result{}, err
	}
	a := &attempt{Executor: e, place: p, work: w, exit: unknownExit(), log: e.log.With("claim", w.Claim.ID, "task", w.Claim.Task.ID)}
	if a.record, err = p.read(); err != nil {
		return remuda.Result{}, err
	}
	a.account = e.accountOf(p, a.record)
	defer e.running.Add(-1)
	if e.running.Add(1) > 1 && e.uids == nil {
		e.together.Do(func() {
			e.log.Warn("tasks that run at once run as one user: each can read and kill the others")
		})
	}
	switch {
	case a.record.Ended:
		return a.record.outcome()
	case a.record.Pid != 0:
		a.process = findProcess(a.record)
		a.log.Info("adopting what an earlier runner started", "pid", a.record.Pid, "alive", a.process != nil)
	case w.Claim.Begun:
		return remuda.Result{}, errors.New("it had begun, and nothing of it is left on this machine")
	}
	return a.carryOut(ctx)
}

// carryOut starts the agent, unless there is one, and stays with it and with what it leaves to the end.
func (a *attempt) carryOut(ctx context.Context) (remuda.Result, error) {
	defer func() {
		if a.process != nil {
			a.process.release()
		}
	}()
	fresh := a.record.Pid == 0
	if fresh {
		if err := a.prepare(); err != nil {
			return a.unstarted(ctx, err)
		}
	}
	if a.process != nil {
		if !fresh {
			a.hold() // it has begun, maybe
		}
		forwarder, err := forward(a.record.Socket, a.account, a.beside(a.beginning(a.work.Plane)))
		if err != nil && fresh {
			return a.unstarted(ctx, err)
		} else if err != nil {
			return remuda.Result{}, err
		}
		defer forwarder.close()
	}
	defer a.letGo()
	if fresh {
		if err := a.start(); err != nil {
			return a.unstarted(ctx, err)
		}
	}
	if a.process != nil {
		a.attend(ctx)
	}
	if stops(ctx) && (a.process == nil || !a.process.ended) {
		if adopts && !a.config.DieWithParent {
			return remuda.Result{}, fmt.Errorf("the agent runs on: %w", context.Cause(ctx))
		}
		return remuda.Result{}, errors.Join(fmt.Errorf("the agent ends with its runner: %w", context.Cause(ctx)), a.end(a.record, a.process))
	}
	return a.gather(ctx)
}

// unstarted removes all of a task whose agent never got its claim.
func (a *attempt) unstarted(ctx context.Context, err error) (remuda.Result, error) {
	a.proven.Store(false)
	if a.input != nil {
		_ = a.input.Close()
	}
	if a.process != nil {
		a.record.Pid = a.process.pid
		err = errors.Join(err, a.end(a.record, a.process))
	}
	return remuda.Result{}, errors.Join(err, a.Forget(ctx, a.id))
}

// beginning takes hold of the steps' pipes before leave to begin is asked for: an agent that is killed at any moment
// after that takes nothing of what they wrote with it.
func (a *attempt) beginning(plane http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/begin") {
			a.hold()
		}
		plane.ServeHTTP(w, r)
	})
}

// beside serves what the agent asks this machine for, next to what it says to the control plane.
func (a *attempt) beside(plane http.Handler) http.Handler {
	if a.config.Beside == nil {
		return plane
	}
	machine := a.config.Beside(a.work.Claim)
	if machine == nil {
		return plane
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/machine/") {
			machine.ServeHTTP(w, r)
			return
		}
		plane.ServeHTTP(w, r)
	})
}

// hold takes hold of what steps write, once.
func (a *attempt) hold() {
	a.holding.Lock()
	defer a.holding.Unlock()
	if a.remains != nil {
		return
	}
	remains, err := agent.Hold(a.folder())
	if err != nil {
		if !a.unheld { // A task can ask to begin as often as it likes.
			a.log.Warn("the agent's folder is not as an agent leaves it", "error", err)
		}
		a.unheld = true
		return
	}
	a.remains = remains
}

func (a *attempt) letGo() {
	a.holding.Lock()
	defer a.holding.Unlock()
	if a.remains != nil {
		a.remains.Close()
	}
}

// stops is true when the runner itself ends, and its tasks should not.
func stops(ctx context.Context) bool { return ctx.Err() != nil && !runner.Ends(ctx) }

// prepare has an agent wait for the claim, with all that it needs. Of a runner that died before its agent got the claim,
// the rest is removed first.
func (a *attempt) prepare() error {
	if err := a.Forget(context.Background(), a.id); err != nil {
		return err
	}
	agent := a.takeReady(a.place)
	if agent == nil {
		var err error
		if agent, err = a.makeReady(a.place); err != nil {
			return err
		}
	}
	a.account, a.process, a.input = agent.account, agent.process, agent.claim
	a.record.UID, a.record.Group, a.record.Folder = agent.uid, agent.group, string(a.folder())
	var err error
	if a.record.Workspace, err = a.workspace(a.id, a.account); err != nil {
		return err
	}
	a.record.Socket, a.record.SocketDir = a.socketPlace()
	if a.record.Workspace == "" && a.record.SocketDir == "" {
		return nil // All that lies elsewhere is found without the record; it is written when the claim is handed over.
	}
	if err := a.write(a.record); err != nil || a.record.SocketDir == "" {
		return err
	}
	if err := mkdir(a.record.SocketDir, 0o711); err != nil { // noted before: a successor knows nothing else of it
		return fmt.Errorf("make a folder for the claim's socket: %w", err)
	}
	return nil
}

// start hands the claim to the agent, which gets it only when the record is written: from then on a successor finds it.
func (a *attempt) start() error {
	a.record.Pid, a.record.Started = a.process.pid, a.process.started
	if err := a.write(a.record); err != nil {
		return err
	}
	a.log.Info("started", "pid", a.process.pid)
	if err := a.handOver(a.input); err != nil {
		// It has ended before it had all of the claim: its own words tell why, when its end is looked at.
		a.log.Warn("the agent did not take its claim", "error", err)
	}
	return nil
}

// handOver writes the claim to the agent's standard input.
func (a *attempt) handOver(input *os.File) error {
	claim := a.work.Claim
	claim.Sealed, claim.Begun = nil, false
	document, err := json.Marshal(agent.Handoff{
		Claim:       claim,
		Secrets:     a.work.Secrets,
		Dir:         string(a.folder()),
		Socket:      a.record.Socket,
		Workspace:   a.record.Workspace,
		Environment: a.config.Environment,
		SpoolLimit:  a.config.SpoolLimit,
	})
	if err != nil {
		return errors.New("the claim cannot be written as JSON") // The encoder's own words may quote a secret.
	}
	// An agent that does not read would hold up its claim for ever.
	if err := input.SetWriteDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	_, err = input.Write(document)
	return errors.Join(err, input.Close())
}

// attend waits for the agent's end. A task that is to end gets TERM, and when its grace and its agent's own turn are
// over, that is the end of the waiting.
func (a *attempt) attend(ctx context.Context) {
	if a.exit = a.process.wait(ctx); a.process.ended || stops(ctx) {
		return
	}
	a.log.Info("ending the task", "because", context.Cause(ctx), "grace", a.work.Claim.CancelGrace)
	a.process.terminate(len(a.config.CommandPrefix) > 0)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.work.Claim.CancelGrace.Std()+agentsTurn)
	defer cancel()
	a.exit = a.process.wait(grace)
}

// gather ends what is left of the task, sends what is left to send, and says how it ended.
func (a *attempt) gather(ctx context.Context) (remuda.Result, error) {
	var remains *agent.Remains
	if a.exit.code != agent.ExitDone {
		// Before its writers are killed: what lies in their pipes ends with them.
		var err error
		if remains, err = agent.Hold(a.folder()); err != nil {
			a.log.Warn("the agent's folder is not as an agent leaves it", "error", err)
		} else {
			defer remains.Close()
		}
	}
	if err := a.end(a.record, a.process); err != nil {
		return remuda.Result{}, err
	}
	if remains != nil {
		if err := a.ship(ctx, remains); stops(ctx) {
			return remuda.Result{}, fmt.Errorf("output is left to send: %w", context.Cause(ctx))
		} else if err != nil {
			a.log.Warn("output was not sent", "error", err)
		}
	}
	result, err := a.outcome(ctx)
	a.record.Ended, a.record.Result, a.record.Fault = true, &result, ""
	if err != nil {
		a.record.Result, a.record.Fault = nil, err.Error()
	}
	// The order matters: a successor that finds no folder must find the result.
	unwritten := a.write(a.record)
	if err := a.clean(a.place, a.record); err != nil {
		a.log.Error("something of the task is left on this machine", "error", err)
		a.record.Unclean = true
	}
	if unwritten != nil || a.record.Unclean {
		// The disk may have been full of what the task wrote.
		if unwritten = a.write(a.record); unwritten != nil {
			a.log.Error("a successor would not know how the task ended", "error", unwritten)
		}
	}
	a.isOver(a.place, a.record)
	return result, err
}

// ship sends the output that the agent did not. The control plane may be away for long: only a task that was ended
// does not wait for it without end.
func (a *attempt) ship(ctx context.Context, remains *agent.Remains) error {
	sending, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	late := time.AfterFunc(math.MaxInt64, func() { cancel(errors.New("the control plane is away")) })
	defer late.Stop()
	defer context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), runner.ErrCanceled) || errors.Is(context.Cause(ctx), runner.ErrTimeout) {
			late.Reset(lateOutput)
		} else {
			cancel(context.Cause(ctx))
		}
	})()
	return remains.Ship(sending, a.work.Plane, a.work.Secrets, a.log)
}

// outcome is how the task ended: its agent knows best.
func (a *attempt) outcome(ctx context.Context) (remuda.Result, error) {
	result, found, err := a.folder().Result()
	if found {
		return result, nil
	}
	if err != nil {
		a.log.Warn("the agent's result cannot be read", "error", err)
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, runner.ErrTimeout):
		return remuda.Result{State: remuda.Failed, Reason: remuda.ReasonTimeout, Detail: "it ran for too long and was ended by its runner"}, nil
	case errors.Is(cause, runner.ErrCanceled):
		return remuda.Result{State: remuda.Canceled}, nil
	case a.exit.code == agent.ExitGone:
		return remuda.Result{}, fmt.Errorf("the agent was told so: %w", remuda.Gone)
	}
	a.proven.Store(false)
	text := "the agent left no result: " + a.exit.String()
	if last := a.lastLines(); last != "" {
		text += "; its last words: " + last
	}
	return remuda.Result{}, errors.New(redact.New(slices.Collect(maps.Values(a.work.Secrets))...).Text(text))
}

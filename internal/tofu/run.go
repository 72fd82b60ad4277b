package tofu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/internal/git"
	"github.com/remuda-dev/remuda/internal/toolshed"
)

// run is one run on its way.
type run struct {
	task  *agent.Task
	plane agent.Runs
	shed  Shed
	order order
	now   *agent.Step     // the stage that is under way
	token remuda.RunToken // by which others report of the run; empty where it is to end by itself

	access    *git.Access       // what git is let in with, until the module is initialised
	lent      map[string]string // environment of init alone
	module    module            // what it says of itself
	inputs    []value           // with what they mean
	program   string            // tofu's path
	providers toolshed.Installation
	keeping   sync.WaitGroup // of providers, for those who come after this run
	backend   *backend       // nil until init, and where the module brings one
	messages  []remuda.StepMessage
}

// failure is how a stage failed, in a sentence for whoever ordered the block.
type failure struct {
	reason remuda.Reason
	code   *int
	detail string
}

func (f *failure) Error() string { return f.detail }

// refuse says that the run cannot be carried out as it is.
func refuse(format string, args ...any) error {
	return &failure{reason: remuda.ReasonConfig, detail: fmt.Sprintf(format, args...)}
}

// stage carries out one stage. A failure is the run's result; an error is this machine's.
func (r *run) stage(ctx context.Context, n int, s stage) (*remuda.Result, error) {
	r.now = r.task.Step(n)
	if err := r.now.Start(); err != nil {
		return nil, err
	}
	err := s.do(r, ctx)
	var failed *failure
	switch {
	case err == nil:
		r.now.Finish(remuda.StepSucceeded, nil, "")
		return nil, nil
	case ctx.Err() != nil:
		r.now.Finish(remuda.StepCanceled, nil, "")
		return &remuda.Result{State: remuda.Canceled}, nil
	case errors.As(err, &failed):
		if failed.reason == remuda.ReasonConfig {
			r.tell("%s", failed.detail)
		}
		r.now.Finish(remuda.StepFailed, failed.code, failed.detail)
		return &remuda.Result{State: remuda.Failed, Reason: failed.reason, Detail: fmt.Sprintf("%s: %s", s.name, failed.detail)}, nil
	default:
		return nil, err
	}
}

// tell writes a line of ours into the output of the stage that is under way.
func (r *run) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(r.now.Output(), "remuda: "+format+"\n", args...)
}

// root is where the repository, or the files, lie: below the claim folder, whatever the machine's operator says of
// where steps start, since what lies there holds secrets and has to be gone when the run is.
func (r *run) root() string { return filepath.Join(r.task.Folder.Work(), "source") }

// folder is the module's.
func (r *run) folder() string { return filepath.Join(r.root(), r.order.tofu.Path) }

// grace is for how long what was interrupted may take leave.
func (r *run) grace() time.Duration { return r.task.Claim.CancelGrace.Std() }

func (r *run) close() {
	r.keeping.Wait()
	if r.access != nil {
		r.access.Remove()
	}
	if r.backend != nil {
		r.backend.close()
	}
}

// create makes a file that was not there: what is generated overwrites nothing.
func create(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

// generate makes a file in the module's folder whose name is free.
func (r *run) generate(stem, suffix string, data []byte) error {
	for n := range 100 {
		name := stem + suffix
		if n > 0 {
			name = fmt.Sprintf("%s-%d%s", stem, n, suffix)
		}
		err := create(filepath.Join(r.folder(), name), data)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("generate %s: %w", name, err)
		}
		return nil
	}
	return refuse("the module has a hundred files that are called %s…%s", stem, suffix)
}

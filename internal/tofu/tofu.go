// Package tofu is the implementation "opentofu": it carries out a run of a building block with OpenTofu, or with
// Terraform for versions before OpenTofu's first.
//
// A run happens in the claim folder alone. Its module lies in work/source, generated files lie beside those of the
// module and overwrite none, and tofu gets an environment in which nothing of the runner's is. State, lock and plan go
// through the agent's plane: tofu speaks to a backend on a loopback port of the agent, with a password that lives as
// long as the run.
package tofu

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/internal/toolshed"
)

// Name is what a claim's task names as its implementation.
const Name = remuda.BlueprintOpenTofu

// Shed is where a machine keeps programs and providers, fetched once for all of its runs.
type Shed interface {
	// Program finds a program of exactly this version. Where it has to be fetched first, said is told so. An error of
	// kind Invalid or NotFound is a sentence for whoever wrote the definition.
	Program(ctx context.Context, p toolshed.Program, said io.Writer) (toolshed.Found, error)

	// Keep keeps the newest of these providers that fit, for this run and those that come after it.
	Keep(ctx context.Context, needs []toolshed.Need) error
}

// Implementation runs OpenTofu.
type Implementation struct{ shed Shed }

// New makes the implementation.
func New(shed Shed) Implementation { return Implementation{shed: shed} }

// Steps lists the steps of a claim.
func (Implementation) Steps(claim remuda.Claim) ([]remuda.Step, error) {
	order, err := parse(claim.Payload)
	if err != nil {
		return nil, err
	}
	var steps []remuda.Step
	for n, stage := range order.stages() {
		steps = append(steps, remuda.Step{Number: n, Name: stage.name, State: remuda.StepPending})
	}
	return steps, nil
}

// Run carries out the stages one after the other, up to the first that fails.
func (i Implementation) Run(ctx context.Context, task *agent.Task) (remuda.Result, error) {
	order, err := parse(task.Claim.Payload)
	if err != nil {
		return remuda.Result{}, err
	}
	plane, found := task.Runs()
	if !found {
		return remuda.Result{}, errors.New("this agent's plane knows no runs of building blocks")
	}
	r := &run{task: task, plane: plane, shed: i.shed, order: order}
	defer r.close()
	for n, stage := range order.stages() {
		if ctx.Err() != nil {
			return remuda.Result{State: remuda.Canceled}, nil
		}
		failed, err := r.stage(ctx, n, stage)
		if err != nil {
			return remuda.Result{}, fmt.Errorf("step %q: %w", stage.name, err)
		}
		if failed != nil {
			return *failed, nil
		}
	}
	return remuda.Result{State: remuda.Succeeded, External: order.goesOn()}, nil
}

// A stage is one step of a run.
type stage struct {
	name string
	do   func(r *run, ctx context.Context) error
}

// isAsync is whether something else takes part in the run, and reports of it.
func (o order) isAsync() bool { return o.tofu.Async && o.Behavior != remuda.Maintenance }

// goesOn is whether something else reports how the run ends. A DETECT has looked at all that there is to look at.
func (o order) goesOn() bool { return o.isAsync() && o.Behavior != remuda.Detect }

// stages are the steps of an order. Their names are meshStack's, whose clients know them.
func (o order) stages() []stage {
	if o.isAsync() {
		return []stage{{"trigger", (*run).trigger}}
	}
	return o.parts()
}

// trigger carries out an asynchronous run, which is one step: what it sets going tells of the others.
func (r *run) trigger(ctx context.Context) error {
	var err error
	if r.token, err = r.plane.RunToken(ctx); err != nil {
		return err
	}
	if err := r.task.Mask(r.token.Token); err != nil {
		return fmt.Errorf("hide the run token: %w", err)
	}
	for _, part := range r.order.parts() {
		r.tell("%s", part.name)
		if err := part.do(r, ctx); err != nil {
			return err
		}
	}
	return nil
}

// parts are what is done in a run, one after the other.
func (o order) parts() []stage {
	list := []stage{{"sources", (*run).fetchSources}, {"input", (*run).writeInputs}, {"init_tf", (*run).init}}
	if o.tofu.PreRunScript != "" {
		list = append(list, stage{"pre_run_script", (*run).preRun})
	}
	switch o.Behavior {
	case remuda.Maintenance:
		return append(list, stage{"maintenance_script", (*run).maintain})
	case remuda.Apply:
		return append(list, stage{"execute_tf", (*run).apply}, stage{"output", (*run).readOutputs})
	case remuda.Destroy:
		return append(list, stage{"execute_tf", (*run).apply})
	default:
		return append(list, stage{"execute_tf", (*run).detect})
	}
}

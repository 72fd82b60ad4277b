package pool

import (
	"context"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// runnerPage is what the page of one runner shows.
type runnerPage struct {
	Runner      remuda.Runner
	Now         []control.RunnerAttempt
	Before      []control.RunnerAttempt
	May         bool
	First, Next string
}

// mostBefore is how many attempts that are over one page has.
const mostBefore = 20

func showRunner(v *page.Visit) (page.View, error) {
	ctx, id := v.Context(), v.Path("runner")
	runner, err := v.Door.Runner(ctx, id)
	if err != nil {
		return page.View{}, err
	}
	now, err := v.Door.RunnerAttempts(ctx, id, true, control.PageQuery{Limit: mostNow})
	if err != nil {
		return page.View{}, err
	}
	before, err := v.Door.RunnerAttempts(ctx, id, false, control.PageQuery{Cursor: v.Query("cursor"), Limit: mostBefore})
	if err != nil {
		return page.View{}, err
	}
	p := runnerPage{Runner: runner, Now: now.Items, Before: before.Items, May: runsRunners(v, v.User.Organization)}
	if v.Query("cursor") != "" {
		p.First = runnerPath(id)
	}
	if before.Next != "" {
		p.Next = page.Address(runnerPath(id), "cursor", before.Next)
	}
	return page.View{
		Title: runner.Name, Area: page.Runners, Trail: []page.Link{{Text: "Runners", To: "/runners"}}, Body: p.body(), Files: styles(),
	}, nil
}

// mostNow is how many tasks that it carries out now are listed: more fit on few machines.
const mostNow = 200

// takes says whether the runner would take tasks if nobody told it otherwise.
func (p runnerPage) takes() bool {
	return p.Runner.State != remuda.RunnerLost && p.Runner.State != remuda.RunnerDraining
}

// order is what a runner can be told.
type order struct {
	tell   func(context.Context, control.UserDoor, string) (remuda.Runner, error)
	notice string // after the runner's name
}

func pauses(paused bool) func(context.Context, control.UserDoor, string) (remuda.Runner, error) {
	return func(ctx context.Context, door control.UserDoor, id string) (remuda.Runner, error) {
		return door.PauseRunner(ctx, id, paused)
	}
}

func pause() order {
	return order{pauses(true), " is paused: it takes nothing new. What it runs goes on."}
}

func resume() order {
	return order{pauses(false), " is resumed."}
}

func drain() order {
	return order{
		func(ctx context.Context, door control.UserDoor, id string) (remuda.Runner, error) {
			return door.DrainRunner(ctx, id)
		},
		" drains: it takes nothing new, finishes what it has, and then ends.",
	}
}

func orderRunner(which func() order) func(*page.Visit) (page.Answer, error) {
	return func(v *page.Visit) (page.Answer, error) {
		o := which()
		runner, err := o.tell(v.Context(), v.Door, v.Path("runner"))
		if err != nil {
			return page.Answer{}, err
		}
		return page.Answer{To: runnerPath(runner.ID), Notice: runner.Name + o.notice}, nil
	}
}

package overview

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// need is something that a person has to do, or to look after.
type need struct {
	ID    string // unique on the page
	What  string
	To    string // where it is done
	Why   string // may be empty
	Since *time.Time
}

const (
	mostNeeds = 5                // of each kind
	waitsLong = 10 * time.Minute // a task that waits for longer needs somebody to look at it
)

// needs are all of them, what is most likely to hold others up first.
func needs(ctx context.Context, v *page.Visit, classes []control.ClassSight, now time.Time) (all []need, err error) {
	for _, find := range []func() ([]need, error){
		func() ([]need, error) { return stuckClasses(ctx, v.Door, classes) },
		func() ([]need, error) { return waitingBlocks(ctx, v) },
		func() ([]need, error) { return manualRuns(ctx, v) },
		func() ([]need, error) { return unfitRunners(ctx, v.Door, classes, remuda.RunnerQuarantined) },
		func() ([]need, error) { return unfitRunners(ctx, v.Door, classes, remuda.RunnerSilent) },
		func() ([]need, error) { return longWaits(ctx, v.Door, classes, now) },
	} {
		found, err := find()
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// more ends a list that is cut.
func more(id string, n int, what, to string) need {
	return need{ID: id, What: fmt.Sprintf("%d more %s", n, what), To: to}
}

// why is the first sentence of why a task waits.
func why(ctx context.Context, door control.UserDoor, task string) (string, error) {
	if task == "" {
		return "", nil
	}
	told, err := door.Why(ctx, task)
	if errors.Is(err, remuda.NotFound) || err == nil && len(told.Reasons) == 0 {
		return "", nil // it waits no more
	}
	if err != nil {
		return "", err
	}
	return told.Reasons[0], nil
}

// stuckClasses are those in which tasks wait that nobody can claim.
func stuckClasses(ctx context.Context, door control.UserDoor, classes []control.ClassSight) (found []need, err error) {
	n := 0
	for _, class := range classes {
		if !class.Stuck() {
			continue
		}
		if n++; n > mostNeeds {
			continue
		}
		reason, err := why(ctx, door, class.Head)
		if err != nil {
			return nil, err
		}
		found = append(found, need{
			ID: "need-class-" + class.Name, What: page.Counted(class.Queued, "task waits in ", "tasks wait in ") + class.Name, To: classPath(class.Name),
			Why: reason, Since: class.Oldest,
		})
	}
	if n > mostNeeds {
		found = append(found, more("need-classes", n-mostNeeds, "classes have tasks that no runner can claim", "/resource-classes"))
	}
	return found, nil
}

// longWaits are classes with runners, or of others, in which a task waits for long.
func longWaits(ctx context.Context, door control.UserDoor, classes []control.ClassSight, now time.Time) (found []need, err error) {
	n := 0
	for _, class := range classes {
		if class.Stuck() || class.Head == "" || now.Sub(*class.Oldest) < waitsLong {
			continue
		}
		if n++; n > mostNeeds {
			continue
		}
		reason, err := why(ctx, door, class.Head)
		if err != nil {
			return nil, err
		}
		found = append(found, need{
			ID: "need-wait-" + class.Name, What: "A task in " + class.Name + " waits for long", To: "/tasks/" + url.PathEscape(class.Head), Why: reason, Since: class.Oldest,
		})
	}
	if n > mostNeeds {
		found = append(found, more("need-waits", n-mostNeeds, "classes have tasks that wait for long", "/tasks?state=queued"))
	}
	return found, nil
}

// waitingBlocks wait for a person: for an approval or for inputs.
func waitingBlocks(ctx context.Context, v *page.Visit) (found []need, err error) {
	if !v.HasBlocks() {
		return nil, nil
	}
	for _, kind := range []struct {
		status remuda.BlockStatus
		what   string
	}{
		{remuda.BlockWaitsForApproval, "waits for an approval"},
		{remuda.BlockWaitsForOperator, "waits for inputs of an operator"},
		{remuda.BlockWaitsForUser, "waits for inputs"},
	} {
		list, err := v.Blocks.Blocks(ctx, blocks.BlockFilter{Status: []remuda.BlockStatus{kind.status}}, blocks.Span{Limit: mostNeeds})
		if err != nil {
			return nil, err
		}
		for _, block := range list.Items {
			to := "/blocks/" + url.PathEscape(block.ID)
			if kind.status == remuda.BlockWaitsForApproval && block.LatestDryRun != "" {
				to = "/runs/" + url.PathEscape(block.LatestDryRun)
			}
			found = append(found, need{ID: "need-block-" + block.ID, What: "Block " + block.Name + " " + kind.what, To: to, Why: block.Detail})
		}
		if list.Total > len(list.Items) {
			found = append(found, more("need-blocks-"+string(kind.status), list.Total-len(list.Items), "of these blocks", "/blocks?state="+string(kind.status)))
		}
	}
	return found, nil
}

// manualRuns are done by hand.
func manualRuns(ctx context.Context, v *page.Visit) (found []need, err error) {
	if !v.HasBlocks() {
		return nil, nil
	}
	list, err := v.Blocks.Runs(ctx, blocks.RunFilter{ByHand: true}, blocks.Span{Limit: mostNeeds})
	if err != nil {
		return nil, err
	}
	for _, run := range list.Items {
		block, err := v.Blocks.Block(ctx, run.Block)
		if err != nil {
			return nil, err
		}
		found = append(found, need{
			ID: "need-run-" + run.ID, What: string(run.Behavior) + " of block " + block.Name + " is to be done by hand", To: "/runs/" + url.PathEscape(run.ID), Since: &run.CreatedAt,
		})
	}
	if list.Total > len(list.Items) {
		found = append(found, more("need-runs", list.Total-len(list.Items), "runs are to be done by hand", "/blocks?state="+string(remuda.BlockInProgress)))
	}
	return found, nil
}

// unfitRunners are those in a state in which they claim nothing, and that somebody should look at.
func unfitRunners(ctx context.Context, door control.UserDoor, classes []control.ClassSight, state remuda.RunnerState) (found []need, err error) {
	any := false
	for _, class := range classes {
		any = any || class.Runners[state] > 0
	}
	if !any {
		return nil, nil // which is mostly so, and costs no look at them
	}
	list, err := door.Runners(ctx, control.RunnerFilter{State: state}, control.PageQuery{Limit: mostNeeds})
	if err != nil {
		return nil, err
	}
	for _, runner := range list.Items {
		one := need{ID: "need-runner-" + runner.ID, To: "/runners/" + url.PathEscape(runner.ID)}
		switch state {
		case remuda.RunnerQuarantined:
			one.What, one.Why = "Runner "+runner.Name+" is in quarantine", runner.Reason
		default:
			one.What, one.Since = "Runner "+runner.Name+" of "+strings.Join(runner.ResourceClasses, ", ")+" is silent", &runner.LastSeenAt
		}
		found = append(found, one)
	}
	if list.Next != "" {
		found = append(found, need{ID: "need-runners-" + string(state), What: "More runners are " + string(state), To: "/runners?state=" + string(state)})
	}
	return found, nil
}

func classPath(name string) string { return "/resource-classes/" + name }

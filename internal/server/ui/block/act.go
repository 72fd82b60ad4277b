package block

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// again shows a page once more with what is wrong with what was asked for there, where that can be helped; all else is
// answered as anywhere.
func again(err error, view func(*remuda.Error) (page.View, error)) (page.Answer, error) {
	told, ours := page.Problem(err)
	if !ours {
		return page.Answer{}, err
	}
	shown, failed := view(plainly(told))
	if failed != nil {
		return page.Answer{}, failed
	}
	shown.Code = http.StatusConflict
	if told.Kind == remuda.Invalid {
		shown.Code = http.StatusUnprocessableEntity
	}
	return page.Answer{View: &shown}, nil
}

// blockAgain is the block's page once more.
func blockAgain(v *page.Visit, err error) (page.Answer, error) {
	return again(err, func(wrong *remuda.Error) (page.View, error) { return blockView(v, wrong) })
}

func plan(v *page.Visit) (page.Answer, error) {
	return run(v, remuda.RunRequest{Behavior: remuda.Detect}, "It is planned what an apply would change. Nothing is changed by that.")
}

func apply(v *page.Visit) (page.Answer, error) {
	return run(v, remuda.RunRequest{Behavior: remuda.Apply}, "")
}

// run has the block run, and leads to its run.
func run(v *page.Visit, request remuda.RunRequest, notice string) (page.Answer, error) {
	queued, err := v.Blocks.RunBlock(v.Context(), v.Path("block"), request)
	if err != nil {
		return blockAgain(v, err)
	}
	switch {
	case notice != "":
	case queued.Behavior == remuda.Detect:
		notice = "It is planned first. When the plan has changes, somebody is to approve it."
	default:
		notice = fmt.Sprintf("Run %d is queued.", queued.Number)
	}
	return page.Answer{To: atRun(queued.ID), Notice: notice}, nil
}

func destroy(v *page.Visit) (page.Answer, error) {
	return remove(v, false, "All that it made is destroyed; then the block is deleted.")
}

func purge(v *page.Visit) (page.Answer, error) {
	return remove(v, true, "The block is forgotten. What it made stays where it is.")
}

func remove(v *page.Visit, purge bool, notice string) (page.Answer, error) {
	block, err := v.Blocks.DeleteBlock(v.Context(), v.Path("block"), purge)
	if err != nil {
		return blockAgain(v, err)
	}
	if !purge && block.Lifecycle == remuda.LifecycleDeleted {
		notice = "The block is deleted."
	}
	return page.Answer{To: at(block.ID), Notice: notice}, nil
}

// maintenance is the form for a script.
type maintenance struct {
	Block, Script string
	Wrong         *remuda.Error
}

func showMaintenance(v *page.Visit) (page.View, error) { return maintenanceView(v, "", nil) }

func maintenanceView(v *page.Visit, script string, wrong *remuda.Error) (page.View, error) {
	sight, err := v.Blocks.Sight(v.Context(), v.Path("block"))
	if err != nil {
		return page.View{}, err
	}
	if !sight.Manages {
		return page.View{}, remuda.Fail(remuda.Forbidden, "A maintenance run is for the operators of "+sight.Owner+", whose definition this is.")
	}
	return page.View{
		Title: "Maintenance of " + sight.Name, Area: page.Blocks, Still: true, Files: files(),
		Trail: []page.Link{{Text: "Building blocks", To: "/blocks"}, {Text: sight.Name, To: at(sight.ID)}},
		Body:  maintenanceForm(maintenance{Block: sight.ID, Script: script, Wrong: wrong}),
	}, nil
}

func maintain(v *page.Visit) (page.Answer, error) {
	script := v.Request.PostFormValue("script")
	queued, err := v.Blocks.RunBlock(v.Context(), v.Path("block"), remuda.RunRequest{Behavior: remuda.Maintenance, Script: script})
	if err != nil {
		return again(err, func(wrong *remuda.Error) (page.View, error) { return maintenanceView(v, script, wrong) })
	}
	return page.Answer{To: atRun(queued.ID), Notice: fmt.Sprintf("Maintenance run %d is queued.", queued.Number)}, nil
}

// number is the version of a state in the address.
func number(v *page.Visit) (int, error) {
	n, err := strconv.Atoi(v.Path("number"))
	if err != nil || n < 1 {
		return 0, remuda.Fail(remuda.NotFound, "There is no state "+v.Path("number")+" of this block.")
	}
	return n, nil
}

// downloadState gives a version of the state to those who may read it, which is written down.
func downloadState(v *page.Visit, w http.ResponseWriter) error {
	n, err := number(v)
	if err != nil {
		return err
	}
	text, err := v.Blocks.State(v.Context(), v.Path("block"), n)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s-%d.tfstate"`, v.Path("block"), n))
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(text)
	return err
}

func rollBack(v *page.Visit) (page.Answer, error) {
	n, err := number(v)
	if err != nil {
		return page.Answer{}, err
	}
	state, err := v.Blocks.RollBackState(v.Context(), v.Path("block"), n)
	if err != nil {
		return blockAgain(v, err)
	}
	return page.Answer{
		To: at(v.Path("block")), Notice: fmt.Sprintf("State %d is the current one now, as state %d. Plan the block to see what an apply would do.", n, state.Number),
	}, nil
}

func unlock(v *page.Visit) (page.Answer, error) {
	if err := v.Blocks.ForceUnlockState(v.Context(), v.Path("block"), v.Form("lock")); err != nil {
		if gone(err) {
			if _, seen := v.Blocks.Sight(v.Context(), v.Path("block")); seen == nil {
				return page.Answer{To: at(v.Path("block")), Notice: "Nobody holds the lock any more."}, nil
			}
		}
		return blockAgain(v, err)
	}
	return page.Answer{To: at(v.Path("block")), Notice: "The lock is taken. What its holder writes from now on is refused."}, nil
}

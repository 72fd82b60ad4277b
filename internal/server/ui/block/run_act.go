package block

import (
	"fmt"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// runAgain is the run's page once more.
func runAgain(v *page.Visit, err error) (page.Answer, error) {
	return again(err, func(wrong *remuda.Error) (page.View, error) { return runView(v, nil, wrong) })
}

func approve(v *page.Visit) (page.Answer, error) {
	queued, err := v.Blocks.ApproveRun(v.Context(), v.Path("run"))
	if err != nil {
		return runAgain(v, err)
	}
	return page.Answer{To: atRun(queued.ID), Notice: fmt.Sprintf("The plan is approved: run %d applies it.", queued.Number)}, nil
}

func reject(v *page.Visit) (page.Answer, error) {
	run, err := v.Blocks.RejectRun(v.Context(), v.Path("run"))
	if err != nil {
		return runAgain(v, err)
	}
	return page.Answer{To: atRun(run.ID), Notice: "The plan is rejected. Nothing of it is applied."}, nil
}

func abort(v *page.Visit) (page.Answer, error) {
	run, err := v.Blocks.AbortRun(v.Context(), v.Path("run"))
	if err != nil {
		return runAgain(v, err)
	}
	notice := "The run is told to stop."
	if run.Status.Ended() {
		notice = "The run is aborted."
	}
	return page.Answer{To: atRun(run.ID), Notice: notice}, nil
}

// finish says how a manual run ended.
func finish(v *page.Visit) (page.Answer, error) {
	sight, err := v.Blocks.RunSight(v.Context(), v.Path("run"))
	if err != nil {
		return page.Answer{}, err
	}
	outputs, said := given(v, sight.Gives, sight.Outputs)
	run, err := v.Blocks.FinishManualRun(v.Context(), sight.ID, remuda.RunStatus(v.Form("status")), outputs)
	if err != nil {
		return again(err, func(wrong *remuda.Error) (page.View, error) { return runView(v, said, wrong) })
	}
	return page.Answer{To: atRun(run.ID), Notice: fmt.Sprintf("Run %d is %s.", run.Number, run.Status)}, nil
}

package blocks

import (
	"bytes"
	"context"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// parting is for how long the state of an aborted run is still taken that another system's runner carries out. Such a
// run has ended with the report that was answered so; only then does its runner interrupt OpenTofu, which has made what
// it has made, and has a minute to write that down.
const parting = 75 * time.Second

// parted is a run that was aborted just now and that another system's runner carries out, and when its claim ended. Of
// others it is gone, as it was said to be. Its OpenTofu reads the state once more before it writes.
func (d RunDoor) parted(ctx context.Context, v View, gone error) (RunView, control.Micros, error) {
	attempt, err := v.Attempt(ctx, d.claim)
	if err != nil {
		return RunView{}, 0, orAbsent(err, "claim", d.claim)
	}
	if attempt.State != remuda.AttemptCanceled || control.Now().Time().Sub(attempt.EndedAt.Time()) > parting {
		return RunView{}, 0, gone
	}
	run, err := v.RunOfTask(ctx, attempt.TaskID)
	if err != nil {
		return RunView{}, 0, err
	}
	told, err := v.RunSources(ctx, run.ID)
	if err == nil && len(told) == 0 {
		err = gone
	}
	return run, attempt.EndedAt, err
}

// writeLastState keeps what an aborted run writes at its end, as long as nothing happened to the state since: nobody
// holds its lock, no other run wrote, and it follows the current one.
func (d RunDoor) writeLastState(ctx context.Context, gone error, head stateHead, state []byte) error {
	id := control.NewID()
	body, err := d.r.closeBody(StateRow{}.Table(), id, state)
	if err != nil {
		return err
	}
	return d.r.changeIn(ctx, control.Beside, "last state of a run", func(t *change) error {
		run, ended, err := d.parted(ctx, t.tx, gone)
		if err != nil {
			return err
		}
		h, err := t.holdState(ctx, run.BlockID)
		if err != nil {
			return err
		}
		now := h.current
		if h.lock.ID != "" || now.Number > 0 && now.RunID != run.ID && now.CreatedAt > ended {
			return gone
		}
		mac := d.r.stateMAC(run.BlockID, state)
		if !now.Deleted && bytes.Equal(mac, now.MAC) {
			return nil
		}
		if err := h.follows(head); err != nil {
			return err
		}
		return t.addState(ctx, StateRow{
			ID: id, BlockID: run.BlockID, Number: now.Number + 1, Serial: head.Serial, Lineage: head.Lineage, Size: len(state), MAC: mac,
			RunID: run.ID, CreatedBy: runName(run), CreatedAt: t.Now(), Body: body,
		})
	})
}

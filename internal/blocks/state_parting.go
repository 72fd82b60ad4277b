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

// writeLastState keeps what an aborted run writes at its end, as long as nothing happened to the state since: nobody
// holds its lock, no other run wrote, and it follows the current one.
func (d RunDoor) writeLastState(ctx context.Context, gone error, head stateHead, state []byte) error {
	id := control.NewID()
	body, err := d.r.closeBody(StateRow{}.Table(), id, state)
	if err != nil {
		return err
	}
	return d.r.changeIn(ctx, control.Beside, "last state of a run", func(t *change) error {
		attempt, err := t.tx.Attempt(ctx, d.claim)
		if err != nil {
			return orAbsent(err, "claim", d.claim)
		}
		if attempt.State != remuda.AttemptCanceled || t.Now().Time().Sub(attempt.EndedAt.Time()) > parting {
			return gone
		}
		run, err := t.tx.RunOfTask(ctx, attempt.TaskID)
		if err != nil {
			return err
		}
		told, err := t.tx.RunSources(ctx, run.ID)
		if err != nil {
			return err
		}
		h, err := t.holdState(ctx, run.BlockID)
		if err != nil {
			return err
		}
		now := h.current
		if len(told) == 0 || h.lock.ID != "" || now.Number > 0 && now.RunID != run.ID && now.CreatedAt > attempt.EndedAt {
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

package blocks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

const (
	keptStates   = 50 // versions of a block's state; older ones are forgotten
	forgotAtOnce = 8
)

// stateHead is what must be known of a state's text, encrypted by OpenTofu or not.
type stateHead struct {
	Version *int   `json:"version"`
	Serial  int64  `json:"serial"`
	Lineage string `json:"lineage"`
}

// readState says what a state's text tells of itself.
func readState(text []byte) (stateHead, error) {
	var head stateHead
	switch {
	case len(text) > largestBody:
		return head, remuda.Fail(remuda.TooLarge, fmt.Sprintf("a state has at most %d MiB", largestBody>>20))
	case json.Unmarshal(text, &head) != nil: // the cause could quote it
		return head, remuda.Fail(remuda.Invalid, "this is no state: it is not JSON as OpenTofu writes it")
	case head.Version == nil || head.Serial < 0 || len(head.Lineage) > 200:
		return head, remuda.Fail(remuda.Invalid, "this is no state: it has a version, a serial from 0, and a lineage of at most 200 bytes")
	}
	return head, nil
}

// stateMAC tells whether two texts of a block's state are the same. It is keyed: a state that differs from a known one in
// a password alone does not give it away.
func (r *Rules) stateMAC(block string, text []byte) []byte {
	return r.keys.MAC("state "+block, string(text))
}

// live finds the run of the door's claim, while the claim may change anything.
func (d RunDoor) live(ctx context.Context, v View) (RunView, control.AttemptView, error) {
	attempt, err := v.Attempt(ctx, d.claim)
	if errors.Is(err, remuda.NotFound) {
		return RunView{}, attempt, absent("claim", d.claim)
	}
	if err != nil {
		return RunView{}, attempt, err
	}
	switch {
	case !attempt.State.Live():
		return RunView{}, attempt, remuda.Fail(remuda.Gone, "claim "+d.claim+" has ended and changes nothing any more; drop it")
	case attempt.State != remuda.AttemptBegun:
		return RunView{}, attempt, remuda.Fail(remuda.Conflict, "claim "+d.claim+" has not begun")
	}
	run, err := v.RunOfTask(ctx, attempt.TaskID)
	if errors.Is(err, remuda.NotFound) {
		return run, attempt, remuda.Fail(remuda.NotFound, "the task of claim "+d.claim+" is no run of a building block")
	}
	return run, attempt, err
}

// holding is what a transition knows of a state that it holds.
type holding struct {
	run     RunView
	lock    StateLockRow // ID is empty when nobody has it
	current StateRow     // Number is 0 when there never was one
}

// hold carries out a change of the state of the claim's run, in which nobody else looks at it.
func (d RunDoor) hold(ctx context.Context, do func(*change, holding) error) error {
	return d.r.changeIn(ctx, control.Beside, "run", func(t *change) error {
		run, attempt, err := d.live(ctx, t.tx)
		if err != nil {
			return err
		}
		if err := t.Sign(ctx, attempt.RunnerID, []string{attempt.ID}, t.Now()); err != nil {
			return err
		}
		h, err := t.holdState(ctx, run.BlockID)
		if err != nil {
			return err
		}
		h.run = run
		return do(t, h)
	})
}

// holdState reads the lock and the newest version of a state that nobody else changes meanwhile.
func (t *change) holdState(ctx context.Context, block string) (holding, error) {
	var h holding
	if err := t.tx.HoldState(ctx, block); err != nil {
		return h, err
	}
	if err := ignoreAbsent(t.tx.Get(ctx, &h.lock, block)); err != nil {
		return h, err
	}
	var err error
	h.current, err = t.tx.NewestState(ctx, block)
	return h, ignoreAbsent(err)
}

func ignoreAbsent(err error) error {
	if errors.Is(err, remuda.NotFound) {
		return nil
	}
	return err
}

// State is the current state of the run's block; remuda.NotFound when there is none.
func (d RunDoor) State(ctx context.Context) ([]byte, error) {
	var row StateRow
	err := d.r.look(ctx, func(v View) error {
		run, _, err := d.live(ctx, v)
		if errors.Is(err, remuda.Gone) {
			run, _, err = d.parted(ctx, v, err)
		}
		if err != nil {
			return err
		}
		newest, err := v.NewestState(ctx, run.BlockID)
		if errors.Is(err, remuda.NotFound) || err == nil && newest.Deleted {
			return remuda.Fail(remuda.NotFound, "block "+run.BlockID+" has no state yet")
		}
		if err != nil {
			return err
		}
		return v.Get(ctx, &row, newest.ID)
	})
	if err != nil {
		return nil, err
	}
	return d.r.openBody(row.Table(), row.ID, row.Body)
}

// WriteState keeps a new version of the state. The lock's id is that which the run took; empty when it took none.
//
// While the run holds the lock, nobody else writes, and OpenTofu has compared lineage and serial itself, or was told not
// to ('state push -force'): any state is taken. Without a lock, one that does not follow the current one is refused.
func (d RunDoor) WriteState(ctx context.Context, lock string, state []byte) error {
	err := d.r.look(ctx, func(v View) error { // before it costs anything
		_, _, err := d.live(ctx, v)
		return err
	})
	if err != nil && !errors.Is(err, remuda.Gone) {
		return err
	}
	head, wrong := readState(state)
	switch {
	case wrong != nil:
		return errors.Join(err, wrong)
	case err != nil:
		return d.writeLastState(ctx, err, head, state)
	}
	id := control.NewID()
	body, err := d.r.closeBody(StateRow{}.Table(), id, state)
	if err != nil {
		return err
	}
	return d.hold(ctx, func(t *change, h holding) error {
		locked, err := h.mayWrite(lock)
		if err != nil {
			return err
		}
		mac := d.r.stateMAC(h.run.BlockID, state)
		if !h.current.Deleted && bytes.Equal(mac, h.current.MAC) {
			return nil // the answer to the first time was lost
		}
		if err := h.follows(head); err != nil && !locked {
			return err
		}
		return t.addState(ctx, StateRow{
			ID: id, BlockID: h.run.BlockID, Number: h.current.Number + 1, Serial: head.Serial, Lineage: head.Lineage, Size: len(state), MAC: mac,
			RunID: h.run.ID, CreatedBy: runName(h.run), CreatedAt: t.Now(), Body: body,
		})
	})
}

// DeleteState leaves the block without a state; earlier versions are kept.
func (d RunDoor) DeleteState(ctx context.Context, lock string) error {
	return d.hold(ctx, func(t *change, h holding) error {
		if _, err := h.mayWrite(lock); err != nil {
			return err
		}
		if h.current.Number == 0 || h.current.Deleted {
			return nil
		}
		return t.addState(ctx, StateRow{
			ID: control.NewID(), BlockID: h.run.BlockID, Number: h.current.Number + 1, Lineage: h.current.Lineage, MAC: []byte{}, RunID: h.run.ID,
			Deleted: true, CreatedBy: runName(h.run), CreatedAt: t.Now(), Body: []byte{},
		})
	})
}

func runName(r RunView) string { return "run " + strconv.Itoa(r.Number) }

// addState writes a version, and forgets what is older than those that are kept.
func (t *change) addState(ctx context.Context, row StateRow) error {
	if err := t.tx.Insert(ctx, &row); err != nil {
		return fmt.Errorf("keep state %d of block %s: %w", row.Number, row.BlockID, err)
	}
	return t.tx.ForgetStates(ctx, row.BlockID, row.Number-keptStates, forgotAtOnce)
}

// mayWrite says whether the run may write, and whether it holds the lock with this id.
func (h holding) mayWrite(lock string) (locked bool, err error) {
	switch {
	case h.lock.ID == "" && lock == "":
		return false, nil
	case h.lock.ID == "":
		return false, remuda.Fail(remuda.Conflict, "the lock "+lock+" is not held any more: it was released or taken away")
	case h.lock.RunID != h.run.ID || h.lock.LockID != lock:
		return false, h.lock.held()
	}
	return true, nil
}

// follows says whether a state is of the same line as the current one, and newer.
func (h holding) follows(head stateHead) error {
	switch now := h.current; {
	case now.Number == 0 || now.Deleted:
		return nil
	case now.Lineage != head.Lineage:
		return remuda.Fail(remuda.Conflict, "this state has the lineage "+head.Lineage+", the current one "+now.Lineage+
			": it is another one's; take the lock to put it in its place")
	case head.Serial <= now.Serial:
		return remuda.Fail(remuda.Conflict, fmt.Sprintf("this state has the serial %d, the current one %d: somebody wrote meanwhile; read it again, or take the lock to put this in its place",
			head.Serial, now.Serial))
	}
	return nil
}

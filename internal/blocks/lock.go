package blocks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// largestLock bounds what a lock says of its holder, in bytes of JSON.
const largestLock = 16 << 10

// Locked is the conflict with whoever holds a state's lock.
type Locked struct{ Holder remuda.StateLock }

func (l *Locked) Error() string { return l.Unwrap().Error() }

// Unwrap is the same in words.
func (l *Locked) Unwrap() error {
	who := l.Holder.Who
	if who == "" {
		who = "run " + l.Holder.Run
	}
	return remuda.Fail(remuda.Conflict, "the state is locked by "+who+" (lock "+l.Holder.ID+"); wait until it is done")
}

// holder is the lock as its holder described it.
func (l StateLockRow) holder() remuda.StateLock {
	var words remuda.StateLock
	if json.Unmarshal([]byte(l.Info), &words) != nil {
		words = remuda.StateLock{Created: l.CreatedAt.Time()} // whoever wrote it, its id is known
	}
	words.ID, words.Run = l.LockID, l.RunID
	return words
}

func (l StateLockRow) held() error { return &Locked{l.holder()} }

// LockState takes the state's lock; when somebody else holds it, a Locked that says who it is. Taking it again with the
// same id is granted again.
func (d RunDoor) LockState(ctx context.Context, lock remuda.StateLock) (holder remuda.StateLock, err error) {
	if lock.ID == "" || len(lock.ID) > 200 {
		return holder, remuda.Fail(remuda.Invalid, "a lock has an ID of 1 to 200 bytes")
	}
	info, err := json.Marshal(lock)
	if err != nil {
		return holder, fmt.Errorf("encode a lock: %w", err)
	}
	if len(info) > largestLock {
		return holder, remuda.Fail(remuda.TooLarge, fmt.Sprintf("a lock says at most %d KiB of its holder", largestLock>>10))
	}
	err = d.hold(ctx, func(t *change, h holding) error {
		if h.lock.ID != "" {
			if h.lock.RunID == h.run.ID && h.lock.LockID == lock.ID {
				holder = h.lock.holder()
				return nil
			}
			over, err := t.abandoned(ctx, h.lock)
			if err != nil {
				return err
			}
			if !over {
				return h.lock.held()
			}
			if err := t.tx.Delete(ctx, &h.lock); err != nil {
				return err
			}
		}
		row := StateLockRow{ID: h.run.BlockID, LockID: lock.ID, RunID: h.run.ID, ClaimID: d.claim, Info: string(info), CreatedAt: t.Now()}
		holder = row.holder()
		return t.tx.Insert(ctx, &row)
	})
	var locked *Locked
	if errors.As(err, &locked) {
		holder = locked.Holder
	}
	return holder, err
}

// abandoned says whether the claim that took a lock has ended, which releases it: that it did is settled a moment later.
func (t *change) abandoned(ctx context.Context, lock StateLockRow) (bool, error) {
	attempt, err := t.tx.Attempt(ctx, lock.ClaimID)
	if errors.Is(err, remuda.NotFound) {
		return true, nil
	}
	return err == nil && !attempt.State.Live(), err
}

// UnlockState gives it back; a Locked that says who holds it when the id is another one. A lock that is not held any
// more is released already. An empty id, which 'tofu force-unlock' sends, is that of whatever lock the run holds.
func (d RunDoor) UnlockState(ctx context.Context, id string) (holder remuda.StateLock, err error) {
	err = d.hold(ctx, func(t *change, h holding) error {
		if h.lock.ID == "" {
			return nil
		}
		if h.lock.RunID != h.run.ID || id != "" && h.lock.LockID != id {
			return h.lock.held()
		}
		return t.tx.Delete(ctx, &h.lock)
	})
	var locked *Locked
	if errors.As(err, &locked) {
		holder = locked.Holder
	}
	return holder, err
}

// releaseLock drops the lock that a run holds, in the transition that ends the run.
func releaseLock(ctx context.Context, t *change, runID string) error {
	if err := t.tx.ReleaseLock(ctx, runID); err != nil {
		return fmt.Errorf("release the lock of run %s: %w", runID, err)
	}
	return nil
}

// operated finds a block for its operators: those who may change it, or its definition, as the definition's owner.
func (d UserDoor) operated(ctx context.Context, v View, id string) (BlockView, error) {
	block, err := v.BlockView(ctx, id)
	if errors.Is(err, remuda.NotFound) || err == nil && !d.seesBlock(block) && !d.operates(block.OwnerID) {
		return block, absent("block", id)
	}
	if err == nil && !d.operates(block.OwnerID) {
		err = control.Lacks(d.user, remuda.PermitManagedBlockSave)
	}
	return block, err
}

func (d UserDoor) operates(ownerID string) bool {
	return d.manages(ownerID) || d.user.May(remuda.PermitDefinitionSave, ownerID)
}

// StateLock is who holds a block's state; remuda.NotFound for nobody.
func (d UserDoor) StateLock(ctx context.Context, block string) (remuda.StateLock, error) {
	var row StateLockRow
	err := d.r.look(ctx, func(v View) error {
		if _, err := d.visible(ctx, v, block); err != nil {
			return err
		}
		err := v.Get(ctx, &row, block)
		if errors.Is(err, remuda.NotFound) {
			return remuda.Fail(remuda.NotFound, "nobody holds the lock of block "+block)
		}
		return err
	})
	if err != nil {
		return remuda.StateLock{}, err
	}
	return row.holder(), nil
}

// ForceUnlockState takes the lock from its holder, with a line in the audit. What the holder writes afterwards is
// refused. The lock's id may be empty: then whoever holds it loses it.
func (d UserDoor) ForceUnlockState(ctx context.Context, block, lock string) error {
	return d.changeIn(ctx, control.Beside, func(t *change) error {
		view, err := d.operated(ctx, t.tx, block)
		if err != nil {
			return err
		}
		h, err := t.holdState(ctx, block)
		switch {
		case err != nil:
			return err
		case h.lock.ID == "":
			return remuda.Fail(remuda.NotFound, "nobody holds the lock of block "+block)
		case lock != "" && h.lock.LockID != lock:
			return h.lock.held()
		}
		if err := t.tx.Delete(ctx, &h.lock); err != nil {
			return err
		}
		return t.Note(ctx, "state.unlocked", view.OwnerID, block, "lock "+h.lock.LockID+" was taken from run "+h.lock.RunID)
	})
}

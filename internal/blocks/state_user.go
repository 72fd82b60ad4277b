package blocks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// visible finds a block that the caller sees.
func (d UserDoor) visible(ctx context.Context, v View, id string) (BlockView, error) {
	block, err := v.BlockView(ctx, id)
	if errors.Is(err, remuda.NotFound) || err == nil && !d.seesBlock(block) && !d.operates(block.OwnerID) {
		return block, absent("block", id)
	}
	return block, err
}

// States lists the versions of a block's state, the newest first. What they say is for the block's operators alone.
func (d UserDoor) States(ctx context.Context, block string, s Span) (List[remuda.BlockState], error) {
	var rows []StateRow
	current, total := 0, 0
	p := s.page()
	err := d.r.look(ctx, func(v View) error {
		if _, err := d.visible(ctx, v, block); err != nil {
			return err
		}
		newest, err := v.NewestState(ctx, block)
		if err := ignoreAbsent(err); err != nil {
			return err
		}
		if !newest.Deleted {
			current = newest.Number
		}
		if rows, err = v.States(ctx, block, p); err != nil {
			return err
		}
		total, err = counted(ctx, s, v.CountStates, block)
		return err
	})
	if err != nil {
		return List[remuda.BlockState]{}, err
	}
	return listed(rows, p, total, func(r StateRow) string { return r.ID },
		func(r StateRow) (remuda.BlockState, error) { return r.words(r.Number == current), nil })
}

func (s StateRow) words(current bool) remuda.BlockState {
	return remuda.BlockState{
		ID: s.ID, Number: s.Number, Serial: s.Serial, Lineage: s.Lineage, Size: s.Size, Run: s.RunID, Current: current,
		CreatedBy: s.CreatedBy, CreatedAt: s.CreatedAt.Time(),
	}
}

// stateVersion reads one version of a block's state for its operators.
func (d UserDoor) stateVersion(ctx context.Context, v View, block string, number int) (StateRow, BlockView, error) {
	view, err := d.operated(ctx, v, block)
	if err != nil {
		return StateRow{}, view, err
	}
	row, err := v.StateByNumber(ctx, block, number)
	if errors.Is(err, remuda.NotFound) {
		err = absent("state "+strconv.Itoa(number)+" of block", block)
	}
	return row, view, err
}

// State is the text of one of them, by its number, for the block's operators. That it was read is written down.
func (d UserDoor) State(ctx context.Context, block string, number int) ([]byte, error) {
	var row StateRow
	err := d.changeIn(ctx, control.Beside, func(t *change) error {
		var view BlockView
		var err error
		if row, view, err = d.stateVersion(ctx, t.tx, block, number); err != nil {
			return err
		}
		return t.Note(ctx, "state.read", view.OwnerID, block, "state "+strconv.Itoa(number))
	})
	if err != nil {
		return nil, err
	}
	return d.r.openBody(row.Table(), row.ID, row.Body)
}

// RollBackState makes an earlier version the current one, as a new version: it has the next serial, so that whoever
// read the state before knows that it has changed.
func (d UserDoor) RollBackState(ctx context.Context, block string, number int) (remuda.BlockState, error) {
	var from, newest StateRow
	err := d.r.look(ctx, func(v View) (err error) {
		if from, _, err = d.stateVersion(ctx, v, block, number); err != nil {
			return err
		}
		newest, err = v.NewestState(ctx, block)
		return err
	})
	if err != nil {
		return remuda.BlockState{}, err
	}
	row := StateRow{ID: control.NewID(), BlockID: block, Number: newest.Number + 1, Lineage: from.Lineage, CreatedBy: d.user.Name}
	text, err := d.r.openBody(from.Table(), from.ID, from.Body)
	if err != nil {
		return remuda.BlockState{}, err
	}
	row.Serial = max(from.Serial, newest.Serial) + 1
	if text, err = withSerial(text, row.Serial); err != nil {
		return remuda.BlockState{}, fmt.Errorf("roll back state of block %s: %w", block, err)
	}
	row.Size, row.MAC = len(text), d.r.stateMAC(block, text)
	if row.Body, err = d.r.closeBody(row.Table(), row.ID, text); err != nil {
		return remuda.BlockState{}, err
	}
	err = d.changeIn(ctx, control.Beside, func(t *change) error {
		view, err := d.operated(ctx, t.tx, block)
		if err != nil {
			return err
		}
		if err := t.atRest(ctx, view, newest.Number); err != nil {
			return err
		}
		row.CreatedAt = t.Now()
		if err := t.addState(ctx, row); err != nil {
			return err
		}
		return t.Note(ctx, "state.rolled-back", view.OwnerID, block, fmt.Sprintf("state %d became state %d", number, row.Number))
	})
	if err != nil {
		return remuda.BlockState{}, err
	}
	return row.words(true), nil
}

// atRest refuses while somebody works with a block's state, or when it is not the one that was read any more.
func (t *change) atRest(ctx context.Context, block BlockView, newest int) error {
	h, err := t.holdState(ctx, block.ID)
	switch {
	case err != nil:
		return err
	case h.lock.ID != "":
		return h.lock.held()
	case h.current.Number != newest:
		return remuda.Fail(remuda.Conflict, "the state changed meanwhile; look at it again")
	case block.LiveRun == "":
		return nil
	}
	run, err := t.tx.RunView(ctx, block.LiveRun)
	if err != nil || run.TaskID == "" {
		return ignoreAbsent(err)
	}
	task, err := t.tx.Movable(ctx, run.TaskID)
	if err == nil && task.State == remuda.Running {
		return remuda.Fail(remuda.Conflict, "run "+strconv.Itoa(run.Number)+" of the block is in progress; wait until it is done, or abort it")
	}
	return ignoreAbsent(err)
}

// withSerial is a state with another serial, and otherwise byte for byte the same.
func withSerial(text []byte, serial int64) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("read a state: %w", err)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, fmt.Errorf("read a state: %w", err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, fmt.Errorf("read a state: %w", err)
		}
		if name == "serial" {
			end := int(decoder.InputOffset())
			return slices.Concat(text[:end-len(value)], strconv.AppendInt(nil, serial, 10), text[end:]), nil
		}
	}
	return text, nil
}

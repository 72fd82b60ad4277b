package blocks_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

const lineage = "8c4b2a9e-0000-4000-8000-3f1d5a7c9e11"

// stateText is a state as OpenTofu writes it.
func stateText(serial int, lineage, secret string) []byte {
	return fmt.Appendf(nil, `{
  "version": 4,
  "terraform_version": "1.10.10",
  "serial": %d,
  "lineage": %q,
  "outputs": {"password": {"value": %q, "type": "string", "sensitive": true}},
  "resources": [{"serial": 99, "lineage": "inner"}]
}
`, serial, lineage, secret)
}

// running is a block whose first run a runner carries out.
func (w *town) running() (remuda.Block, work) {
	w.t.Helper()
	b := w.order(w.define("bucket", tofu()), map[string]remuda.Value{"size": value(7)})
	return b, w.claim()
}

// states are the numbers, serials and authors of a block's states, the newest first; a star stands at the current one.
func (w *town) states(b remuda.Block) (told []string) {
	w.t.Helper()
	for _, s := range got(w.owner().States(w.t.Context(), b.ID, blocks.Span{Limit: 100}))(w.t).Items {
		mark := ""
		if s.Current {
			mark = "*"
		}
		told = append(told, fmt.Sprintf("%d%s serial %d by %s", s.Number, mark, s.Serial, s.CreatedBy))
	}
	return told
}

// audit are events of a block whose types begin with a prefix, with who did it.
func (w *town) audit(b remuda.Block, prefix string) (told []string) {
	w.t.Helper()
	root := w.plane.AsUser(control.User{Name: "root", Admin: true})
	for _, e := range got(root.Events(w.t.Context(), control.EventFilter{Type: prefix + "*", Subject: b.ID, Limit: 1000}))(w.t) {
		told = append(told, e.Type+" by "+e.Actor+" in "+e.Organization+": "+e.Detail)
	}
	return told
}

func TestAStateIsReadAsItWasWrittenAndItsVersionsAreKept(t *testing.T) {
	onBoth(t, func(w *town) {
		b, it := w.running()
		ctx := w.t.Context()
		_, err := it.door.State(ctx)
		wantKind(w.t, err, remuda.NotFound)
		first, second := stateText(1, lineage, "one"), stateText(2, lineage, "two")
		done(w.t, it.door.WriteState(ctx, "", first))
		done(w.t, it.door.WriteState(ctx, "", second))
		done(w.t, it.door.WriteState(ctx, "", second)) // the answer to the first time was lost
		if read := got(it.door.State(ctx))(w.t); !bytes.Equal(read, second) {
			t.Errorf("the state came back as %q", read)
		}
		same(w.t, "states", []string{"2* serial 2 by run 1", "1 serial 1 by run 1"}, w.states(b))
		if old := got(w.owner().State(ctx, b.ID, 1))(w.t); !bytes.Equal(old, first) {
			t.Errorf("state 1 came back as %q", old)
		}
		same(w.t, "audit", []string{"state.read by admin@plat in plat: state 1"}, w.audit(b, "state."))
		listed := got(w.owner().States(ctx, b.ID, blocks.Span{Limit: 1}))(w.t)
		if listed.Total != 2 || listed.Next == "" || len(listed.Items) != 1 || listed.Items[0].Size != len(second) || listed.Items[0].Run != it.order.Run {
			t.Errorf("the list is %+v", listed)
		}
	})
}

func TestWithoutALockAStateMustFollowTheCurrentOne(t *testing.T) {
	onBoth(t, func(w *town) {
		b, it := w.running()
		ctx := w.t.Context()
		done(w.t, it.door.WriteState(ctx, "", stateText(5, lineage, "x")))
		for what, state := range map[string][]byte{
			"an older one":         stateText(4, lineage, "x"),
			"another of that age":  stateText(5, lineage, "y"),
			"one of another block": stateText(6, "another", "x"),
		} {
			err := it.door.WriteState(ctx, "", state)
			if remuda.KindOf(err) != remuda.Conflict {
				t.Errorf("%s: %v", what, err)
			}
		}
		same(w.t, "states", []string{"1* serial 5 by run 1"}, w.states(b))

		// 'tofu state push -force' takes the lock, and then means what it says.
		got(it.door.LockState(ctx, remuda.StateLock{ID: "l1"}))(w.t)
		done(w.t, it.door.WriteState(ctx, "l1", stateText(1, "another", "x")))
		got(it.door.UnlockState(ctx, "l1"))(w.t)
		same(w.t, "states", []string{"2* serial 1 by run 1", "1 serial 5 by run 1"}, w.states(b))
	})
}

func TestWhatIsNoStateIsRefused(t *testing.T) {
	onBoth(t, func(w *town) {
		b, it := w.running()
		ctx := w.t.Context()
		for _, text := range []string{"", "hunter2", "[]", "{}", `{"version": 4, "serial": -1}`, `{"version": 4, "serial": 1} x`, `{"version": "four"}`} {
			err := it.door.WriteState(ctx, "", []byte(text))
			wantKind(w.t, err, remuda.Invalid)
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the refusal quotes it")
			}
		}
		large := append(stateText(1, lineage, ""), bytes.Repeat([]byte(" "), 16<<20)...)
		wantKind(w.t, it.door.WriteState(ctx, "", large), remuda.TooLarge)
		most := append(stateText(1, lineage, ""), bytes.Repeat([]byte(" "), 16<<20-len(stateText(1, lineage, "")))...)
		done(w.t, it.door.WriteState(ctx, "", most))
		if read := got(it.door.State(ctx))(w.t); !bytes.Equal(read, most) {
			t.Error("the largest state came back otherwise")
		}
		same(w.t, "states", 1, len(w.states(b)))
	})
}

func TestAClaimThatHasEndedTouchesNoState(t *testing.T) {
	onBoth(t, func(w *town) {
		b, it := w.running()
		ctx := w.t.Context()
		done(w.t, it.door.WriteState(ctx, "", stateText(1, lineage, "x")))
		got(it.door.LockState(ctx, remuda.StateLock{ID: "l1"}))(w.t)
		w.finish(it, remuda.RunReport{}, succeeded)
		for what, call := range map[string]func() error{
			"read":   func() error { _, err := it.door.State(ctx); return err },
			"write":  func() error { return it.door.WriteState(ctx, "l1", stateText(2, lineage, "x")) },
			"delete": func() error { return it.door.DeleteState(ctx, "l1") },
			"lock":   func() error { _, err := it.door.LockState(ctx, remuda.StateLock{ID: "l2"}); return err },
			"unlock": func() error { _, err := it.door.UnlockState(ctx, "l1"); return err },
			"plan":   func() error { return it.door.SavePlan(ctx, []byte("plan")) },
			"apply":  func() error { _, err := it.door.SavedPlan(ctx); return err },
		} {
			if err := call(); remuda.KindOf(err) != remuda.Gone {
				t.Errorf("%s: %v", what, err)
			}
		}
		same(w.t, "states", []string{"1* serial 1 by run 1"}, w.states(b))
		wantKind(w.t, w.rules.AsRun(control.NewID()).WriteState(ctx, "", stateText(2, lineage, "x")), remuda.NotFound)
	})
}

func TestADeletedStateLeavesItsVersions(t *testing.T) {
	onBoth(t, func(w *town) {
		b, it := w.running()
		ctx := w.t.Context()
		done(w.t, it.door.DeleteState(ctx, "")) // there is none
		done(w.t, it.door.WriteState(ctx, "", stateText(7, lineage, "x")))
		done(w.t, it.door.DeleteState(ctx, ""))
		done(w.t, it.door.DeleteState(ctx, ""))
		_, err := it.door.State(ctx)
		wantKind(w.t, err, remuda.NotFound)
		same(w.t, "states", []string{"1 serial 7 by run 1"}, w.states(b))
		wantKind(w.t, second(w.owner().State(ctx, b.ID, 2)), remuda.NotFound)
		done(w.t, it.door.WriteState(ctx, "", stateText(1, "fresh", "x"))) // follows nothing
		same(w.t, "states", []string{"3* serial 1 by run 1", "1 serial 7 by run 1"}, w.states(b))
	})
}

func second[T any](_ T, err error) error { return err }

func TestTheNewestFiftyStatesAreKept(t *testing.T) {
	onBoth(t, func(w *town) {
		b, it := w.running()
		ctx := w.t.Context()
		for serial := 1; serial <= 53; serial++ {
			done(w.t, it.door.WriteState(ctx, "", stateText(serial, lineage, "x")))
		}
		kept := w.states(b)
		if len(kept) != 50 || !strings.HasPrefix(kept[0], "53* ") || !strings.HasPrefix(kept[49], "4 ") {
			t.Errorf("kept are %d, from %s to %s", len(kept), kept[len(kept)-1], kept[0])
		}
	})
}

func TestARollbackIsANewVersionWithTheNextSerial(t *testing.T) {
	onBoth(t, func(w *town) {
		b, it := w.running()
		ctx := w.t.Context()
		done(w.t, it.door.WriteState(ctx, "", stateText(3, lineage, "good")))
		done(w.t, it.door.WriteState(ctx, "", stateText(8, lineage, "bad")))
		wantKind(w.t, second(w.owner().RollBackState(ctx, b.ID, 1)), remuda.Conflict) // the run is in progress
		w.finish(it, remuda.RunReport{}, succeeded)
		w.settled(it)
		wantKind(w.t, second(w.owner().RollBackState(ctx, b.ID, 9)), remuda.NotFound)
		back := got(w.owner().RollBackState(ctx, b.ID, 1))(w.t)
		if back.Number != 3 || back.Serial != 9 || !back.Current || back.CreatedBy != "admin@plat" {
			t.Errorf("the rollback is %+v", back)
		}
		// Only the serial differs, at its one place.
		if text := got(w.owner().State(ctx, b.ID, 3))(w.t); !bytes.Equal(text, stateText(9, lineage, "good")) {
			t.Errorf("rolled back to %s", text)
		}
		if !slices.Contains(w.audit(b, "state."), "state.rolled-back by admin@plat in plat: state 1 became state 3") {
			t.Errorf("the audit is %q", w.audit(b, "state."))
		}

		// A run that read the state before is told that it has changed; the next one goes on from it.
		got(w.consumer().RunBlock(ctx, b.ID, remuda.RunRequest{}))(w.t)
		next := w.claim()
		wantKind(w.t, next.door.WriteState(ctx, "", stateText(9, lineage, "late")), remuda.Conflict)
		done(w.t, next.door.WriteState(ctx, "", stateText(10, lineage, "good again")))
	})
}

func TestOnlyOperatorsReadStates(t *testing.T) {
	onBoth(t, func(w *town) {
		b, it := w.running()
		ctx := w.t.Context()
		done(w.t, it.door.WriteState(ctx, "", stateText(1, lineage, "x")))
		got(it.door.LockState(ctx, remuda.StateLock{ID: "l1"}))(w.t)
		for name, test := range map[string]struct {
			door blocks.UserDoor
			list remuda.Kind // empty when it may
			read remuda.Kind
		}{
			"its operator":          {w.owner(), "", ""},
			"an operator's key":     {w.key("plat", remuda.PermitManagedBlockSave, remuda.PermitManagedBlockList), "", ""},
			"a definition's key":    {w.key("plat", remuda.PermitDefinitionSave), "", ""},
			"a key for everything":  {w.key("umbrella", remuda.Everywhere(remuda.PermitBlockSave), remuda.Everywhere(remuda.PermitBlockList)), "", ""},
			"a member of the owner": {w.as("plat", remuda.RoleMember), "", remuda.Forbidden},
			"who ordered it":        {w.as("acme", remuda.RoleAdmin), "", remuda.Forbidden},
			"who reads alone":       {w.key("acme", remuda.PermitBlockList), "", remuda.Forbidden},
			"a key without":         {w.key("acme", remuda.PermitTenantList), remuda.NotFound, remuda.NotFound},
			"a stranger":            {w.as("umbrella", remuda.RoleAdmin), remuda.NotFound, remuda.NotFound},
		} {
			check := func(what string, err error, want remuda.Kind) {
				t.Helper()
				if err == nil && want == "" || err != nil && remuda.KindOf(err) == want {
					return
				}
				t.Errorf("%s: %s = %v, want %q", name, what, err, want)
			}
			check("list", second(test.door.States(ctx, b.ID, blocks.Span{})), test.list)
			check("show the lock", second(test.door.StateLock(ctx, b.ID)), test.list)
			check("read", second(test.door.State(ctx, b.ID, 1)), test.read)
			rollback := test.read
			if rollback == "" {
				rollback = remuda.Conflict // it is locked
			}
			check("roll back", second(test.door.RollBackState(ctx, b.ID, 1)), rollback)
			unlock := test.read
			if unlock == "" {
				unlock = remuda.Conflict // another lock
			}
			check("unlock", test.door.ForceUnlockState(ctx, b.ID, "another"), unlock)
		}
	})
}

func TestStatesAndPlansAreEncryptedForTheirPlace(t *testing.T) {
	onBoth(t, func(w *town) {
		b, it := w.running()
		ctx := w.t.Context()
		done(w.t, it.door.WriteState(ctx, "", stateText(1, lineage, "hunter2-planted")))
		done(w.t, it.door.WriteState(ctx, "", stateText(2, lineage, "hunter3-planted")))
		var rows []*blocks.StateRow
		for _, s := range got(w.owner().States(ctx, b.ID, blocks.Span{}))(w.t).Items {
			row := &blocks.StateRow{}
			done(w.t, w.store.Read(ctx, func(v control.View) error { return v.Get(ctx, row, s.ID) }))
			if bytes.Contains(row.Body, []byte("planted")) || len(row.Body) == 0 {
				t.Errorf("state %d lies open, or is not there", s.Number)
			}
			rows = append(rows, row)
		}
		// Moved to another version, it does not open.
		moved := &blocks.StateRow{ID: rows[0].ID, Body: rows[1].Body}
		done(w.t, w.store.Write(ctx, control.Alone, func(tx control.Tx) error { return tx.Update(ctx, moved, "body") }))
		if _, err := w.owner().State(ctx, b.ID, rows[0].Number); err == nil || remuda.KindOf(err) != remuda.Internal {
			t.Errorf("a state of another version opens: %v", err)
		}
	})
}

//go:build !race

package store_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/remuda-dev/remuda/internal/control"
)

// TestAClaimCostsTheSameHoweverMuchIsQueued compares the quickest of many looks, so that what else the machine does
// counts little. The race detector slows what it watches unevenly; 'make simulate' runs this without it.
func TestAClaimCostsTheSameHoweverMuchIsQueued(t *testing.T) {
	look := func(c crowd, analyze bool) time.Duration {
		dir := t.TempDir()
		s := databases()[0].opened(t, dir)
		w := c.gather(t, s)
		if analyze {
			if _, err := file(t, filepath.Join(dir, "remuda.db")).ExecContext(t.Context(), "analyze"); err != nil {
				t.Fatal(err)
			}
		}
		var took []time.Duration
		for range 200 {
			begun := time.Now()
			read(t, s, func(v control.View) (control.TaskRow, error) {
				return claimable(t.Context(), v, []string{w.class.ID}, []string{"job"})
			})
			took = append(took, time.Since(begun))
		}
		return slices.Min(took)
	}
	few := look(crowd{queued: 1000, projects: 1}, false)
	many := sizeOf(t, "REMUDA_BENCH_QUEUED", 6000)
	for name, c := range crowds(many, many) {
		if c.projects > 1 {
			c.projects = 300
		}
		if c.groups > 0 {
			c.groups = min(c.groups, max(600, many/100))
		}
		if took := look(c, true); took > 3*few {
			t.Errorf("%s: %s, with a thousand queued %s", name, took, few)
		} else {
			t.Logf("%s: %s, with a thousand queued %s", name, took, few)
		}
	}
}

func TestIdleLanesCostAClaimNothing(t *testing.T) {
	const some = 1000
	look := func(idle int) time.Duration {
		s := databases()[0].opened(t, t.TempDir())
		w := crowd{queued: some, projects: 1}.gather(t, s)
		main := w.lane(t, w.queue(t, nil).ID)
		for left := idle; left > 0; left -= some {
			write(t, s, func(tx control.Tx) error {
				for range some {
					// A group's side lane, and a main lane of other capabilities.
					side := control.LaneRow{ID: newID(), ClassID: main.ClassID, ProjectID: main.ProjectID, Group: newID(), GroupID: newID(), MainID: main.ID, Weight: 1}
					other := control.LaneRow{ID: newID(), ClassID: main.ClassID, ProjectID: main.ProjectID, Capabilities: " " + newID() + " ", Weight: 1}
					other.MainID = other.ID
					if err := errors.Join(tx.Insert(t.Context(), &side), tx.Insert(t.Context(), &other)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		var took []time.Duration
		for range 200 {
			begun := time.Now()
			read(t, s, func(v control.View) (control.TaskRow, error) {
				return claimable(t.Context(), v, []string{w.class.ID}, []string{"job"})
			})
			took = append(took, time.Since(begun))
		}
		return slices.Min(took)
	}
	few, many := look(0), look(sizeOf(t, "REMUDA_BENCH_IDLE_LANES", 10_000)/2)
	t.Logf("%s, without idle lanes %s", many, few)
	if many > 3*few {
		t.Errorf("a look takes %s, without idle lanes %s", many, few)
	}
}

package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
)

// absentFacts are about changes to rows that are not there. PostgreSQL answers them with the commit, or not at all.
func absentFacts() []fact {
	return []fact{
		{"a change to a row that is not there takes back all of its transition", absentRowsTakeBackAll},
		{"a transition that goes on after it missed a row is taken back", goingOnIsTakenBack},
		{"who misses a row has its neighbours' changes made once", absentRowsSpareNeighbours},
	}
}

// missingRow are the ways to change a row that is not there.
func missingRow(ctx context.Context, there control.RunnerRow) map[string]func(control.Tx) error {
	gone := newRunner()
	return map[string]func(control.Tx) error{
		"Update": func(tx control.Tx) error { return tx.Update(ctx, &gone, "slots") },
		"Delete": func(tx control.Tx) error { return tx.Delete(ctx, &gone) },
		"Together": func(tx control.Tx) error {
			return tx.Together(ctx, func() error {
				return errors.Join(tx.Update(ctx, &there, "slots"), tx.Update(ctx, &gone, "slots"))
			})
		},
	}
}

func absentRowsTakeBackAll(t *testing.T, s control.Store) {
	ctx, w := t.Context(), newTown(t, s)
	for _, scope := range []control.Scope{control.Alone, control.Beside, control.Claiming} {
		for name, change := range missingRow(ctx, w.runner) {
			job := control.JobRow{ID: newID(), OrganizationID: w.organization.ID, Payload: []byte("{}")}
			err := s.Write(ctx, scope, func(tx control.Tx) error {
				if err := tx.Insert(ctx, &job); err != nil {
					return err
				}
				return change(tx)
			})
			if !errors.Is(err, remuda.NotFound) {
				t.Errorf("%s in scope %d answers %v", name, scope, err)
			}
			if exists(t, s, job.ID) {
				t.Errorf("%s in scope %d leaves what was inserted before it", name, scope)
			}
		}
	}
}

func goingOnIsTakenBack(t *testing.T, s control.Store) {
	ctx, w := t.Context(), newTown(t, s)
	for name, change := range missingRow(ctx, w.runner) {
		job := control.JobRow{ID: newID(), OrganizationID: w.organization.ID, Payload: []byte("{}")}
		err := s.Write(ctx, control.Beside, func(tx control.Tx) error {
			if err := tx.Insert(ctx, &job); err != nil {
				return err
			}
			if err := change(tx); err != nil {
				return err
			}
			_, err := tx.Movable(ctx, newID()) // is told of the row that was missed, and takes it for its own
			if !errors.Is(err, remuda.NotFound) {
				return err
			}
			return nil
		})
		if !errors.Is(err, remuda.NotFound) || exists(t, s, job.ID) {
			t.Errorf("%s: the answer is %v, and what was inserted before is there: %v", name, err, exists(t, s, job.ID))
		}
	}
}

// None of them asks for anything, so that what is missing is found at the end of all that are carried out together.
func absentRowsSpareNeighbours(t *testing.T, s control.Store) {
	ctx, w := t.Context(), newTown(t, s)
	var all sync.WaitGroup
	for i := range 90 {
		all.Go(func() {
			gone := newRunner()
			job := control.JobRow{ID: newID(), OrganizationID: w.organization.ID, Payload: []byte("{}")}
			err := s.Write(ctx, control.Beside, func(tx control.Tx) error {
				if i%3 == 0 {
					return tx.Update(ctx, &gone, "slots")
				}
				return tx.Insert(ctx, &job) // twice, it is there already
			})
			switch {
			case i%3 == 0 && !errors.Is(err, remuda.NotFound):
				t.Errorf("transition %d, whose row is not there, answers %v", i, err)
			case i%3 != 0 && (err != nil || !exists(t, s, job.ID)):
				t.Errorf("transition %d answers %v, and its row is there: %v", i, err, exists(t, s, job.ID))
			}
		})
	}
	all.Wait()
}

// PostgreSQL answers the commit of a transaction in which a statement failed as one that succeeds, and makes none of it.
func TestWhatWasTakenBackIsNotSaidToBeMade(t *testing.T) {
	s := openPostgres(t, postgrestest.Fresh(t))
	ctx, w := t.Context(), newTown(t, s)
	for _, scope := range []control.Scope{control.Alone, control.Beside} {
		job := control.JobRow{ID: newID(), OrganizationID: w.organization.ID, Payload: []byte("{}")}
		err := s.Write(ctx, scope, func(tx control.Tx) error {
			err := errors.Join(tx.Insert(ctx, &job), tx.Insert(ctx, &job))
			_, looked := tx.Waiting(ctx, "") // the second one is found to be there by now
			if err == nil && looked == nil {
				t.Errorf("in scope %d nothing fails", scope)
			}
			return nil
		})
		if err == nil || exists(t, s, job.ID) {
			t.Errorf("scope %d answers %v, and the row is there: %v", scope, err, exists(t, s, job.ID))
		}
	}
}

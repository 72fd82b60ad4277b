package control_test

import (
	"slices"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// road is one move that a task may make, with the reasons that it may have.
type road struct {
	from, to remuda.State
	reasons  []remuda.Reason
}

// roads is the table of the design, written down once more: whoever changes one meets the other.
func roads() []road {
	none := []remuda.Reason{""}
	return []road{
		{remuda.Waiting, remuda.Queued, none},
		{remuda.Waiting, remuda.Skipped, none},
		{remuda.Waiting, remuda.Canceled, none},
		{remuda.Queued, remuda.Running, none},
		{remuda.Queued, remuda.Canceled, none},
		{remuda.Queued, remuda.Failed, []remuda.Reason{remuda.ReasonPolicy, remuda.ReasonConfig, remuda.ReasonTimeout}},
		{remuda.Running, remuda.Queued, none},
		{remuda.Running, remuda.Succeeded, none},
		{remuda.Running, remuda.Canceled, none},
		{remuda.Running, remuda.Failed, []remuda.Reason{
			remuda.ReasonStep, remuda.ReasonTimeout, remuda.ReasonConfig, remuda.ReasonPolicy, remuda.ReasonInfrastructure, remuda.ReasonLost,
		}},
	}
}

func allStates() []remuda.State {
	return []remuda.State{
		remuda.Waiting, remuda.Queued, remuda.Running, remuda.Succeeded, remuda.Failed, remuda.Canceled, remuda.Skipped,
	}
}

func allReasons() []remuda.Reason {
	return []remuda.Reason{
		"", remuda.ReasonStep, remuda.ReasonTimeout, remuda.ReasonConfig, remuda.ReasonPolicy, remuda.ReasonInfrastructure, remuda.ReasonLost, "whim",
	}
}

func TestATaskMovesOnTheRoadsOfTheTableAndOnNoOther(t *testing.T) {
	r := newRanch(t)
	id := r.submit(hello())
	for _, from := range allStates() {
		for _, to := range append(allStates(), "elsewhere") {
			for _, reason := range allReasons() {
				open := slices.ContainsFunc(roads(), func(road road) bool {
					return road.from == from && road.to == to && slices.Contains(road.reasons, reason)
				})
				before := r.put(id, from)
				err := control.Move(t.Context(), r.plane, id, to, reason)
				after := r.numbers(id)
				switch {
				case open && err != nil:
					t.Errorf("from %s to %s (%s): %v", from, to, reason, err)
				case open:
					same(t, string(from)+" to "+string(to), moved(before, from, to, reason), after)
				case err == nil:
					t.Errorf("there is a road from %s to %s (%s)", from, to, reason)
				default:
					same(t, "what a refused move leaves", before, after)
				}
			}
		}
	}
}

// numbers is what a move changes.
type numbers struct {
	State                                        remuda.State
	Reason                                       remuda.Reason
	Detail                                       string
	Ended                                        bool
	Queued, Lane, Organization, Project, Running int
	Events                                       []string
}

// moved is what becomes of the numbers by a move that may be made.
func moved(n numbers, from, to remuda.State, reason remuda.Reason) numbers {
	n.State, n.Reason, n.Detail, n.Ended = to, reason, "because", to.Ended()
	add := func(state remuda.State, by int) {
		switch state {
		case remuda.Queued:
			n.Queued += by
		case remuda.Running:
			n.Lane, n.Organization, n.Project, n.Running = n.Lane+by, n.Organization+by, n.Project+by, n.Running+by
		}
	}
	add(from, -1)
	add(to, 1)
	n.Events = []string{"task." + string(to)}
	return n
}

// put brings a task into a state past all rules, and answers its numbers then, without the events before.
func (r *ranch) put(id string, state remuda.State) numbers {
	r.t.Helper()
	ctx := r.t.Context()
	err := r.store.Write(ctx, control.Alone, func(tx control.Tx) error {
		row := control.TaskRow{ID: id, State: state}
		return tx.Update(ctx, &row, "state", "reason", "detail", "ended_at")
	})
	done(r.t, err)
	n := r.numbers(id)
	n.Events = nil
	r.forgetEvents(id)
	return n
}

func (r *ranch) forgetEvents(subject string) {
	r.t.Helper()
	ctx := r.t.Context()
	err := r.store.Write(ctx, control.Alone, func(tx control.Tx) error {
		events, err := tx.Events(ctx, control.EventFilter{Subject: subject, Limit: 1000}, "")
		for _, e := range events {
			row := e.EventRow
			row.Subject = "forgotten"
			if err := tx.Update(ctx, &row, "subject"); err != nil {
				return err
			}
		}
		return err
	})
	done(r.t, err)
}

func (r *ranch) numbers(id string) (n numbers) {
	r.t.Helper()
	ctx := r.t.Context()
	err := r.store.Read(ctx, func(v control.View) error {
		var task control.TaskRow
		var lane control.LaneRow
		var organization control.OrganizationRow
		var project control.ProjectRow
		var class control.ClassRow
		if err := v.Get(ctx, &task, id); err != nil {
			return err
		}
		for row, id := range map[control.Row]string{
			&lane: task.LaneID, &organization: task.OrganizationID, &project: task.ProjectID, &class: task.ClassID,
		} {
			if err := v.Get(ctx, row, id); err != nil {
				return err
			}
		}
		n = numbers{
			State: task.State, Reason: task.Reason, Detail: task.Detail, Ended: task.EndedAt != 0, Queued: lane.Queued,
			Lane: lane.Running, Organization: organization.Running, Project: project.Running, Running: class.Running,
		}
		events, err := v.Events(ctx, control.EventFilter{Subject: id, Limit: 1000}, "")
		for _, e := range events {
			n.Events = append(n.Events, e.Type)
		}
		return err
	})
	done(r.t, err)
	return n
}

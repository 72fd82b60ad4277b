package control

import (
	"context"
	"time"

	"github.com/remuda-dev/remuda"
)

// EventFilter asks for events after an id; an empty member asks nothing. Type may end with '*'.
type EventFilter struct {
	After                       int64
	Limit                       int
	Organization, Type, Subject string
}

// Events lists transitions in the order in which they were made.
func (d UserDoor) Events(ctx context.Context, f EventFilter) ([]remuda.Event, error) {
	events, _, err := d.events(ctx, f)
	return events, err
}

// events also tells the newest event that there was, asked for or not.
func (d UserDoor) events(ctx context.Context, f EventFilter) ([]remuda.Event, int64, error) {
	if f.Limit <= 0 || f.Limit > 1000 {
		f.Limit = 100
	}
	organization := d.only()
	var rows []EventView
	var last int64
	err := d.p.store.Read(ctx, func(v View) error {
		if f.Organization != "" {
			owner, err := d.organization(ctx, v, f.Organization, remuda.RoleViewer)
			if err != nil {
				return err
			}
			organization = owner.ID
		}
		var err error
		if rows, err = v.Events(ctx, f, organization); err != nil {
			return err
		}
		last, err = v.LastEvent(ctx)
		return err
	})
	events := make([]remuda.Event, 0, len(rows))
	for _, e := range rows {
		events = append(events, remuda.Event{
			ID: e.ID, Type: e.Type, Organization: e.Organization, Subject: e.Subject, Actor: e.Actor,
			Detail: e.Detail, At: e.At.Time(),
		})
	}
	return events, last, err
}

// FollowEvents gives the events that are there, and then new ones as they are written, until ctx ends or yield fails.
func (d UserDoor) FollowEvents(ctx context.Context, f EventFilter, yield func([]remuda.Event) error) error {
	woken := d.p.hub.subscribe(eventTopic) // before reading, so that nothing falls between
	defer woken.close()
	look := time.NewTicker(pollEvery) // another plane may have written some
	defer look.Stop()
	for {
		events, last, err := d.events(ctx, f)
		if ctx.Err() != nil {
			return nil // also when it ended in the middle of the reading
		}
		if err != nil {
			return err
		}
		if len(events) > 0 {
			f.After = events[len(events)-1].ID
			if err := yield(events); err != nil {
				return err
			}
			continue
		}
		f.After = max(f.After, last) // those in between are not asked for
		select {
		case <-woken.C:
		case <-look.C:
			if err := d.stillIn(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// ofRunner writes down what happened to a runner, for each organization whose classes it serves.
func (t *transition) ofRunner(ctx context.Context, kind, runner, detail string) error {
	owners, err := t.RunnerOwners(ctx, runner)
	if err != nil {
		return err
	}
	if len(owners) == 0 {
		owners = []string{""}
	}
	for _, owner := range owners {
		if err := t.event(ctx, kind, owner, runner, detail); err != nil {
			return err
		}
	}
	return nil
}

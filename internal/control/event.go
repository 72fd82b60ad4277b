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
	for range heldBackTimes {
		read, err := d.events(ctx, f)
		if err != nil || !read.held {
			return read.events, err
		}
		select {
		case <-time.After(heldBack): // among them may be the one that the caller has just made
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	read, err := d.events(ctx, f)
	return read.events, err
}

// readEvents are events, with the newest one that there was, asked for or not, and whether newer ones are held back.
type readEvents struct {
	events []remuda.Event
	last   int64
	held   bool
}

func (d UserDoor) events(ctx context.Context, f EventFilter) (readEvents, error) {
	if f.Limit <= 0 || f.Limit > 1000 {
		f.Limit = 100
	}
	organization, err := d.only("event")
	if err != nil {
		return readEvents{}, err
	}
	var rows []EventView
	var read readEvents
	err = d.p.store.Read(ctx, func(v View) error {
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
		read.last, read.held, err = v.LastEvent(ctx)
		return err
	})
	read.events = make([]remuda.Event, 0, len(rows))
	for _, e := range rows {
		read.events = append(read.events, d.wordsOfEvent(e))
	}
	return read, err
}

// wordsOfEvent tells an event. From where it was asked for is people's own, which admins alone are told.
func (d UserDoor) wordsOfEvent(e EventView) remuda.Event {
	words := remuda.Event{
		ID: e.ID, Type: e.Type, Organization: e.Organization, Subject: e.Subject, Actor: e.Actor, Detail: e.Detail, At: e.At.Time(),
	}
	if d.user.Admin || rank(d.user.Role) >= rank(remuda.RoleAdmin) {
		words.Address = e.Address
	}
	return words
}

// Events that are held back are looked for again so soon, and by those who do not follow so often.
const (
	heldBack      = 10 * time.Millisecond
	heldBackTimes = 20
)

// FollowEvents gives the events that are there, and then new ones as they are written, until ctx ends or yield fails.
func (d UserDoor) FollowEvents(ctx context.Context, f EventFilter, yield func([]remuda.Event) error) error {
	woken := d.p.hub.subscribe(eventTopic) // before reading, so that nothing falls between
	defer woken.close()
	look := time.NewTicker(pollEvery) // another plane may have written some
	defer look.Stop()
	for {
		read, err := d.events(ctx, f)
		if ctx.Err() != nil {
			return nil // also when it ended in the middle of the reading
		}
		if err != nil {
			return err
		}
		if n := len(read.events); n > 0 {
			f.After = read.events[n-1].ID
			if err := yield(read.events); err != nil {
				return err
			}
			continue
		}
		f.After = max(f.After, read.last) // those in between are not asked for
		var again <-chan time.Time
		if read.held {
			again = time.After(heldBack)
		}
		select {
		case <-again:
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

package control

import (
	"context"
	"strconv"
	"time"

	"github.com/remuda-dev/remuda"
)

// AuditFilter asks who did what; an empty member asks nothing. Type may end with '*'.
type AuditFilter struct {
	Organization, Type, Subject, Actor string
	From, Until                        time.Time // when it happened; Until itself is not part of it
}

// Audit lists events, the newest first. It looks at so many events at most: a page may have few or none and yet say where
// to go on.
func (d UserDoor) Audit(ctx context.Context, f AuditFilter, q PageQuery) (remuda.Page[remuda.Event], error) {
	organization, err := d.only("event")
	if err != nil {
		return remuda.Page[remuda.Event]{}, err
	}
	query := EventQuery{OrganizationID: organization, Type: f.Type, Subject: f.Subject, Actor: f.Actor, Limit: q.span().Limit - 1}
	if !f.From.IsZero() {
		query.From = micros(f.From)
	}
	if !f.Until.IsZero() {
		query.Until = micros(f.Until)
	}
	if q.Cursor != "" {
		if query.Before, err = strconv.ParseInt(q.Cursor, 10, 64); err != nil || query.Before < 1 {
			return remuda.Page[remuda.Event]{}, remuda.Fail(remuda.Invalid, "where to go on is the next of an earlier page, a number")
		}
	}
	var found EventSlice
	err = d.p.store.Read(ctx, func(v View) error {
		if f.Organization != "" {
			owner, err := d.organization(ctx, v, f.Organization, remuda.RoleViewer)
			if err != nil {
				return err
			}
			query.OrganizationID = owner.ID
		}
		found, err = v.EventsBack(ctx, query)
		return err
	})
	result := remuda.Page[remuda.Event]{Items: make([]remuda.Event, 0, len(found.Events))}
	for _, e := range found.Events {
		result.Items = append(result.Items, d.wordsOfEvent(e))
	}
	if found.Next != 0 {
		result.Next = strconv.FormatInt(found.Next, 10)
	}
	return result, err
}

// EventQuery asks for events before an id; an empty member asks nothing.
type EventQuery struct {
	OrganizationID, Type, Subject, Actor string
	From, Until                          Micros
	Before                               int64
	Limit                                int
}

// EventSlice are events, the newest first.
type EventSlice struct {
	Events []EventView
	Next   int64 // what comes before this id was not looked at; 0 when there is nothing
}

// eventsInStore is what a View knows of events that are read backward.
type eventsInStore interface {
	// EventsBack lists events in descending order of id. It looks at a bounded number of them.
	EventsBack(ctx context.Context, q EventQuery) (EventSlice, error)
}

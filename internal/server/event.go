package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

type listEventsInput struct {
	byUser
	After        int64  `query:"after" minimum:"0" doc:"Only those after the event with this id: next of an earlier answer. From the first that is kept when 0"`
	Limit        int    `query:"limit" minimum:"0" maximum:"1000" doc:"How many at most; 100 when 0. A stream has no end"`
	Organization string `query:"organization" maxLength:"64" doc:"Only those about this organization"`
	Type         string `query:"type" maxLength:"100" doc:"Only those of this type, such as task.finished; task.* for all that begin so"`
	Subject      string `query:"subject" maxLength:"200" doc:"Only those about the thing of this id or name"`
	Actor        string `query:"actor" maxLength:"200" doc:"Only those that somebody of this name made; only with newest_first"`
	NewestFirst  bool   `query:"newest_first" doc:"List backward, from the newest. A page may be short and yet have a next one, which before asks for"`
	Before       string `query:"before" maxLength:"20" doc:"Only those before the event with this id: next of an earlier answer; only with newest_first"`
	Accept       string `header:"Accept" hidden:"true"`
	LastEventID  string `header:"Last-Event-ID" maxLength:"20" doc:"Where a stream goes on: the id of the last event that was seen; wins over after"`
}

// someEvents is how many are listed when nothing is said.
const someEvents = 100

func (s *Server) listEvents(ctx context.Context, in *listEventsInput) (func(huma.Context), error) {
	filter := control.EventFilter{
		After: in.After, Limit: in.Limit, Organization: in.Organization, Type: in.Type, Subject: in.Subject,
	}
	if filter.Limit == 0 {
		filter.Limit = someEvents
	}
	if wantsEvents(in.Accept) {
		return s.followEvents(ctx, in, filter)
	}
	page, err := listEventsOf(ctx, in, filter)
	if err != nil {
		return nil, err
	}
	return func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", jsonType)
		ctx.SetStatus(http.StatusOK)
		_ = json.NewEncoder(ctx.BodyWriter()).Encode(page) // Nobody is left to tell.
	}, nil
}

func listEventsOf(ctx context.Context, in *listEventsInput, filter control.EventFilter) (remuda.Page[remuda.Event], error) {
	if in.NewestFirst {
		back := control.AuditFilter{Organization: in.Organization, Type: in.Type, Subject: in.Subject, Actor: in.Actor}
		return in.door.Audit(ctx, back, control.PageQuery{Cursor: in.Before, Limit: filter.Limit})
	}
	if in.Before != "" || in.Actor != "" {
		return remuda.Page[remuda.Event]{}, remuda.Fail(remuda.Invalid, "before and actor are for lists that say newest_first")
	}
	found, err := in.door.Events(ctx, filter)
	page := remuda.Page[remuda.Event]{Items: found}
	if err == nil && len(found) == filter.Limit {
		page.Next = strconv.FormatInt(found[len(found)-1].ID, 10)
	}
	return page, err
}

func (s *Server) followEvents(ctx context.Context, in *listEventsInput, filter control.EventFilter) (func(huma.Context), error) {
	if in.LastEventID != "" {
		after, err := strconv.ParseInt(in.LastEventID, 10, 64)
		if err != nil || after < 0 {
			return nil, badEventID("the id of an event, such as 42")
		}
		filter.After = after
	}
	// The stream begins before there is an event, so what can be refused is refused now.
	probe := filter
	probe.Limit = 1
	if _, err := in.door.Events(ctx, probe); err != nil {
		return nil, err
	}
	return s.stream(func(ctx context.Context, out *eventWriter) error {
		if err := out.beat(); err != nil {
			return err
		}
		return in.door.FollowEvents(ctx, filter, func(some []remuda.Event) error {
			for _, event := range some {
				if err := out.send("event", strconv.FormatInt(event.ID, 10), event); err != nil {
					return err
				}
			}
			return nil
		})
	}), nil
}

func badEventID(expected string) error {
	field := remuda.Field{Location: "header.Last-Event-ID", Message: "expected " + expected}
	return &remuda.Error{Kind: remuda.Invalid, Detail: sentence([]remuda.Field{field}), Fields: []remuda.Field{field}}
}

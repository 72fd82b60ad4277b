package account

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// auditPage is what happened, the newest first.
type auditPage struct {
	Events        []remuda.Event
	Filter        control.AuditFilter
	Day           string
	Wrong         *remuda.Error
	First, Next   string
	Everywhere    bool     // of the whole instance, which has more than one organization
	Organizations []string // to choose from
	Addresses     bool     // whether the visitor is told from where
}

// perPage is how many events a page shows.
const perPage = 100

func audit(v *page.Visit) (page.View, error) {
	p := auditPage{
		Filter: control.AuditFilter{Organization: v.Query("organization"), Type: v.Query("type"), Subject: v.Query("subject"), Actor: v.Query("actor")},
		Day:    v.Query("day"), Everywhere: v.User.Admin, Addresses: runsTokens(v),
	}
	view := page.View{Title: "Audit", Area: page.Audit, Files: styles()}
	if p.Day != "" {
		day, err := time.Parse(time.DateOnly, p.Day)
		if err != nil {
			p.Wrong = remuda.Fail(remuda.Invalid, "A day is written as 2006-01-02.")
			view.Body, view.Code, view.Still = p.body(), 422, true
			return view, nil
		}
		p.Filter.From, p.Filter.Until = day, day.AddDate(0, 0, 1)
	}
	if p.Everywhere {
		var err error
		if p.Organizations, err = organizations(v); err != nil {
			return view, err
		}
	}
	before := v.Query("before")
	found, err := v.Door.Audit(v.Context(), p.Filter, control.PageQuery{Cursor: before, Limit: perPage})
	if err != nil {
		return view, err
	}
	p.Events = found.Items
	if before != "" {
		p.First = p.address("")
	}
	if found.Next != "" {
		p.Next = p.address(found.Next)
	}
	view.Body = p.body()
	return view, nil
}

func (p auditPage) address(before string) string {
	return page.Address("/audit", "organization", p.Filter.Organization, "type", p.Filter.Type, "subject", p.Filter.Subject,
		"actor", p.Filter.Actor, "day", p.Day, "before", before)
}

// filtered says whether anything is asked for.
func (p auditPage) filtered() bool { return p.address("") != "/audit" }

// only is the address that asks for one thing more.
func (p auditPage) only(name, value string) string {
	switch name {
	case "type":
		p.Filter.Type = value
	case "subject":
		p.Filter.Subject = value
	case "actor":
		p.Filter.Actor = value
	}
	return p.address("")
}

// kinds are types of events that one may want to see, for the field in which any can be written.
func kinds() []string {
	return []string{
		"block.*", "definition.*", "integration.*", "namespace.*", "organization.*", "plan.read", "project.*", "resource-class.*",
		"run.*", "run.approved", "runner.*", "session.*", "state.*", "task.*", "task.failed", "tenant.*", "token.*", "version.*",
	}
}

// pageOf is the page of what an event is about; empty when there is none.
func pageOf(e remuda.Event) string {
	noun, verb, _ := strings.Cut(e.Type, ".")
	if verb == "deleted" {
		return ""
	}
	id := url.PathEscape(e.Subject)
	switch noun {
	case "task":
		return "/tasks/" + id
	case "runner":
		return "/runners/" + id
	case "run":
		return "/runs/" + id
	case "block", "plan", "state":
		return "/blocks/" + id
	case "definition":
		return "/definitions/" + id
	case "resource-class":
		namespace, name, found := strings.Cut(e.Subject, "/")
		if !found {
			return ""
		}
		return "/resource-classes/" + url.PathEscape(namespace) + "/" + url.PathEscape(name)
	case "token":
		if verb != "revoked" {
			return "/tokens#token-" + id
		}
	case "session":
		if verb != "ended" {
			return "/tokens#session-" + id
		}
	}
	return ""
}

func eventID(e remuda.Event) string { return "event-" + strconv.FormatInt(e.ID, 10) }

// actor is who did something, with the id of a runner in short.
func actor(name string) string {
	if id, is := strings.CutPrefix(name, "runner "); is {
		return "runner\u00a0" + short(id)
	}
	return name
}

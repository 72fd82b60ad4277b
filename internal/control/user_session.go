package control

import (
	"context"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// Session is somebody who has signed in with a browser, as it is shown.
type Session struct {
	ID, Token, Nickname string // Token is an id
	Organization        string // empty for the instance's administrator
	Role                remuda.Role
	Address, Browser    string
	BeganAt, LastUsedAt time.Time
	EndsAt              time.Time
}

// Sessions lists who has signed in, the newest first: all of the instance for its administrator, those of an organization
// for its admins, one's own for everybody else.
func (d UserDoor) Sessions(ctx context.Context, q PageQuery) (remuda.Page[Session], error) {
	if d.user.Permissions != nil {
		return remuda.Page[Session]{}, notForKeys("session")
	}
	query := SessionQuery{Span: q.span()}
	switch {
	case d.user.Admin:
	case rank(d.user.Role) >= rank(remuda.RoleAdmin):
		query.Organization = d.user.OrganizationID
	default:
		query.Token = d.user.Token
	}
	var rows []SessionView
	err := d.p.store.Read(ctx, func(v View) (err error) {
		rows, err = v.Sessions(ctx, query)
		return err
	})
	return page(rows, query.Span, func(s SessionView) string { return s.ID }, wordsOfSession), err
}

func wordsOfSession(s SessionView) Session {
	return Session{
		ID: s.ID, Token: s.TokenID, Nickname: s.Nickname, Organization: s.Organization, Role: s.Role, Address: s.Address,
		Browser: browserOf(s.Agent), BeganAt: s.CreatedAt.Time(), LastUsedAt: s.LastUsedAt.Time(), EndsAt: s.EndsAt.Time(),
	}
}

// EndSession signs somebody out: oneself, or whoever signed in with a token of the user's organization if the user is an
// admin of it.
func (d UserDoor) EndSession(ctx context.Context, id string) error {
	return d.write(ctx, func(t *transition) error {
		session, err := t.SessionView(ctx, id)
		if err != nil {
			return orAbsent(err, "session", id)
		}
		if session.TokenID != d.user.Token || d.user.Permissions != nil {
			owner := ""
			if session.OrganizationID != nil {
				owner = *session.OrganizationID
			}
			if err := d.may(owner, remuda.RoleAdmin, "session", id); err != nil {
				return err
			}
		}
		return t.endSession(ctx, session, "ended by hand")
	})
}

// mostAgent bounds what is kept of what a browser calls itself.
const mostAgent = 200

// shortened is a text of at most so many bytes, without what no text should have.
func shortened(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// browserOf is what a browser is, as far as one sees from what it calls itself: they all claim to be each other, so the
// order counts.
func browserOf(agent string) string {
	first := func(signs []string) string {
		for i := 0; i < len(signs); i += 2 {
			if strings.Contains(agent, signs[i]) {
				return signs[i+1]
			}
		}
		return ""
	}
	name := first([]string{"Edg", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "FxiOS/", "Firefox", "Chrome/", "Chrome", "CriOS/", "Chrome", "Safari/", "Safari"})
	system := first([]string{"Windows", "Windows", "iPhone", "iPhone", "iPad", "iPad", "Android", "Android", "Mac OS", "macOS", "Linux", "Linux", "CrOS", "ChromeOS"})
	switch {
	case name == "":
		return shortened(agent, 40)
	case system == "":
		return name
	}
	return name + " on " + system
}

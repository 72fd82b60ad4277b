// Package control holds the rules of tasks: who may submit, what a runner may claim, how a claim ends, what silence
// means. It decides inside transactions that a Store opens, and knows neither SQL nor HTTP.
//
// Callers enter by doors: AsUser, AsRunner and AsTask give types that only have the methods that their subject may
// call, bound to that subject.
package control

import (
	"context"
	"errors"
	"slices"

	"github.com/remuda-dev/remuda"
)

// User is who acts: a person or program with an organization token, or the instance's administrator.
type User struct {
	Token          string // id of the token; empty for one of ours
	Name           string // for submitted_by and audit: the token's nickname
	Organization   string // empty for the instance's administrator
	OrganizationID string
	Role           remuda.Role
	Admin          bool     // of the instance
	Permissions    []string // of an API key, which has no role; nil for all others
	Address        string   // from where, for the audit; empty for one of ours
}

// Principal is what a bearer token stands for: exactly one member is set.
type Principal struct {
	User   *User
	Runner string // runner id
	Claim  string // claim id
	Class  string // of a class token: its class's id
}

// UserDoor has what people and their programs may call.
type UserDoor struct {
	p       *Plane
	user    User
	deletes bool // what it is opened for: API keys have words of their own for that
}

// RunnerDoor has what one registered runner may call.
type RunnerDoor struct {
	p  *Plane
	id string
}

// TaskDoor has what the task-agent of one claim may call.
type TaskDoor struct {
	p     *Plane
	claim string
}

// AsUser is the door of a person or program.
func (p *Plane) AsUser(u User) UserDoor { return UserDoor{p: p, user: u} }

// AsRunner is the door of the runner with this id.
func (p *Plane) AsRunner(id string) RunnerDoor { return RunnerDoor{p, id} }

// AsTask is the door of the agent of one claim.
func (p *Plane) AsTask(claimID string) TaskDoor { return TaskDoor{p, claimID} }

// write carries out what the user asks for, while no other transition is under way.
func (d UserDoor) write(ctx context.Context, change func(*transition) error) error {
	return d.writeIn(ctx, Alone, change)
}

// writeIn carries out what the user asks for beside others.
func (d UserDoor) writeIn(ctx context.Context, scope Scope, change func(*transition) error) error {
	return d.p.writeIn(ctx, scope, d.user.Name, func(t *transition) error {
		t.From(d.user.Address)
		return change(t)
	})
}

// PageQuery asks for one part of a list.
type PageQuery struct {
	Cursor string // Next of the page before; empty for the first
	Limit  int    // 50 when 0, at most 500
}

func (q PageQuery) span() Span {
	limit := q.Limit
	if limit <= 0 {
		limit = 50
	}
	return Span{After: q.Cursor, Limit: min(limit, 500) + 1}
}

// page cuts the one row too many that says whether there is a next page, and converts the others.
func page[R, W any](rows []R, span Span, id func(R) string, convert func(R) W) remuda.Page[W] {
	result := remuda.Page[W]{Items: make([]W, 0, len(rows))}
	if len(rows) == span.Limit {
		rows = rows[:span.Limit-1]
		result.Next = id(rows[len(rows)-1])
	}
	for _, row := range rows {
		result.Items = append(result.Items, convert(row))
	}
	return result
}

// rank is how much of the organization a role may touch.
func rank(r remuda.Role) int {
	switch r {
	case remuda.RoleViewer:
		return 1
	case remuda.RoleMember:
		return 2
	case remuda.RoleAdmin:
		return 3
	default:
		return 0
	}
}

// may refuses what the user cannot see as absent, and what its role does not allow as forbidden.
func (d UserDoor) may(organizationID string, role remuda.Role, noun, name string) error {
	switch {
	case d.user.Admin:
		return nil
	case d.user.Permissions != nil:
		return d.keyMay(organizationID, role, noun, name)
	case organizationID == "" || organizationID != d.user.OrganizationID:
		return absent(noun, name)
	case rank(d.user.Role) < rank(role):
		return remuda.Fail(remuda.Forbidden, "this needs the role "+string(role)+" in "+d.user.Organization+
			"; the token has the role "+string(d.user.Role))
	default:
		return nil
	}
}

// May says whether the user has a role in an organization, which is named. It is for what shows people what they can do:
// each method asks for itself.
func (d UserDoor) May(organization string, role remuda.Role) bool {
	return d.user.Admin || d.user.Permissions == nil && organization != "" && organization == d.user.Organization && rank(d.user.Role) >= rank(role)
}

// stillIn says whether the token that opened the door still does, to whoever holds it open for long.
func (d UserDoor) stillIn(ctx context.Context) error {
	if d.user.Token == "" {
		return nil
	}
	return d.p.store.Read(ctx, func(v View) error {
		var token TokenRow
		err := v.Get(ctx, &token, d.user.Token)
		if errors.Is(err, remuda.NotFound) || token.RevokedAt != 0 || token.expired(d.p.now()) {
			return unauthenticated()
		}
		return err
	})
}

// onlyAdmin lets the instance's administrator pass, and API keys that have one of these permissions.
func (d UserDoor) onlyAdmin(what string, permissions ...string) error {
	if d.user.Admin || slices.ContainsFunc(permissions, func(word string) bool { return slices.Contains(d.user.Permissions, word) }) {
		return nil
	}
	return remuda.Fail(remuda.Forbidden, what+" needs the instance's admin token")
}

// only is the organization whose things of a kind the user may list: empty for all.
func (d UserDoor) only(noun string) (organizationID string, err error) {
	switch {
	case d.user.Admin:
		return "", nil
	case d.user.Permissions != nil:
		word := permitted(noun, listVerb)
		if word == "" {
			return "", notForKeys(noun)
		}
		return d.user.Sees(word)
	default:
		return d.user.OrganizationID, nil
	}
}

func absent(noun, name string) error {
	return remuda.Fail(remuda.NotFound, "there is no "+noun+" "+name+" that you may see")
}

// Package blocks holds the rules of building blocks: what a definition's versions are, what an order needs before it can
// run, how runs follow each other, and who may see and do what. A run is a task of the class that its version names:
// internal/control queues it, hands it to a runner and ends it; what that means for its block is settled afterwards,
// from the events.
//
// Callers enter by doors, as they do into internal/control.
package blocks

import (
	"context"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// UserDoor has what people, their programs and API keys may call.
type UserDoor struct {
	r    *Rules
	user control.User
}

// RunDoor has what whoever carries out one claim may call: its agent, or another system's runner.
type RunDoor struct {
	r     *Rules
	claim string
}

// AsUser is the door of a person or program.
func (r *Rules) AsUser(u control.User) UserDoor { return UserDoor{r, u} }

// change carries out what the user asks for, while no other transition is under way.
func (d UserDoor) change(ctx context.Context, do func(*change) error) error {
	return d.changeIn(ctx, control.Alone, do)
}

// changeIn carries out what the user asks for beside others.
func (d UserDoor) changeIn(ctx context.Context, scope control.Scope, do func(*change) error) error {
	return d.r.changeIn(ctx, scope, d.user.Name, func(t *change) error {
		t.From(d.user.Address)
		return do(t)
	})
}

// AsRun is the door of whoever carries out a claim, which authenticated by its task token.
func (r *Rules) AsRun(claim string) RunDoor { return RunDoor{r, claim} }

// Span is one part of a list, from a cursor or from an offset.
type Span struct {
	Cursor string // Next of the part before; empty for the first
	Offset int    // how many to leave out, for formats that count
	Limit  int    // 50 when 0, at most 500
}

// List is one part of a list.
type List[T any] struct {
	Items []T
	Next  string // the cursor of the next part; empty on the last
	Total int    // how many there are in all, counted only when Span.Cursor is empty
}

// DefinitionFilter asks for definitions; an empty member asks nothing.
type DefinitionFilter struct {
	Organization string // its owner's name
	Released     bool   // only those with a released version, which the caller may order
	Search       string // part of the name
}

// BlockFilter asks for blocks; an empty member asks nothing. Organizations and projects go by name, all else by id.
type BlockFilter struct {
	Organization, Project, Platform, Name, Definition, VersionID, Tenant string
	Version                                                              int
	Target                                                               remuda.Target
	Status                                                               []remuda.BlockStatus
	Lifecycle                                                            []remuda.Lifecycle // active and marked for deletion when empty
	ManagedBy                                                            string             // organization that owns the definition
	ManagedByDefinition                                                  string
	Search                                                               string
	Drifted                                                              bool // only those of which the last plan found what was not ordered so
}

// RunFilter asks for runs; an empty member asks nothing.
type RunFilter struct {
	Organization, Block string
	Status              []remuda.RunStatus
	Approval            remuda.Approval
	ByHand              bool // only those that somebody has to do by hand, and has not finished
}

// Package blocks holds the rules of building blocks: what a definition's versions are, what an order needs before it can
// run, how runs follow each other, and who may see and do what. A run is a task of the class that its version names:
// internal/control queues it, hands it to a runner and ends it; what that means for its block is settled afterwards,
// from the events.
//
// Callers enter by doors, as they do into internal/control.
package blocks

import (
	"context"
	"errors"

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
}

// RunFilter asks for runs; an empty member asks nothing.
type RunFilter struct {
	Organization, Block string
	Status              []remuda.RunStatus
	Approval            remuda.Approval
}

var errUnbuilt = errors.New("this is not built yet")

// Definitions lists those that the caller may see, the newest first.
func (d UserDoor) Definitions(ctx context.Context, f DefinitionFilter, s Span) (List[remuda.Definition], error) {
	return List[remuda.Definition]{}, errUnbuilt
}

// Definition is one of them.
func (d UserDoor) Definition(ctx context.Context, id string) (remuda.Definition, error) {
	return remuda.Definition{}, errUnbuilt
}

// CreateDefinition makes a definition with its version 1, an empty draft.
func (d UserDoor) CreateDefinition(ctx context.Context, definition remuda.Definition) (remuda.Definition, error) {
	return remuda.Definition{}, errUnbuilt
}

// ChangeDefinition replaces what it says.
func (d UserDoor) ChangeDefinition(ctx context.Context, id string, definition remuda.Definition) (remuda.Definition, error) {
	return remuda.Definition{}, errUnbuilt
}

// DeleteDefinition forgets one that no block is left of.
func (d UserDoor) DeleteDefinition(ctx context.Context, id string) error { return errUnbuilt }

// Versions lists a definition's versions that the caller may see, the newest first.
func (d UserDoor) Versions(ctx context.Context, definition string, s Span) (List[remuda.Version], error) {
	return List[remuda.Version]{}, errUnbuilt
}

// Version is one of them, by its number.
func (d UserDoor) Version(ctx context.Context, definition string, number int) (remuda.Version, error) {
	return remuda.Version{}, errUnbuilt
}

// VersionByID is one of them.
func (d UserDoor) VersionByID(ctx context.Context, id string) (remuda.Version, error) {
	return remuda.Version{}, errUnbuilt
}

// CreateVersion makes the next version, a draft.
func (d UserDoor) CreateVersion(ctx context.Context, definition string, v remuda.Version) (remuda.Version, error) {
	return remuda.Version{}, errUnbuilt
}

// ChangeVersion replaces what a draft says; one that is released stays as it is.
func (d UserDoor) ChangeVersion(ctx context.Context, definition string, number int, v remuda.Version) (remuda.Version, error) {
	return remuda.Version{}, errUnbuilt
}

// ReleaseVersion freezes a draft.
func (d UserDoor) ReleaseVersion(ctx context.Context, definition string, number int) (remuda.Version, error) {
	return remuda.Version{}, errUnbuilt
}

// DeleteVersion forgets one that no block is of, and which is not the only one.
func (d UserDoor) DeleteVersion(ctx context.Context, definition string, number int) error {
	return errUnbuilt
}

// Blocks lists those that the caller may see, the newest first.
func (d UserDoor) Blocks(ctx context.Context, f BlockFilter, s Span) (List[remuda.Block], error) {
	return List[remuda.Block]{}, errUnbuilt
}

// Block is one of them.
func (d UserDoor) Block(ctx context.Context, id string) (remuda.Block, error) {
	return remuda.Block{}, errUnbuilt
}

// OrderBlock makes a block, and queues its APPLY as soon as every input has a value.
func (d UserDoor) OrderBlock(ctx context.Context, order remuda.Block, idempotencyKey string) (remuda.Block, error) {
	return remuda.Block{}, errUnbuilt
}

// ChangeBlock changes what is said, and queues an APPLY when that is more than its name.
func (d UserDoor) ChangeBlock(ctx context.Context, id string, c remuda.BlockChange) (remuda.Block, error) {
	return remuda.Block{}, errUnbuilt
}

// DeleteBlock queues a DESTROY; a purge forgets the block, whatever becomes of what it made.
func (d UserDoor) DeleteBlock(ctx context.Context, id string, purge bool) (remuda.Block, error) {
	return remuda.Block{}, errUnbuilt
}

// RunBlock queues a run that changes nothing of what was ordered.
func (d UserDoor) RunBlock(ctx context.Context, id string, r remuda.RunRequest) (remuda.BlockRun, error) {
	return remuda.BlockRun{}, errUnbuilt
}

// Runs lists those that the caller may see, the newest first.
func (d UserDoor) Runs(ctx context.Context, f RunFilter, s Span) (List[remuda.BlockRun], error) {
	return List[remuda.BlockRun]{}, errUnbuilt
}

// Run is one of them.
func (d UserDoor) Run(ctx context.Context, id string) (remuda.BlockRun, error) {
	return remuda.BlockRun{}, errUnbuilt
}

// ApproveRun queues the APPLY of the very plan that a DETECT saved; a conflict when something happened after it.
func (d UserDoor) ApproveRun(ctx context.Context, id string) (remuda.BlockRun, error) {
	return remuda.BlockRun{}, errUnbuilt
}

// RejectRun drops the plan of a DETECT.
func (d UserDoor) RejectRun(ctx context.Context, id string) (remuda.BlockRun, error) {
	return remuda.BlockRun{}, errUnbuilt
}

// AbortRun ends a run and releases the lock that it holds.
func (d UserDoor) AbortRun(ctx context.Context, id string) (remuda.BlockRun, error) {
	return remuda.BlockRun{}, errUnbuilt
}

// FinishManualRun says how a manual run ended, by the definition's owner.
func (d UserDoor) FinishManualRun(ctx context.Context, id string, status remuda.RunStatus, outputs map[string]remuda.Value) (remuda.BlockRun, error) {
	return remuda.BlockRun{}, errUnbuilt
}

// Report keeps what a run's agent says of its plan and outputs.
func (d RunDoor) Report(ctx context.Context, report remuda.RunReport) error { return errUnbuilt }

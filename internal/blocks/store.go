package blocks

import (
	"context"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// Store gives what lies beside tasks in the same transaction.
type Store interface {
	BlockView(v control.View) View
	BlockTx(tx control.Tx) Tx
}

// View reads rows of building blocks. Lists are in descending order of id, which is the newest first.
type View interface {
	control.View
	StateView

	DefinitionView(ctx context.Context, id string) (DefinitionView, error)
	Definitions(ctx context.Context, q DefinitionQuery) ([]DefinitionView, error)
	CountDefinitions(ctx context.Context, q DefinitionQuery) (int, error)
	// DefinitionAccess are those who may order a definition whose access is 'some'.
	DefinitionAccess(ctx context.Context, definition string) ([]control.OrganizationRow, error)

	VersionView(ctx context.Context, id string) (VersionView, error)
	VersionByNumber(ctx context.Context, definition string, number int) (VersionView, error)
	Versions(ctx context.Context, q VersionQuery) ([]VersionView, error)
	CountVersions(ctx context.Context, q VersionQuery) (int, error)

	BlockView(ctx context.Context, id string) (BlockView, error)
	Blocks(ctx context.Context, q BlockQuery) ([]BlockView, error)
	CountBlocks(ctx context.Context, q BlockQuery) (int, error)
	// Parents are the ids of a block's parents in their order, Children of those whose parent it is and which are not
	// deleted.
	Parents(ctx context.Context, block string) ([]string, error)
	Children(ctx context.Context, block string) ([]string, error)

	RunView(ctx context.Context, id string) (RunView, error)
	RunOfTask(ctx context.Context, task string) (RunView, error)
	Runs(ctx context.Context, q RunQuery) ([]RunView, error)
	CountRuns(ctx context.Context, q RunQuery) (int, error)
	// LastRuns are a block's last runs that had a task.
	LastRuns(ctx context.Context, block string, limit int) ([]RunRow, error)
	RunSources(ctx context.Context, run string) ([]RunSourceRow, error)

	// RunEvents are events after an id whose subject is the task of a run, as long as any run is live.
	RunEvents(ctx context.Context, after int64, limit int) ([]RunEvent, error)
	// Unsettled are the ids of runs that have not ended while their task has, or is gone; at most so many.
	Unsettled(ctx context.Context, limit int) ([]string, error)
	// DriftDue are the ids of blocks that are to be looked at for drift.
	DriftDue(ctx context.Context, now control.Micros, limit int) ([]string, error)
}

// Tx changes rows of building blocks; those with an id it changes by Insert, Update and Delete.
type Tx interface {
	View
	StateTx

	Insert(ctx context.Context, row control.Row) error
	Update(ctx context.Context, row control.Row, columns ...string) error
	Delete(ctx context.Context, row control.Row) error

	ReplaceParents(ctx context.Context, block string, parents []string) error
	ReplaceDefinitionAccess(ctx context.Context, definition string, organizations []string) error
	// ShareRuns has the organizations that ordered a definition's blocks see their runs' tasks, or not.
	ShareRuns(ctx context.Context, definition string, transparent bool) error
	// ForgetBlocks drops the deleted blocks of a definition, or of one of its versions, with all that belongs to them.
	ForgetBlocks(ctx context.Context, definition, version string) error
	// Pin keeps retention from a task, or lets it have it. One that is there no more is no matter.
	Pin(ctx context.Context, task string, pinned bool) error
	// Advance notes how far a reader has read, and never less than was noted before.
	Advance(ctx context.Context, reader string, event int64) error
}

// RunEvent is an event of a run's task.
type RunEvent struct {
	ID    int64  `db:"id"`
	RunID string `db:"run_id"`
}

// Page is one part of a list: after an id, or after so many.
type Page struct {
	After  string
	Offset int
	Limit  int
}

// DefinitionQuery asks for definitions. Organization is the owner's id; VisibleTo an organization's, which sees its own
// and those that it may order.
type DefinitionQuery struct {
	Organization, VisibleTo, Search string
	Released                        bool
	Page
}

// VersionQuery asks for versions of a definition.
type VersionQuery struct {
	Definition string
	Released   bool
	Page
}

// BlockQuery asks for blocks, by ids. VisibleTo is an organization's: it sees those that it ordered, and with Managed
// those of its definitions.
type BlockQuery struct {
	VisibleTo                                        string
	Own, Managed                                     bool // which of the two
	Organization, Project, Platform, Name            string
	Definition, VersionID, Tenant, ManagedBy, Search string
	Version                                          int
	Target                                           remuda.Target
	Status                                           []remuda.BlockStatus
	Lifecycle                                        []remuda.Lifecycle
	Drifted                                          bool
	Page
}

// RunQuery asks for runs. VisibleTo is an organization's id: it sees those of its blocks that are transparent, or of its
// own definitions; with Managed, those of all blocks of its definitions.
type RunQuery struct {
	VisibleTo           string
	Managed             bool
	Organization, Block string
	Status              []remuda.RunStatus
	Approval            remuda.Approval
	ByHand              bool
	Page
}

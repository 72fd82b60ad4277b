package blocks

import (
	"context"

	"github.com/remuda-dev/remuda/internal/control"
)

// StateRow is one version of a block's state, or, when it is deleted, says that the block has none since.
type StateRow struct {
	ID        string         `db:"id"`
	BlockID   string         `db:"block_id"`
	Number    int            `db:"number"`
	Serial    int64          `db:"serial"`
	Lineage   string         `db:"lineage"`
	Size      int            `db:"size"`
	MAC       []byte         `db:"mac"`    // tells whether a text is the same
	RunID     string         `db:"run_id"` // that wrote it; empty when a person did
	Deleted   bool           `db:"deleted"`
	CreatedBy string         `db:"created_by"`
	CreatedAt control.Micros `db:"created_at"`
	Body      []byte         `db:"body"` // compressed, then encrypted; not in lists
}

// Table names it.
func (StateRow) Table() string { return "states" }

// StateLockRow is the lock of the state of the block with its ID.
type StateLockRow struct {
	ID        string         `db:"id"`
	LockID    string         `db:"lock_id"`
	RunID     string         `db:"run_id"`
	ClaimID   string         `db:"claim_id"`
	Info      string         `db:"info"` // a remuda.StateLock as JSON
	CreatedAt control.Micros `db:"created_at"`
}

// Table names it.
func (StateLockRow) Table() string { return "state_locks" }

// PlanRow is the plan that the run with its ID saved.
type PlanRow struct {
	ID        string         `db:"id"`
	BlockID   string         `db:"block_id"`
	Size      int            `db:"size"`
	CreatedAt control.Micros `db:"created_at"`
	Body      []byte         `db:"body"` // compressed, then encrypted
}

// Table names it.
func (PlanRow) Table() string { return "plans" }

// StateView reads rows of states, integrations, tenants and runner entries.
type StateView interface {
	// NewestState is the last version of a block's state, a deleted one too, without its body.
	NewestState(ctx context.Context, block string) (StateRow, error)
	// StateNumber is the number of that version; 0 when there never was one.
	StateNumber(ctx context.Context, block string) (int, error)
	// StateByNumber is a version that is not deleted, with its body.
	StateByNumber(ctx context.Context, block string, number int) (StateRow, error)
	// States lists versions that are not deleted, without their bodies.
	States(ctx context.Context, block string, p Page) ([]StateRow, error)
	CountStates(ctx context.Context, block string) (int, error)

	IntegrationView(ctx context.Context, id string) (IntegrationView, error)
	Integrations(ctx context.Context, organization string, p Page) ([]IntegrationView, error)
	CountIntegrations(ctx context.Context, organization string) (int, error)
	// IntegrationUsed says whether a version of an organization's definition names an integration.
	IntegrationUsed(ctx context.Context, organization, id string) (bool, error)

	TenantView(ctx context.Context, id string) (TenantView, error)
	Tenants(ctx context.Context, q TenantQuery) ([]TenantView, error)
	CountTenants(ctx context.Context, q TenantQuery) (int, error)

	EntryView(ctx context.Context, id string) (EntryView, error)
	Entries(ctx context.Context, q EntryQuery) ([]EntryView, error)
	CountEntries(ctx context.Context, q EntryQuery) (int, error)
	// ClassUsed says whether a class has tasks, or a version names it.
	ClassUsed(ctx context.Context, class string) (bool, error)
}

// StateTx changes rows of states.
type StateTx interface {
	// HoldState has no other transition read or write a block's state and its lock until this one ends.
	HoldState(ctx context.Context, block string) error
	// ForgetStates drops versions up to a number, the oldest first, at most so many.
	ForgetStates(ctx context.Context, block string, upTo, limit int) error
	// ReleaseLock drops the lock that a run holds.
	ReleaseLock(ctx context.Context, run string) error
	// ForgetPlans drops the plans of a block, ForgetOldPlans those made before a time, at most 64; the answer is how many.
	ForgetPlans(ctx context.Context, block string) error
	ForgetOldPlans(ctx context.Context, before control.Micros) (int64, error)
}

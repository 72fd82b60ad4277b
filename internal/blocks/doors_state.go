package blocks

import (
	"context"

	"github.com/remuda-dev/remuda"
)

// States lists the versions of a block's state, the newest first.
func (d UserDoor) States(ctx context.Context, block string, s Span) (List[remuda.BlockState], error) {
	return List[remuda.BlockState]{}, errUnbuilt
}

// State is the text of one of them, by its number.
func (d UserDoor) State(ctx context.Context, block string, number int) ([]byte, error) {
	return nil, errUnbuilt
}

// RollBackState makes an earlier version the current one, as a new version.
func (d UserDoor) RollBackState(ctx context.Context, block string, number int) (remuda.BlockState, error) {
	return remuda.BlockState{}, errUnbuilt
}

// StateLock is who holds a block's state; remuda.NotFound for nobody.
func (d UserDoor) StateLock(ctx context.Context, block string) (remuda.StateLock, error) {
	return remuda.StateLock{}, errUnbuilt
}

// ForceUnlockState takes the lock from its holder, with a line in the audit.
func (d UserDoor) ForceUnlockState(ctx context.Context, block, lock string) error { return errUnbuilt }

// Plan is the plan that a DETECT saved, by the definition's owner.
func (d UserDoor) Plan(ctx context.Context, run string) ([]byte, error) { return nil, errUnbuilt }

// State is the current state of the run's block; remuda.NotFound when there is none.
func (d RunDoor) State(ctx context.Context) ([]byte, error) { return nil, errUnbuilt }

// WriteState keeps a new version of the state. The lock's id is that which the run took; empty when it took none.
func (d RunDoor) WriteState(ctx context.Context, lock string, state []byte) error { return errUnbuilt }

// DeleteState leaves the block without a state; earlier versions are kept.
func (d RunDoor) DeleteState(ctx context.Context, lock string) error { return errUnbuilt }

// LockState takes the state's lock; when somebody else holds it, remuda.Conflict and who it is.
func (d RunDoor) LockState(ctx context.Context, lock remuda.StateLock) (holder remuda.StateLock, err error) {
	return remuda.StateLock{}, errUnbuilt
}

// UnlockState gives it back; remuda.Conflict and who holds it when the id is another one.
func (d RunDoor) UnlockState(ctx context.Context, id string) (holder remuda.StateLock, err error) {
	return remuda.StateLock{}, errUnbuilt
}

// SavePlan keeps the plan of a DETECT for the APPLY that may follow.
func (d RunDoor) SavePlan(ctx context.Context, plan []byte) error { return errUnbuilt }

// SavedPlan is the plan that an APPLY is to apply; remuda.NotFound when it is to make its own.
func (d RunDoor) SavedPlan(ctx context.Context) ([]byte, error) { return nil, errUnbuilt }

// Integrations lists those of the caller's organization.
func (d UserDoor) Integrations(ctx context.Context, organization string, s Span) (List[remuda.Integration], error) {
	return List[remuda.Integration]{}, errUnbuilt
}

// Integration is one of them.
func (d UserDoor) Integration(ctx context.Context, id string) (remuda.Integration, error) {
	return remuda.Integration{}, errUnbuilt
}

// CreateIntegration makes one.
func (d UserDoor) CreateIntegration(ctx context.Context, i remuda.Integration) (remuda.Integration, error) {
	return remuda.Integration{}, errUnbuilt
}

// ChangeIntegration replaces what it says; a credential that is absent, or given by its hash, stays.
func (d UserDoor) ChangeIntegration(ctx context.Context, id string, i remuda.Integration) (remuda.Integration, error) {
	return remuda.Integration{}, errUnbuilt
}

// DeleteIntegration forgets one that no version names.
func (d UserDoor) DeleteIntegration(ctx context.Context, id string) error { return errUnbuilt }

// Tenants lists those of an organization.
func (d UserDoor) Tenants(ctx context.Context, organization, project string, s Span) (List[remuda.Tenant], error) {
	return List[remuda.Tenant]{}, errUnbuilt
}

// Tenant is one of them.
func (d UserDoor) Tenant(ctx context.Context, id string) (remuda.Tenant, error) {
	return remuda.Tenant{}, errUnbuilt
}

// CreateTenant makes one.
func (d UserDoor) CreateTenant(ctx context.Context, t remuda.Tenant) (remuda.Tenant, error) {
	return remuda.Tenant{}, errUnbuilt
}

// DeleteTenant forgets one that has no blocks.
func (d UserDoor) DeleteTenant(ctx context.Context, id string) error { return errUnbuilt }

// RunnerEntries lists the resource classes that other systems' runners may serve.
func (d UserDoor) RunnerEntries(ctx context.Context, organization string, s Span) (List[remuda.BlockRunnerEntry], error) {
	return List[remuda.BlockRunnerEntry]{}, errUnbuilt
}

// RunnerEntry is one of them.
func (d UserDoor) RunnerEntry(ctx context.Context, id string) (remuda.BlockRunnerEntry, error) {
	return remuda.BlockRunnerEntry{}, errUnbuilt
}

// CreateRunnerEntry makes a resource class with its entry.
func (d UserDoor) CreateRunnerEntry(ctx context.Context, e remuda.BlockRunnerEntry) (remuda.BlockRunnerEntry, error) {
	return remuda.BlockRunnerEntry{}, errUnbuilt
}

// ChangeRunnerEntry replaces what it says.
func (d UserDoor) ChangeRunnerEntry(ctx context.Context, id string, e remuda.BlockRunnerEntry) (remuda.BlockRunnerEntry, error) {
	return remuda.BlockRunnerEntry{}, errUnbuilt
}

// DeleteRunnerEntry forgets the class with its entry.
func (d UserDoor) DeleteRunnerEntry(ctx context.Context, id string) error { return errUnbuilt }

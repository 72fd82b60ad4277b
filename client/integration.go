package client

import (
	"context"
	"net/http"

	"github.com/remuda-dev/remuda"
)

// Integrations lists those of an organization; of the caller's own when it is empty.
func (u *User) Integrations(ctx context.Context, organization string, q PageQuery) (remuda.Page[remuda.Integration], error) {
	query := q.values()
	query.set("organization", organization)
	return read[remuda.Page[remuda.Integration]](ctx, u, "/integrations", query)
}

// Integration shows one.
func (u *User) Integration(ctx context.Context, id string) (remuda.Integration, error) {
	return read[remuda.Integration](ctx, u, path("integrations", id), nil)
}

// CreateIntegration makes one.
func (u *User) CreateIntegration(ctx context.Context, i remuda.Integration) (remuda.Integration, error) {
	body, err := integrationBody(i)
	return sendTree[remuda.Integration](ctx, u, http.MethodPost, "/integrations", body, err)
}

// ChangeIntegration replaces what it says; a credential that is nil stays.
func (u *User) ChangeIntegration(ctx context.Context, id string, i remuda.Integration) (remuda.Integration, error) {
	body, err := integrationBody(i)
	return sendTree[remuda.Integration](ctx, u, http.MethodPut, path("integrations", id), body, err)
}

// DeleteIntegration forgets one that no version names.
func (u *User) DeleteIntegration(ctx context.Context, id string) error {
	return u.remove(ctx, path("integrations", id), nil)
}

func integrationBody(i remuda.Integration) (tree, error) {
	body, err := treeOf(i, "id", "created_at")
	if err != nil {
		return nil, err
	}
	body.reveal(i.Credential, "credential")
	return body, nil
}

// Tenants lists those of an organization's projects; of one project unless that is empty.
func (u *User) Tenants(ctx context.Context, organization, project string, q PageQuery) (remuda.Page[remuda.Tenant], error) {
	query := q.values()
	query.set("organization", organization)
	query.set("project", project)
	return read[remuda.Page[remuda.Tenant]](ctx, u, "/tenants", query)
}

// Tenant shows one.
func (u *User) Tenant(ctx context.Context, id string) (remuda.Tenant, error) {
	return read[remuda.Tenant](ctx, u, path("tenants", id), nil)
}

// CreateTenant makes one.
func (u *User) CreateTenant(ctx context.Context, t remuda.Tenant) (remuda.Tenant, error) {
	body, err := treeOf(t, "id", "created_at")
	return sendTree[remuda.Tenant](ctx, u, http.MethodPost, "/tenants", body, err)
}

// DeleteTenant forgets one that has no blocks.
func (u *User) DeleteTenant(ctx context.Context, id string) error {
	return u.remove(ctx, path("tenants", id), nil)
}

// RunnerEntries lists the resource classes that another system's runners serve.
func (u *User) RunnerEntries(ctx context.Context, organization string, q PageQuery) (remuda.Page[remuda.BlockRunnerEntry], error) {
	query := q.values()
	query.set("organization", organization)
	return read[remuda.Page[remuda.BlockRunnerEntry]](ctx, u, "/runner-entries", query)
}

// RunnerEntry shows one.
func (u *User) RunnerEntry(ctx context.Context, id string) (remuda.BlockRunnerEntry, error) {
	return read[remuda.BlockRunnerEntry](ctx, u, path("runner-entries", id), nil)
}

// CreateRunnerEntry makes a resource class with its entry.
func (u *User) CreateRunnerEntry(ctx context.Context, e remuda.BlockRunnerEntry) (remuda.BlockRunnerEntry, error) {
	body, err := entryBody(e)
	return sendTree[remuda.BlockRunnerEntry](ctx, u, http.MethodPost, "/runner-entries", body, err)
}

// ChangeRunnerEntry replaces what it says.
func (u *User) ChangeRunnerEntry(ctx context.Context, id string, e remuda.BlockRunnerEntry) (remuda.BlockRunnerEntry, error) {
	body, err := entryBody(e)
	return sendTree[remuda.BlockRunnerEntry](ctx, u, http.MethodPut, path("runner-entries", id), body, err)
}

// DeleteRunnerEntry forgets the class with its entry.
func (u *User) DeleteRunnerEntry(ctx context.Context, id string) error {
	return u.remove(ctx, path("runner-entries", id), nil)
}

func entryBody(e remuda.BlockRunnerEntry) (tree, error) {
	return treeOf(e, "id", "resource_class", "created_at", "last_seen_at")
}

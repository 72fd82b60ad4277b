package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/remuda-dev/remuda"
)

// BlockFilter chooses blocks; empty members choose all that are not deleted. Organizations and projects go by name, all
// else by id.
type BlockFilter struct {
	Organization, Project, Tenant, Name, Definition string
	Version                                         int
	Status                                          []remuda.BlockStatus
	Lifecycle                                       []remuda.Lifecycle
	ManagedBy                                       string // organization that owns the definition
	Search                                          string // part of the name
	Drifted                                         bool   // only those of which the last plan found that they are not as ordered
}

// Blocks lists those that the caller may see, the newest first.
func (u *User) Blocks(ctx context.Context, f BlockFilter, q PageQuery) (remuda.Page[remuda.Block], error) {
	query := q.values()
	query.set("organization", f.Organization)
	query.set("project", f.Project)
	query.set("tenant", f.Tenant)
	query.set("name", f.Name)
	query.set("definition", f.Definition)
	query.set("managed_by", f.ManagedBy)
	query.set("search", f.Search)
	if f.Drifted {
		query.set("drifted", "true")
	}
	if f.Version > 0 {
		query.set("version", strconv.Itoa(f.Version))
	}
	for _, status := range f.Status {
		query.set("status", string(status))
	}
	for _, lifecycle := range f.Lifecycle {
		query.set("lifecycle", string(lifecycle))
	}
	return read[remuda.Page[remuda.Block]](ctx, u, "/blocks", query)
}

// Block shows one.
func (u *User) Block(ctx context.Context, id string) (remuda.Block, error) {
	return read[remuda.Block](ctx, u, path("blocks", id), nil)
}

// OrderBlock orders a block. Its Organization, Project, Tenant, Name, Definition, Version, Inputs and Parents are read.
// The same key orders the same block once, however often it is sent; an empty one gets a random key.
func (u *User) OrderBlock(ctx context.Context, b remuda.Block, idempotencyKey string) (remuda.Block, error) {
	if idempotencyKey == "" {
		idempotencyKey = rand.Text()
	}
	order := struct {
		Organization string                  `json:"organization,omitempty"`
		Project      string                  `json:"project,omitempty"`
		Tenant       string                  `json:"tenant,omitempty"`
		Name         string                  `json:"name"`
		Definition   string                  `json:"definition"`
		Version      int                     `json:"version,omitempty"`
		Inputs       map[string]remuda.Value `json:"inputs,omitempty"`
		Parents      []string                `json:"parents,omitempty"`
	}{b.Organization, b.Project, b.Tenant, b.Name, b.Definition, b.Version, b.Inputs, b.Parents}
	body, err := treeOf(order)
	if err != nil {
		return remuda.Block{}, err
	}
	body.revealAll(b.Inputs, "inputs")
	var ordered remuda.Block
	err = u.door.do(ctx, call{method: http.MethodPost, path: "/blocks", body: body, key: idempotencyKey}, &ordered)
	return ordered, err
}

// ChangeBlock changes what is said.
func (u *User) ChangeBlock(ctx context.Context, id string, c remuda.BlockChange) (remuda.Block, error) {
	body, err := treeOf(c)
	if err != nil {
		return remuda.Block{}, err
	}
	body.revealAll(c.Inputs, "inputs")
	return send[remuda.Block](ctx, u, http.MethodPatch, path("blocks", id), body)
}

// DeleteBlock queues a DESTROY; a purge forgets the block, whatever becomes of what it made.
func (u *User) DeleteBlock(ctx context.Context, id string, purge bool) (remuda.Block, error) {
	query := values{}
	if purge {
		query.set("purge", "true")
	}
	var block remuda.Block
	err := u.door.do(ctx, call{method: http.MethodDelete, path: path("blocks", id), query: map[string][]string(query)}, &block)
	return block, err
}

// RunBlock queues a run that changes nothing of what was ordered.
func (u *User) RunBlock(ctx context.Context, id string, r remuda.RunRequest) (remuda.BlockRun, error) {
	return send[remuda.BlockRun](ctx, u, http.MethodPost, path("blocks", id, "runs"), r)
}

// FollowedBlock is one thing that who follows a block is told: exactly one of its members is set.
type FollowedBlock struct {
	Block *remuda.Block    // it changed
	Run   *remuda.BlockRun // its latest APPLY, DESTROY, MAINTENANCE or DETECT changed
}

// FollowBlock calls yield with the block at once and whenever it or its latest runs change. It returns nil when the
// block is deleted. A connection that breaks is made again. An error of yield ends it.
func (u *User) FollowBlock(ctx context.Context, id string, yield func(FollowedBlock) error) error {
	in := call{method: http.MethodGet, path: path("blocks", id)}
	return u.stream(ctx, in, func(e event) (bool, error) {
		var f FollowedBlock
		var into any
		switch e.name {
		case "block":
			f.Block = new(remuda.Block)
			into = f.Block
		case "run":
			f.Run = new(remuda.BlockRun)
			into = f.Run
		case "end":
			return true, nil
		default:
			return false, nil // a newer server says more
		}
		if err := json.Unmarshal(e.data, into); err != nil {
			return false, fmt.Errorf("read %s of block %s: %w", e.name, id, err)
		}
		return false, yield(f)
	})
}

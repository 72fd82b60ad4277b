package client

import (
	"context"
	"net/http"
	"strconv"

	"github.com/remuda-dev/remuda"
)

// DefinitionFilter chooses definitions; empty members choose all.
type DefinitionFilter struct {
	Organization string // its owner
	Released     bool   // only those that can be ordered
	Search       string // part of the name
}

// Definitions lists those that the caller may see, the newest first.
func (u *User) Definitions(ctx context.Context, f DefinitionFilter, q PageQuery) (remuda.Page[remuda.Definition], error) {
	query := q.values()
	query.set("organization", f.Organization)
	query.set("search", f.Search)
	if f.Released {
		query.set("released", "true")
	}
	return read[remuda.Page[remuda.Definition]](ctx, u, "/definitions", query)
}

// Definition shows one.
func (u *User) Definition(ctx context.Context, id string) (remuda.Definition, error) {
	return read[remuda.Definition](ctx, u, path("definitions", id), nil)
}

// CreateDefinition makes a definition with its version 1, an empty draft. What the control plane says of one is not
// read.
func (u *User) CreateDefinition(ctx context.Context, d remuda.Definition) (remuda.Definition, error) {
	body, err := definitionBody(d)
	return sendTree[remuda.Definition](ctx, u, http.MethodPost, "/definitions", body, err)
}

// ChangeDefinition replaces what its owner said of it.
func (u *User) ChangeDefinition(ctx context.Context, id string, d remuda.Definition) (remuda.Definition, error) {
	body, err := definitionBody(d)
	return sendTree[remuda.Definition](ctx, u, http.MethodPut, path("definitions", id), body, err)
}

// DeleteDefinition forgets one that no block is left of.
func (u *User) DeleteDefinition(ctx context.Context, id string) error {
	return u.remove(ctx, path("definitions", id), nil)
}

// Versions lists a definition's versions, the newest first.
func (u *User) Versions(ctx context.Context, definition string, q PageQuery) (remuda.Page[remuda.Version], error) {
	return read[remuda.Page[remuda.Version]](ctx, u, path("definitions", definition, "versions"), q.values())
}

// VersionOf shows one, by its number.
func (u *User) VersionOf(ctx context.Context, definition string, number int) (remuda.Version, error) {
	return read[remuda.Version](ctx, u, versionPath(definition, number), nil)
}

// CreateVersion makes the next version, a draft.
func (u *User) CreateVersion(ctx context.Context, definition string, v remuda.Version) (remuda.Version, error) {
	body, err := versionBody(v)
	return sendTree[remuda.Version](ctx, u, http.MethodPost, path("definitions", definition, "versions"), body, err)
}

// ChangeVersion replaces what a draft says.
func (u *User) ChangeVersion(ctx context.Context, definition string, number int, v remuda.Version) (remuda.Version, error) {
	body, err := versionBody(v)
	return sendTree[remuda.Version](ctx, u, http.MethodPut, versionPath(definition, number), body, err)
}

// ReleaseVersion freezes a draft.
func (u *User) ReleaseVersion(ctx context.Context, definition string, number int) (remuda.Version, error) {
	return send[remuda.Version](ctx, u, http.MethodPost, versionPath(definition, number)+"/release", nil)
}

// DeleteVersion forgets one that no block is of.
func (u *User) DeleteVersion(ctx context.Context, definition string, number int) error {
	return u.remove(ctx, versionPath(definition, number), nil)
}

func versionPath(definition string, number int) string {
	return path("definitions", definition, "versions", strconv.Itoa(number))
}

func definitionBody(d remuda.Definition) (tree, error) {
	return treeOf(d, "id", "latest", "released", "blocks", "created_at")
}

func versionBody(v remuda.Version) (tree, error) {
	body, err := treeOf(v, "id", "definition", "number", "state", "blocks", "created_at", "released_at")
	if err != nil {
		return nil, err
	}
	for key, input := range v.Inputs {
		body.reveal(input.Argument, "inputs", key, "argument")
		body.reveal(input.Default, "inputs", key, "default")
	}
	if tofu := v.Implementation.OpenTofu; tofu != nil {
		body.reveal(tofu.SSHKey, "implementation", "opentofu", "ssh_key")
		for i, one := range tofu.Credentials {
			body.reveal(one.Token, "implementation", "opentofu", "credentials", i, "token")
		}
	}
	if gitlab := v.Implementation.GitLab; gitlab != nil {
		body.reveal(gitlab.Token, "implementation", "gitlab", "token")
	}
	return body, nil
}

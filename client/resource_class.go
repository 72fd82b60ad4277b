package client

import (
	"context"
	"net/http"
	"time"

	"github.com/remuda-dev/remuda"
)

// ResourceClassChange is what to change of a resource class; nil leaves a member as it is.
type ResourceClassChange struct {
	Description   *string          `json:"description,omitempty"`
	Access        *remuda.Access   `json:"access,omitempty"`
	Organizations *[]string        `json:"organizations,omitempty"`
	TaskLimit     *int             `json:"task_limit,omitempty"`
	AllowForks    *bool            `json:"allow_forks,omitempty"`
	LostAfter     *remuda.Duration `json:"lost_after,omitempty"`
}

// ResourceClassFilter chooses resource classes; empty members choose all.
type ResourceClassFilter struct{ Namespace, Organization string }

// TokenFilter chooses tokens; empty members choose all.
type TokenFilter struct {
	Kind                        remuda.TokenKind
	ResourceClass, Organization string
}

// CreateResourceClass makes a class in the namespace that its name begins with.
func (u *User) CreateResourceClass(ctx context.Context, c remuda.ResourceClass) (remuda.ResourceClass, error) {
	body := struct {
		Name          string          `json:"name"`
		Description   string          `json:"description,omitempty"`
		Access        remuda.Access   `json:"access,omitempty"`
		Organizations []string        `json:"organizations,omitempty"`
		TaskLimit     int             `json:"task_limit,omitempty"`
		AllowForks    bool            `json:"allow_forks,omitempty"`
		LostAfter     remuda.Duration `json:"lost_after,omitempty"`
	}{c.Name, c.Description, c.Access, c.Organizations, c.TaskLimit, c.AllowForks, c.LostAfter}
	return send[remuda.ResourceClass](ctx, u, http.MethodPost, "/resource-classes", body)
}

// ResourceClasses lists those that the caller may see.
func (u *User) ResourceClasses(ctx context.Context, f ResourceClassFilter, q PageQuery) (remuda.Page[remuda.ResourceClass], error) {
	query := q.values()
	query.set("namespace", f.Namespace)
	query.set("organization", f.Organization)
	return read[remuda.Page[remuda.ResourceClass]](ctx, u, "/resource-classes", query)
}

// ResourceClass shows one.
func (u *User) ResourceClass(ctx context.Context, name string) (remuda.ResourceClass, error) {
	at, err := classPath(name)
	if err != nil {
		return remuda.ResourceClass{}, err
	}
	return read[remuda.ResourceClass](ctx, u, at, nil)
}

// Scaling tells how much there is to do for a class's runners.
func (u *User) Scaling(ctx context.Context, name string) (remuda.Scaling, error) {
	at, err := classPath(name)
	if err != nil {
		return remuda.Scaling{}, err
	}
	return read[remuda.Scaling](ctx, u, at+"/scaling", nil)
}

// ChangeResourceClass changes one.
func (u *User) ChangeResourceClass(ctx context.Context, name string, c ResourceClassChange) (remuda.ResourceClass, error) {
	at, err := classPath(name)
	if err != nil {
		return remuda.ResourceClass{}, err
	}
	return send[remuda.ResourceClass](ctx, u, http.MethodPatch, at, c)
}

// DeleteResourceClass deletes one; with force its tokens too. Never while it has tasks that have not ended.
func (u *User) DeleteResourceClass(ctx context.Context, name string, force bool) error {
	at, err := classPath(name)
	if err != nil {
		return err
	}
	query := values{}
	if force {
		query.set("force", "true")
	}
	return u.remove(ctx, at, query)
}

// CreateToken makes a token; Kind, Nickname and ResourceClass, SingleUse and ExpiresAt, or Organization and Role are
// read. Only this answer carries the secret.
func (u *User) CreateToken(ctx context.Context, t remuda.Token) (remuda.Token, error) {
	body := struct {
		Kind          remuda.TokenKind `json:"kind"`
		Nickname      string           `json:"nickname"`
		ResourceClass string           `json:"resource_class,omitempty"`
		Organization  string           `json:"organization,omitempty"`
		Role          remuda.Role      `json:"role,omitempty"`
		SingleUse     bool             `json:"single_use,omitempty"`
		ExpiresIn     remuda.Duration  `json:"expires_in,omitempty"`
		Permissions   []string         `json:"permissions,omitempty"`
	}{t.Kind, t.Nickname, t.ResourceClass, t.Organization, t.Role, t.SingleUse, 0, t.Permissions}
	if t.ExpiresAt != nil {
		body.ExpiresIn = remuda.Duration(max(time.Until(*t.ExpiresAt), 1)) // by the control plane's clock, not by ours
	}
	return send[remuda.Token](ctx, u, http.MethodPost, "/tokens", body)
}

// Tokens lists tokens, without their secrets.
func (u *User) Tokens(ctx context.Context, f TokenFilter, q PageQuery) (remuda.Page[remuda.Token], error) {
	query := q.values()
	query.set("kind", string(f.Kind))
	query.set("resource_class", f.ResourceClass)
	query.set("organization", f.Organization)
	return read[remuda.Page[remuda.Token]](ctx, u, "/tokens", query)
}

// RevokeToken ends a token. Runners that registered with it finish what they have.
func (u *User) RevokeToken(ctx context.Context, id string) error {
	return u.remove(ctx, path("tokens", id), nil)
}

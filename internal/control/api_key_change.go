package control

import (
	"context"
	"errors"
	"strings"

	"github.com/remuda-dev/remuda"
)

// APIKey shows one API key, without its secret.
func (d UserDoor) APIKey(ctx context.Context, id string) (remuda.Token, error) {
	var view TokenView
	err := d.p.store.Read(ctx, func(v View) (err error) {
		view, err = d.apiKeyView(ctx, v, id, remuda.RoleViewer)
		return err
	})
	return wordsOfToken(view), err
}

// apiKeyView finds one for a user with a role in its organization; to look at keys takes an admin, too.
func (d UserDoor) apiKeyView(ctx context.Context, v View, id string, role remuda.Role) (view TokenView, err error) {
	err = v.Get(ctx, &view.TokenRow, id)
	if errors.Is(err, remuda.NotFound) || err == nil && (view.Kind != remuda.APIKey || view.RevokedAt != 0 || view.OrganizationID == nil) {
		return TokenView{}, absent("API key", id)
	}
	if err != nil {
		return TokenView{}, err
	}
	if d.user.Permissions == nil {
		role = remuda.RoleAdmin
	}
	if err := d.may(*view.OrganizationID, role, "token", id); err != nil {
		return TokenView{}, err
	}
	var owner OrganizationRow
	if err := v.Get(ctx, &owner, *view.OrganizationID); err != nil {
		return TokenView{}, err
	}
	view.Organization = owner.Name
	return view, nil
}

// ChangeAPIKey replaces an API key's nickname, permissions and end. It gives no more than who changes it has; its secret
// stays.
func (d UserDoor) ChangeAPIKey(ctx context.Context, id string, c remuda.Token) (remuda.Token, error) {
	if c.Nickname == "" || len(c.Nickname) > 200 {
		return remuda.Token{}, remuda.Fail(remuda.Invalid, "a token has a nickname of 1 to 200 bytes that tells what it is for")
	}
	words, err := validPermissions(c.Permissions)
	if err != nil {
		return remuda.Token{}, err
	}
	var view TokenView
	err = d.write(ctx, func(t *transition) error {
		if view, err = d.apiKeyView(ctx, t, id, remuda.RoleAdmin); err != nil {
			return err
		}
		for _, word := range words {
			if !d.user.May(word, *view.OrganizationID) {
				return remuda.Fail(remuda.Forbidden, "a key gives no more than whoever changes it has, which is not "+word)
			}
		}
		view.Nickname, view.Permissions, view.ExpiresAt = c.Nickname, strings.Join(words, " "), 0
		if c.ExpiresAt != nil {
			view.ExpiresAt = micros(*c.ExpiresAt)
		}
		if err := t.Update(ctx, &view.TokenRow, "nickname", "permissions", "expires_at"); err != nil {
			return err
		}
		return t.event(ctx, "token.changed", *view.OrganizationID, id, string(view.Kind)+" "+view.Nickname)
	})
	return wordsOfToken(view), err
}

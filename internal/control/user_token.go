package control

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// TokenFilter asks for tokens of a kind, a class or an organization.
type TokenFilter struct {
	Kind                        remuda.TokenKind
	ResourceClass, Organization string
}

func wordsOfToken(t TokenView) remuda.Token {
	words := remuda.Token{
		ID: t.ID, Kind: t.Kind, Nickname: t.Nickname, ResourceClass: t.Class, Organization: t.Organization,
		Role: t.Role, CreatedAt: t.CreatedAt.Time(), CreatedBy: t.CreatedBy, LastUsedAt: t.LastUsedAt.optional(),
		SingleUse: t.SingleUse, ExpiresAt: t.ExpiresAt.optional(), UsedAt: t.UsedAt.optional(), UsedBy: t.UsedBy,
	}
	if t.Permissions != "" {
		words.Permissions = strings.Fields(t.Permissions)
	}
	return words
}

// CreateToken makes a token; Kind, Nickname, ResourceClass, SingleUse, ExpiresAt, Organization, Role and Permissions are
// read from t. The answer carries the secret, this once.
func (d UserDoor) CreateToken(ctx context.Context, t remuda.Token) (remuda.Token, error) {
	if t.Nickname == "" || len(t.Nickname) > 200 {
		return remuda.Token{}, remuda.Fail(remuda.Invalid, "a token has a nickname of 1 to 200 bytes that tells what it is for")
	}
	switch {
	case t.SingleUse && t.Kind != remuda.ClassToken:
		return remuda.Token{}, remuda.Fail(remuda.Invalid, "only class tokens are for a single use")
	case t.ExpiresAt != nil && t.Kind != remuda.ClassToken && t.Kind != remuda.APIKey:
		return remuda.Token{}, remuda.Fail(remuda.Invalid, "only class tokens and API keys expire")
	case t.Permissions != nil && t.Kind != remuda.APIKey:
		return remuda.Token{}, remuda.Fail(remuda.Invalid, "only API keys have permissions; an organization token has a role")
	case t.Kind != remuda.APIKey && d.user.Permissions != nil:
		return remuda.Token{}, remuda.Fail(remuda.Forbidden, "an API key makes no other tokens than API keys")
	}
	row := TokenRow{
		ID: newID(), Kind: t.Kind, Nickname: t.Nickname, CreatedBy: d.user.Name, CreatedAt: micros(time.Now()), SingleUse: t.SingleUse,
	}
	if t.ExpiresAt != nil {
		if row.ExpiresAt = micros(*t.ExpiresAt); row.ExpiresAt <= row.CreatedAt {
			return remuda.Token{}, remuda.Fail(remuda.Invalid, "a token expires in the future")
		}
	}
	view := TokenView{}
	secret := ""
	err := d.write(ctx, func(tr *transition) error {
		var owner string
		var err error
		switch t.Kind {
		case remuda.ClassToken:
			owner, err = d.classToken(ctx, tr, t, &row, &view)
			secret = newToken(kindClass)
		case remuda.OrganizationToken:
			owner, err = d.organizationToken(ctx, tr, t, &row, &view)
			secret = newToken(kindOrg)
		case remuda.AdminToken:
			err = d.onlyAdmin("making an admin token")
			secret = newToken(kindAdmin)
		case remuda.APIKey:
			owner, err = d.apiKey(ctx, tr, t, &row, &view)
			secret = newToken(kindKey)
		default:
			err = remuda.Fail(remuda.Invalid, "a token's kind is class, organization, admin or api-key")
		}
		if err != nil {
			return err
		}
		row.Hash = hashToken(secret)
		if err := tr.Insert(ctx, &row); err != nil {
			return err
		}
		return tr.event(ctx, "token.created", owner, row.ID, string(t.Kind)+" "+t.Nickname)
	})
	if err != nil {
		return remuda.Token{}, err
	}
	view.TokenRow = row
	words := wordsOfToken(view)
	words.Token = secret
	return words, nil
}

func (d UserDoor) classToken(ctx context.Context, v View, t remuda.Token, row *TokenRow, view *TokenView) (string, error) {
	class, err := d.ownClass(ctx, v, t.ResourceClass, remuda.RoleAdmin)
	if err != nil {
		return "", err
	}
	row.ClassID, view.Class, view.Organization = &class.ID, class.FullName, class.Organization
	return class.OrganizationID, nil
}

func (d UserDoor) organizationToken(ctx context.Context, v View, t remuda.Token, row *TokenRow, view *TokenView) (string, error) {
	if rank(t.Role) == 0 {
		return "", remuda.Fail(remuda.Invalid, "an organization token's role is viewer, member or admin")
	}
	owner, err := d.organization(ctx, v, t.Organization, remuda.RoleAdmin)
	if err != nil {
		return "", err
	}
	row.OrganizationID, row.Role, view.Organization = &owner.ID, t.Role, owner.Name
	return owner.ID, nil
}

// Tokens lists them without their secrets, for admins of the organization and of the instance.
func (d UserDoor) Tokens(ctx context.Context, f TokenFilter, q PageQuery) (remuda.Page[remuda.Token], error) {
	if !d.user.Admin && d.user.Permissions == nil && rank(d.user.Role) < rank(remuda.RoleAdmin) {
		return remuda.Page[remuda.Token]{}, remuda.Fail(remuda.Forbidden, "listing tokens needs the role admin in "+d.user.Organization)
	}
	only, err := d.only("token")
	if err != nil {
		return remuda.Page[remuda.Token]{}, err
	}
	if d.user.Permissions != nil {
		f.Kind = remuda.APIKey // other kinds are people's business
	}
	var rows []TokenView
	span := q.span()
	query := TokenQuery{Kind: f.Kind, Organization: only, Span: span}
	err = d.p.store.Read(ctx, func(v View) error {
		if f.ResourceClass != "" {
			class, err := d.ownClass(ctx, v, f.ResourceClass, remuda.RoleAdmin)
			if err != nil {
				return err
			}
			query.ClassID = class.ID
		}
		if f.Organization != "" {
			role := remuda.RoleAdmin
			if d.user.Permissions != nil {
				role = remuda.RoleViewer // for whom listing has a word of its own
			}
			owner, err := d.organizationFor(ctx, v, "token", f.Organization, role)
			if err != nil {
				return err
			}
			query.Organization = owner.ID
		}
		var err error
		rows, err = v.Tokens(ctx, query)
		return err
	})
	if err != nil {
		return remuda.Page[remuda.Token]{}, err
	}
	return page(rows, span, func(r TokenView) string { return r.ID }, wordsOfToken), nil
}

// RevokeToken ends a token. Revoking a class token stops new claims of the runners that registered with it, whether it was
// for a single use or not; what they run goes on. Its row is kept for as long as they are, so that one sees whose they
// are.
func (d UserDoor) RevokeToken(ctx context.Context, id string) error {
	d.deletes = true
	return d.write(ctx, func(t *transition) error {
		var row TokenRow
		if err := t.Get(ctx, &row, id); err != nil {
			return orAbsent(err, "token", id)
		}
		if row.RevokedAt != 0 || row.Kind != remuda.APIKey && d.user.Permissions != nil {
			return absent("token", id)
		}
		owner := ""
		switch {
		case row.ClassID != nil:
			class, err := t.ClassView(ctx, *row.ClassID)
			if err != nil {
				return err
			}
			owner = class.OrganizationID
		case row.OrganizationID != nil:
			owner = *row.OrganizationID
		}
		if err := d.may(owner, remuda.RoleAdmin, "token", id); err != nil {
			return err
		}
		return t.revoke(ctx, row, owner, "")
	})
}

// revoke ends a token; because says why, where nobody asked for it.
func (t *transition) revoke(ctx context.Context, row TokenRow, owner, because string) error {
	if row.Kind == remuda.OrganizationToken || row.Kind == remuda.AdminToken {
		if err := t.endSessions(ctx, row.ID, "its token was revoked"); err != nil {
			return err
		}
	}
	if err := t.event(ctx, "token.revoked", owner, row.ID, string(row.Kind)+" "+row.Nickname+because); err != nil {
		return err
	}
	if row.Kind == remuda.OrganizationToken || row.Kind == remuda.APIKey {
		return t.Delete(ctx, &row)
	}
	// An admin token is kept, lest the file that may still hold it brings it back at the next start.
	row.RevokedAt = t.now
	return t.Update(ctx, &row, "revoked_at")
}

// revokeClassTokens ends all class tokens of a namespace.
func (t *transition) revokeClassTokens(ctx context.Context, namespace, owner, because string) error {
	for after := ""; ; {
		classes, err := t.Classes(ctx, ClassQuery{Namespace: namespace, Span: Span{After: after, Limit: 100}})
		if err != nil || len(classes) == 0 {
			return err
		}
		for _, class := range classes {
			tokens, err := t.Tokens(ctx, TokenQuery{Kind: remuda.ClassToken, ClassID: class.ID, Span: Span{Limit: math.MaxInt32}})
			if err != nil {
				return err
			}
			for _, token := range tokens {
				if err := t.revoke(ctx, token.TokenRow, owner, because); err != nil {
					return err
				}
			}
		}
		after = classes[len(classes)-1].ID
	}
}

// EnsureAdminToken makes token, which the operator keeps in a file, the bootstrap admin token, unless it was revoked.
// An empty one is made anew; the answer is the one to keep.
func (p *Plane) EnsureAdminToken(ctx context.Context, token string) (string, error) {
	if token == "" {
		token = newToken(kindAdmin)
	}
	if kindOf(token) != kindAdmin {
		return "", remuda.Fail(remuda.Invalid, "the admin token is not of the form rmd_adm_…")
	}
	err := p.write(ctx, "system", func(t *transition) error {
		known, err := t.TokenByHash(ctx, hashToken(token))
		if known.RevokedAt != 0 {
			return remuda.Fail(remuda.Conflict, "this admin token was revoked; remove the file that holds it to have a new one made")
		}
		if remuda.KindOf(err) != remuda.NotFound {
			return err
		}
		row := TokenRow{
			ID: newID(), Kind: remuda.AdminToken, Hash: hashToken(token), Nickname: "admin", CreatedBy: "system", CreatedAt: t.now,
		}
		if err := t.Insert(ctx, &row); err != nil {
			return err
		}
		return t.event(ctx, "token.created", "", row.ID, "admin admin")
	})
	return token, err
}

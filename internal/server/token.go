package server

import (
	"context"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

type listTokensInput struct {
	byUser
	Kind          remuda.TokenKind `query:"kind" enum:"class,organization,admin,api-key" doc:"Only tokens of this kind"`
	ResourceClass string           `query:"resource_class" maxLength:"130" doc:"Only those of this class, as namespace/name"`
	Organization  string           `query:"organization" maxLength:"64" doc:"Only those of this organization"`
	Paging
}

func listTokens(ctx context.Context, in *listTokensInput) (remuda.Page[remuda.Token], error) {
	filter := control.TokenFilter{Kind: in.Kind, ResourceClass: in.ResourceClass, Organization: in.Organization}
	return listed(in.door.Tokens(ctx, filter, in.query()))
}

type newToken struct {
	Kind          remuda.TokenKind `json:"kind" enum:"class,organization,admin,api-key" doc:"At which door it opens" example:"class"`
	Nickname      string           `json:"nickname" minLength:"1" maxLength:"200" doc:"What people call it: it names who acts, in audit and lists" example:"build machines"`
	ResourceClass string           `json:"resource_class,omitempty" maxLength:"130" doc:"Of a class token: which class, as namespace/name" example:"acme/linux"`
	Organization  string           `json:"organization,omitempty" maxLength:"64" doc:"Of an organization token or an API key: which organization; the caller's own for a key when empty"`
	Role          remuda.Role      `json:"role,omitempty" enum:"viewer,member,admin" doc:"Of an organization token: what it may do"`
	SingleUse     bool             `json:"single_use,omitempty" doc:"Of a class token: it registers one runner, once"`
	ExpiresIn     remuda.Duration  `json:"expires_in,omitempty" doc:"Of a class token: it registers nobody after so long; of an API key: it opens nothing after so long; never when empty" example:"1h"`
	ExpiresAt     *time.Time       `json:"expires_at,omitempty" doc:"The same as a point in time; only one of the two"`
	Permissions   []string         `json:"permissions,omitempty" maxItems:"200" doc:"Of an API key: what it may do, such as BUILDINGBLOCK_LIST"`
}

type createTokenInput struct {
	byUser
	Body newToken
}

func createToken(ctx context.Context, in *createTokenInput) (remuda.Token, error) {
	b := in.Body
	token := remuda.Token{
		Kind: b.Kind, Nickname: b.Nickname, ResourceClass: b.ResourceClass, Organization: b.Organization, Role: b.Role,
		SingleUse: b.SingleUse, ExpiresAt: b.ExpiresAt, Permissions: b.Permissions,
	}
	if b.ExpiresIn != 0 && b.ExpiresAt != nil {
		return remuda.Token{}, remuda.Fail(remuda.Invalid, "say either expires_in or expires_at")
	}
	if b.ExpiresIn != 0 {
		at := time.Now().Add(b.ExpiresIn.Std())
		token.ExpiresAt = &at
	}
	return in.door.CreateToken(ctx, token)
}

type tokenInput struct {
	byUser
	Token string `path:"token" doc:"The token's id, never the token itself"`
}

func revokeToken(ctx context.Context, in *tokenInput) (nothing, error) {
	return nothing{}, in.door.RevokeToken(ctx, in.Token)
}

package control

import (
	"context"

	"github.com/remuda-dev/remuda"
)

// SessionRow is somebody who signed in with a browser. Its id opens nothing: what does is kept as Hash alone.
type SessionRow struct {
	ID         string `db:"id"`
	TokenID    string `db:"token_id"`
	Hash       []byte `db:"hash"`
	OldHash    []byte `db:"old_hash"` // of the secret before this one; empty for none
	OldUntil   Micros `db:"old_until"`
	RenewedAt  Micros `db:"renewed_at"`
	CreatedAt  Micros `db:"created_at"`
	LastUsedAt Micros `db:"last_used_at"`
	EndsAt     Micros `db:"ends_at"`
	Address    string `db:"address"`
	Agent      string `db:"agent"`
}

// Table names it.
func (SessionRow) Table() string { return "sessions" }

// SessionView is a session with what its token says of whoever signed in.
type SessionView struct {
	SessionRow
	Kind           remuda.TokenKind `db:"kind"`
	Nickname       string           `db:"nickname"`
	Role           remuda.Role      `db:"role"`
	OrganizationID *string          `db:"organization_id"`
	Organization   string           `db:"organization"`
	RevokedAt      Micros           `db:"revoked_at"`
	ExpiresAt      Micros           `db:"expires_at"`
}

// SessionQuery asks for sessions; Token and Organization are ids.
type SessionQuery struct {
	Token, Organization string
	Span
}

// sessionsInStore is what a View knows of sessions.
type sessionsInStore interface {
	// SessionByHash finds a session by the hash of the secret that its browser sends, or sent before.
	SessionByHash(ctx context.Context, hash []byte) (SessionView, error)
	SessionView(ctx context.Context, id string) (SessionView, error)
	Sessions(ctx context.Context, q SessionQuery) ([]SessionView, error)
	// SessionsOver are those that end at a time or were not used since another, at most 64.
	SessionsOver(ctx context.Context, now, idle Micros) ([]SessionView, error)
}

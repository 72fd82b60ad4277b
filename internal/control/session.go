package control

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/remuda-dev/remuda"
)

// The bounds of sessions; docs/operate.md tells them.
const (
	sessionLife    = 12 * time.Hour
	sessionIdle    = 2 * time.Hour
	sessionRenewal = time.Hour   // after so long in use, the browser is given another secret
	sessionOverlap = time.Minute // and may go on with the one before, for requests that are under way
	mostSessions   = 20          // of one token
)

// Origin is from where somebody signs in.
type Origin struct {
	Address string
	Agent   string // what the browser calls itself
}

// SignedIn is somebody who has signed in.
type SignedIn struct {
	User    User
	Session string // its id, by which it can be looked at, and which opens nothing
	Renewed string // the secret that the browser is to send from now on; empty when it stays as it is
}

// BeginSession signs somebody in by a token. The answer is the secret that the browser keeps, in place of the token.
func (p *Plane) BeginSession(ctx context.Context, token string, from Origin) (secret string, err error) {
	who, err := p.Authenticate(ctx, token)
	switch {
	case errors.Is(err, remuda.Unauthenticated):
		return "", remuda.Fail(remuda.Unauthenticated, "Nobody has this token: check that it is whole and was not revoked.")
	case errors.Is(err, remuda.Forbidden), err == nil && (who.User == nil || who.User.Permissions != nil):
		return "", remuda.Fail(remuda.Forbidden, "These pages are for people: use an organization token or an admin token.")
	case err != nil:
		return "", fmt.Errorf("sign in: %w", err)
	}
	user := *who.User
	user.Address = from.Address
	secret = rand.Text()
	err = p.AsUser(user).write(ctx, func(t *transition) error {
		if err := t.endOldest(ctx, user.Token); err != nil {
			return err
		}
		row := SessionRow{
			ID: newID(), TokenID: user.Token, Hash: hashToken(secret), OldHash: []byte{}, RenewedAt: t.now, CreatedAt: t.now,
			LastUsedAt: t.now, EndsAt: t.now.after(sessionLife), Address: from.Address, Agent: shortened(from.Agent, mostAgent),
		}
		if err := t.Insert(ctx, &row); err != nil {
			return err
		}
		return t.event(ctx, "session.began", user.OrganizationID, row.ID, browserOf(row.Agent))
	})
	if errors.Is(err, remuda.Conflict) { // what it refers to has gone
		return "", remuda.Fail(remuda.Unauthenticated, "This token was revoked a moment ago.")
	}
	return secret, err
}

// endOldest makes room for one more session of a token.
func (t *transition) endOldest(ctx context.Context, token string) error {
	all, err := t.Sessions(ctx, SessionQuery{Token: token, Span: Span{Limit: 10 * mostSessions}})
	if err != nil || len(all) < mostSessions {
		return err
	}
	for _, session := range all[mostSessions-1:] {
		if err := t.endSession(ctx, session, "for a newer one of the same token"); err != nil {
			return err
		}
	}
	return nil
}

// Session is who has signed in, by the secret that the browser sent.
func (p *Plane) Session(ctx context.Context, secret string) (SignedIn, error) {
	session, err := p.sessionOf(ctx, hashToken(secret))
	return SignedIn{User: session.user(), Session: session.ID}, err
}

// UseSession is Session, and notes that somebody did something: a session that nobody uses ends before its time.
func (p *Plane) UseSession(ctx context.Context, secret string) (SignedIn, error) {
	hash := hashToken(secret)
	session, err := p.sessionOf(ctx, hash)
	if err != nil {
		return SignedIn{}, err
	}
	in := SignedIn{User: session.user(), Session: session.ID}
	now := p.now()
	switch {
	case bytes.Equal(session.Hash, hash) && now >= session.RenewedAt.after(sessionRenewal):
		in.Renewed = p.renewSession(ctx, session.ID, hash)
	case now >= session.LastUsedAt.after(time.Minute):
		p.touchSession(ctx, session)
	}
	return in, nil
}

// sessionOf finds the session of a secret, which is its present one or the one before for as long as that is good.
func (p *Plane) sessionOf(ctx context.Context, hash []byte) (SessionView, error) {
	session, err := p.session(ctx, func(v View) (SessionView, error) { return v.SessionByHash(ctx, hash) })
	if err == nil && !bytes.Equal(session.Hash, hash) && p.now() >= session.OldUntil {
		return SessionView{}, signedOut()
	}
	return session, err
}

// StillSignedIn is who has signed in, by the id of the session, as long as that is so. It is for whoever holds a page open,
// which is no use of the session.
func (p *Plane) StillSignedIn(ctx context.Context, id string) (User, error) {
	session, err := p.session(ctx, func(v View) (SessionView, error) { return v.SessionView(ctx, id) })
	return session.user(), err
}

// session finds one that has not ended.
func (p *Plane) session(ctx context.Context, find func(View) (SessionView, error)) (session SessionView, err error) {
	err = p.store.Read(ctx, func(v View) (err error) {
		session, err = find(v)
		return err
	})
	now := p.now()
	switch {
	case errors.Is(err, remuda.NotFound):
		return SessionView{}, signedOut()
	case err != nil:
		return SessionView{}, fmt.Errorf("look up a session: %w", err)
	case session.over(now) != "", session.RevokedAt != 0, session.ExpiresAt != 0 && now >= session.ExpiresAt:
		return SessionView{}, signedOut()
	}
	return session, nil
}

func signedOut() error { return remuda.Fail(remuda.Unauthenticated, "The session has ended.") }

// over says why a session has ended by itself; empty as long as it has not.
func (s SessionView) over(now Micros) string {
	switch {
	case now >= s.EndsAt:
		return "after " + hours(sessionLife)
	case now >= s.LastUsedAt.after(sessionIdle):
		return "after " + hours(sessionIdle) + " without use"
	}
	return ""
}

func hours(d time.Duration) string { return fmt.Sprintf("%d hours", int(d.Hours())) }

// user is who acts in the session.
func (s SessionView) user() User {
	token := TokenView{TokenRow: TokenRow{ID: s.TokenID, Kind: s.Kind, Nickname: s.Nickname, OrganizationID: s.OrganizationID, Role: s.Role}}
	token.Organization = s.Organization
	return *userOf(token)
}

// renewSession gives a session another secret, unless a request beside this one has. When that is not possible now, the
// one that there is stays good.
func (p *Plane) renewSession(ctx context.Context, id string, hash []byte) (secret string) {
	secret = rand.Text()
	ctx, cancel := context.WithTimeout(ctx, touchTime)
	defer cancel()
	err := p.store.Write(ctx, Beside, func(tx Tx) error {
		var row SessionRow
		if err := tx.Get(ctx, &row, id); err != nil {
			return err
		}
		if !bytes.Equal(row.Hash, hash) {
			return errStale
		}
		now := p.now()
		row.OldHash, row.OldUntil = hash, now.after(sessionOverlap)
		row.Hash, row.RenewedAt, row.LastUsedAt = hashToken(secret), now, now
		return tx.Update(ctx, &row, "hash", "old_hash", "old_until", "renewed_at", "last_used_at")
	})
	if err != nil {
		p.notTouched(ctx, id, err)
		return ""
	}
	return secret
}

// touchSession writes down the last use of a session, and with it that of its token, to the minute.
func (p *Plane) touchSession(ctx context.Context, session SessionView) {
	ctx, cancel := context.WithTimeout(ctx, touchTime) // whoever only reads does not wait for a writer that is stuck
	defer cancel()
	err := p.store.Write(ctx, Beside, func(tx Tx) error {
		now := p.now()
		if err := tx.Update(ctx, &SessionRow{ID: session.ID, LastUsedAt: now}, "last_used_at"); err != nil {
			return err
		}
		return tx.Update(ctx, &TokenRow{ID: session.TokenID, LastUsedAt: now}, "last_used_at")
	})
	if err != nil {
		p.notTouched(ctx, session.ID, err)
	}
}

func (p *Plane) notTouched(ctx context.Context, id string, err error) {
	if ctx.Err() == nil && !errors.Is(err, remuda.NotFound) && !errors.Is(err, errStale) {
		p.log.Warn("write down the use of a session", "session", id, "err", err)
	}
}

// EndSession signs out, by the secret that the browser sent. A session that is not there has ended already.
func (p *Plane) EndSession(ctx context.Context, secret, address string) error {
	session, err := p.sessionOf(ctx, hashToken(secret))
	if err != nil {
		if errors.Is(err, remuda.Unauthenticated) {
			return nil
		}
		return err
	}
	user := session.user()
	user.Address = address
	return p.AsUser(user).write(ctx, func(t *transition) error {
		session, err := t.SessionView(ctx, session.ID)
		if err != nil {
			return ignoreAbsent(err)
		}
		return t.endSession(ctx, session, "signed out")
	})
}

func ignoreAbsent(err error) error {
	if errors.Is(err, remuda.NotFound) {
		return nil
	}
	return err
}

// endSession ends one, and writes down why.
func (t *transition) endSession(ctx context.Context, s SessionView, because string) error {
	owner := ""
	if s.OrganizationID != nil {
		owner = *s.OrganizationID
	}
	if err := t.event(ctx, "session.ended", owner, s.ID, "of "+s.Nickname+": "+because); err != nil {
		return err
	}
	return t.Delete(ctx, &s.SessionRow)
}

// endSessions ends those of a token.
func (t *transition) endSessions(ctx context.Context, token, because string) error {
	all, err := t.Sessions(ctx, SessionQuery{Token: token, Span: Span{Limit: 10 * mostSessions}})
	if err != nil {
		return err
	}
	for _, session := range all {
		if err := t.endSession(ctx, session, because); err != nil {
			return err
		}
	}
	return nil
}

// forgetSessions deletes those whose time is over, in small transactions.
func (p *Plane) forgetSessions(ctx context.Context) error {
	for range mostForgotten {
		var some []SessionView
		err := p.write(ctx, "system", func(t *transition) (err error) {
			if some, err = t.SessionsOver(ctx, t.now, t.now.after(-sessionIdle)); err != nil {
				return err
			}
			for _, session := range some {
				if err := t.endSession(ctx, session, session.over(t.now)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(some) < 64 {
			return err
		}
	}
	return nil
}

package control

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/seal"
)

// tokenLife is how long a class token is remembered that is of no use any more, and how long a runner that left by it
// is listed.
const tokenLife = 24 * time.Hour

// Register makes a runner known; class tokens are its credential. One unknown token among them refuses all. Of those
// that use a single-use token at the same time, one wins; should the answer to it get lost, it may ask again with the
// same key, as long as it has not spoken as the runner that it is.
func (p *Plane) Register(ctx context.Context, r remuda.Registration, ip string) (remuda.Registered, error) {
	if _, err := seal.To(r.PublicKey, nil, nil); err != nil { // tried, since some keys of the right size seal nothing
		return remuda.Registered{}, &remuda.Error{Kind: remuda.Invalid, Detail: "public_key is a good X25519 public key of 32 bytes", Cause: err}
	}
	if len(r.Tokens) == 0 {
		return remuda.Registered{}, remuda.Fail(remuda.Unauthenticated, "a runner registers with at least one class token")
	}
	if err := validRegistration(r); err != nil {
		return remuda.Registered{}, err
	}
	// Looked at before anything is written: whoever has no token makes the one writer no work.
	err := p.store.Read(ctx, func(v View) error {
		_, _, err := credentials(ctx, v, r)
		return err
	})
	if err != nil {
		return remuda.Registered{}, err
	}
	token := newToken(kindRunner)
	now := p.now()
	row := RunnerRow{
		ID: newID(), Name: r.Name, Hostname: r.Hostname, Version: r.Version, OS: r.OS, Arch: r.Arch, IP: ip,
		Slots: max(r.Slots, 1), Capabilities: strings.Join(r.Capabilities, " "), PublicKey: r.PublicKey,
		TokenHash: hashToken(token), RegisteredAt: now, LastSeenAt: now, SilentAt: now.after(silentAfter),
	}
	answer := remuda.Registered{ID: row.ID, Token: token}
	err = p.write(ctx, "runner "+row.ID, func(t *transition) error {
		answer.ID, answer.ResourceClasses = row.ID, nil
		tokens, earlier, err := credentials(ctx, t, r)
		if err != nil {
			return err
		}
		if earlier.ID != "" {
			answer.ID = earlier.ID
			earlier.TokenHash = row.TokenHash
			return t.registerAgain(ctx, earlier, tokens, &answer)
		}
		if err := t.Insert(ctx, &row); err != nil {
			return err
		}
		return t.serve(ctx, row, tokens, &answer)
	})
	return answer, err
}

func validRegistration(r remuda.Registration) error {
	if r.Name == "" || len(r.Name) > 200 {
		return remuda.Fail(remuda.Invalid, "a runner's name has 1 to 200 bytes")
	}
	if r.Slots < 0 || r.Slots > 10000 {
		return remuda.Fail(remuda.Invalid, "a runner has at most 10000 slots; 1 when 0")
	}
	for _, capability := range r.Capabilities {
		if len(strings.Fields(capability)) != 1 {
			return remuda.Fail(remuda.Invalid, "a capability is one word")
		}
	}
	return nil
}

// credentials finds the class tokens of a registration. earlier is the runner that these single-use tokens made already
// when it was the same one that asks, and has not heard of it.
func credentials(ctx context.Context, v View, r remuda.Registration) (tokens []TokenView, earlier RunnerRow, err error) {
	for _, secret := range r.Tokens {
		token, err := classTokenOf(ctx, v, secret)
		if err != nil {
			return nil, earlier, err
		}
		tokens = append(tokens, token)
		if token.UsedAt == 0 || earlier.ID == token.UsedBy {
			continue
		}
		used := remuda.Fail(remuda.Unauthenticated, "the single-use class token "+token.Nickname+" was used; make another one with 'remuda token create --single-use'")
		if earlier.ID != "" {
			return nil, earlier, used
		}
		err = v.Get(ctx, &earlier, token.UsedBy)
		if errors.Is(err, remuda.NotFound) ||
			err == nil && (earlier.GoneAt != 0 || earlier.LastSeenAt != earlier.RegisteredAt || !bytes.Equal(earlier.PublicKey, r.PublicKey)) {
			err = used
		}
		if err != nil {
			return nil, earlier, err
		}
	}
	return tokens, earlier, nil
}

// classTokenOf finds a class token by its secret.
func classTokenOf(ctx context.Context, v View, secret remuda.Secret) (TokenView, error) {
	unknown := remuda.Fail(remuda.Unauthenticated, "a class token is unknown or was revoked; make one with 'remuda token create'")
	if kindOf(secret.Reveal()) != kindClass {
		return TokenView{}, unknown
	}
	token, err := v.TokenByHash(ctx, hashToken(secret.Reveal()))
	if errors.Is(err, remuda.NotFound) || err == nil && token.RevokedAt != 0 {
		return token, unknown
	}
	if err == nil && token.expired(Now()) {
		return token, remuda.Fail(remuda.Unauthenticated, "the class token "+token.Nickname+" has expired; make another one with 'remuda token create'")
	}
	return token, err
}

func (t TokenRow) expired(now Micros) bool { return t.ExpiresAt != 0 && t.ExpiresAt <= now }

// serve joins a runner to the classes of its tokens, and uses up those that are for one use.
func (t *transition) serve(ctx context.Context, row RunnerRow, tokens []TokenView, answer *remuda.Registered) error {
	served := map[string]bool{}
	for _, token := range tokens {
		token.LastUsedAt = t.now
		if token.SingleUse {
			token.UsedAt, token.UsedBy = t.now, row.ID
		}
		if err := t.Update(ctx, &token.TokenRow, "last_used_at", "used_at", "used_by"); err != nil {
			return err
		}
		if served[*token.ClassID] {
			continue
		}
		served[*token.ClassID] = true
		err := t.Insert(ctx, &RunnerClassRow{RunnerID: row.ID, ClassID: *token.ClassID, TokenID: token.ID})
		if err != nil {
			return err
		}
		class, err := t.ClassView(ctx, *token.ClassID)
		if err != nil {
			return err
		}
		answer.ResourceClasses = append(answer.ResourceClasses, class.FullName)
		if err := t.event(ctx, "runner.registered", class.OrganizationID, row.ID, row.Name+" for "+class.FullName); err != nil {
			return err
		}
	}
	return nil
}

// registerAgain gives a runner that did not get its first answer another token.
func (t *transition) registerAgain(ctx context.Context, row RunnerRow, tokens []TokenView, answer *remuda.Registered) error {
	classes := map[string]bool{}
	for _, token := range tokens {
		if !classes[token.Class] {
			answer.ResourceClasses = append(answer.ResourceClasses, token.Class)
		}
		classes[token.Class] = true
	}
	return t.Update(ctx, &row, "token_hash")
}

package control

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/nearest"
)

// accessLife is for how long an access token opens doors, at most: its key may be revoked before.
const accessLife = time.Hour

// apiKey completes the row of a new API key. It gives no more than its maker has.
func (d UserDoor) apiKey(ctx context.Context, v View, t remuda.Token, row *TokenRow, view *TokenView) (string, error) {
	if t.Role != "" || t.ResourceClass != "" {
		return "", remuda.Fail(remuda.Invalid, "an API key has permissions, and neither a role nor a resource class")
	}
	if t.Organization == "" {
		t.Organization = d.user.Organization
	}
	owner, err := d.organizationFor(ctx, v, "token", t.Organization, remuda.RoleAdmin)
	if err != nil {
		return "", err
	}
	words, err := validPermissions(t.Permissions)
	if err != nil {
		return "", err
	}
	for _, word := range words {
		if !d.user.May(word, owner.ID) {
			return "", remuda.Fail(remuda.Forbidden, "a key gives no more than its maker has, which is not "+word)
		}
	}
	row.OrganizationID, row.Permissions, view.Organization = &owner.ID, strings.Join(words, " "), owner.Name
	return owner.ID, nil
}

// validPermissions puts words in order, each once.
func validPermissions(words []string) ([]string, error) {
	if len(words) == 0 {
		return nil, remuda.Fail(remuda.Invalid, "an API key has at least one permission, such as "+remuda.PermitBlockList)
	}
	known := remuda.Permissions()
	var wrong []remuda.Field
	for i, word := range words {
		if slices.Contains(known, word) {
			continue
		}
		message := strconv.Quote(word) + " is no permission"
		if meant, found := nearest.Name(word, known); found {
			message += "; did you mean " + meant + "?"
		}
		wrong = append(wrong, remuda.Field{Location: fmt.Sprintf("body.permissions[%d]", i), Message: message})
	}
	if len(wrong) > 0 {
		return nil, &remuda.Error{Kind: remuda.Invalid, Detail: wrong[0].Location + ": " + wrong[0].Message, Fields: wrong}
	}
	words = slices.Clone(words)
	slices.Sort(words)
	return slices.Compact(words), nil
}

// Login gives an access token for an API key: its id and its secret. Whichever of the two is wrong, the answer is the
// same and takes as long.
func (p *Plane) Login(ctx context.Context, clientID, clientSecret string) (token string, expiresIn time.Duration, err error) {
	if !isID(clientID) {
		clientID = noID // looked up nevertheless
	}
	given := hashToken(clientSecret)
	row := TokenRow{Hash: hashToken("")}
	err = p.store.Read(ctx, func(v View) error { return v.Get(ctx, &row, clientID) })
	if err != nil && !errors.Is(err, remuda.NotFound) {
		return "", 0, fmt.Errorf("log in: %w", err)
	}
	same := subtle.ConstantTimeCompare(row.Hash, given) == 1
	now := p.now()
	if !same || row.Kind != remuda.APIKey || row.RevokedAt != 0 || row.expired(now) {
		return "", 0, remuda.Fail(remuda.Unauthenticated, "no API key has this client id and this secret, or it was revoked or has expired")
	}
	p.touchToken(ctx, row)
	until := now.after(accessLife)
	if row.ExpiresAt != 0 {
		until = min(until, row.ExpiresAt)
	}
	return p.accessToken(row.ID, until.Time().Unix()), until.Time().Sub(now.Time()).Truncate(time.Second), nil
}

// noID is nobody's.
const noID = "00000000-0000-0000-0000-000000000000"

// isID says whether text has the form of our ids.
func isID(text string) bool {
	if len(text) != len(noID) {
		return false
	}
	for i, c := range []byte(text) {
		if (noID[i] == '-') != (c == '-') || c != '-' && !strings.ContainsRune("0123456789abcdef", rune(c)) {
			return false
		}
	}
	return true
}

// An access token is kept nowhere: it says whose it is and until when, with a MAC of that.
const (
	idDigits     = 32
	expiryDigits = 10
	macDigits    = 40
)

func (p *Plane) accessToken(key string, until int64) string {
	said := strings.ReplaceAll(key, "-", "") + fmt.Sprintf("%0*x", expiryDigits, until)
	mac := hex.EncodeToString(p.keys.MAC("access token", said)[:macDigits/2])
	return withChecksum(tokenPrefix + kindAccess + "_" + said + mac)
}

// accessOf is the key that an access token stands for, and until when; empty when it is not one of ours.
func (p *Plane) accessOf(token string) (key string, until time.Time) {
	said := strings.TrimPrefix(token, tokenPrefix+kindAccess+"_")
	if len(said) < idDigits+expiryDigits {
		return "", until
	}
	id := said[:8] + "-" + said[8:12] + "-" + said[12:16] + "-" + said[16:20] + "-" + said[20:idDigits]
	seconds, err := strconv.ParseInt(said[idDigits:idDigits+expiryDigits], 16, 64)
	if err != nil || subtle.ConstantTimeCompare([]byte(p.accessToken(id, seconds)), []byte(token)) != 1 {
		return "", until
	}
	return id, time.Unix(seconds, 0)
}

// authenticateAccess finds the key of an access token, which must still be good.
func (p *Plane) authenticateAccess(ctx context.Context, bearer string) (Principal, error) {
	key, until := p.accessOf(bearer)
	if key == "" || !p.now().Time().Before(until) {
		return Principal{}, remuda.Fail(remuda.Unauthenticated, "this access token is not valid, or not any more; log in again")
	}
	var token TokenView
	err := p.store.Read(ctx, func(v View) error {
		if err := v.Get(ctx, &token.TokenRow, key); err != nil {
			return err
		}
		if token.OrganizationID == nil {
			return remuda.NotFound
		}
		var owner OrganizationRow
		err := v.Get(ctx, &owner, *token.OrganizationID)
		token.Organization = owner.Name
		return err
	})
	if err != nil && !errors.Is(err, remuda.NotFound) {
		return Principal{}, fmt.Errorf("authenticate access token: %w", err)
	}
	if err != nil || token.Kind != remuda.APIKey || token.RevokedAt != 0 || token.expired(p.now()) {
		return Principal{}, unauthenticated()
	}
	p.touchToken(ctx, token.TokenRow)
	return Principal{User: userOf(token)}, nil
}

// userOf is who acts by a token.
func userOf(token TokenView) *User {
	user := &User{Token: token.ID, Name: token.Nickname, Organization: token.Organization, Role: token.Role, Admin: token.Kind == remuda.AdminToken}
	if token.OrganizationID != nil {
		user.OrganizationID = *token.OrganizationID
	}
	if token.Kind == remuda.APIKey {
		user.Permissions = append([]string{}, strings.Fields(token.Permissions)...)
	}
	return user
}

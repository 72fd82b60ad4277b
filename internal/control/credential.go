package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// A token is rmd_<kind>_<random><checksum>: the prefix lets scanners find leaks, the checksum lets them tell a token
// from something that only looks like one. The random part is 32 base62 digits (190 bits), the checksum the CRC-32 of
// all that stands before it, in 6 base62 digits.
const (
	tokenPrefix  = "rmd_"
	kindAdmin    = "adm"
	kindOrg      = "org"
	kindClass    = "cls"
	kindRunner   = "run"
	kindTask     = "tsk"
	kindKey      = "key" // an API key's secret
	kindAccess   = "acc" // what logging in with an API key gives
	randomDigits = 32
	base62       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

func newToken(kind string) string {
	var text strings.Builder
	text.WriteString(tokenPrefix + kind + "_")
	for range randomDigits {
		digit, err := rand.Int(rand.Reader, big.NewInt(62))
		if err != nil {
			panic(err) // crypto/rand does not fail on the systems that Go supports
		}
		text.WriteByte(base62[digit.Int64()])
	}
	return withChecksum(text.String())
}

func withChecksum(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	digits := make([]byte, 6)
	for i := range digits {
		digits[5-i] = base62[sum%62]
		sum /= 62
	}
	return text + string(digits)
}

// kindOf is the kind of a well-formed token, empty for anything else.
func kindOf(token string) string {
	rest, found := strings.CutPrefix(token, tokenPrefix)
	if !found || len(token) < 20 || len(token) > 200 || withChecksum(token[:len(token)-6]) != token {
		return ""
	}
	kind, _, _ := strings.Cut(rest, "_")
	return kind
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// taskToken is derived from the claim, so that a claim that is delivered again carries the same one and none is stored.
func (p *Plane) taskToken(claim string) string {
	return withChecksum(tokenPrefix + kindTask + "_" + strings.ReplaceAll(claim, "-", "") +
		hex.EncodeToString(p.keys.MAC("task token", claim)[:20]))
}

// claimOf is the claim that a task token speaks for, empty when it is not one of ours.
func (p *Plane) claimOf(token string) string {
	id := strings.TrimPrefix(token, tokenPrefix+kindTask+"_")
	if len(id) < 32 {
		return ""
	}
	claim := id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:32]
	if subtle.ConstantTimeCompare([]byte(p.taskToken(claim)), []byte(token)) != 1 {
		return ""
	}
	return claim
}

// Authenticate says whose token it is. Class tokens register, in the body of that call, and open the scaler's door.
func (p *Plane) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	switch kindOf(bearer) {
	case kindTask:
		if claim := p.claimOf(bearer); claim != "" {
			return Principal{Claim: claim}, nil
		}
	case kindRunner:
		hash := sha256.Sum256([]byte(bearer))
		if runner := p.recognized.runner(hash); runner != "" {
			return Principal{Runner: runner}, nil
		}
		var runner RunnerRow
		err := p.store.Read(ctx, func(v View) (err error) {
			runner, err = v.RunnerByTokenHash(ctx, hash[:])
			return err
		})
		if err == nil && runner.GoneAt == 0 {
			p.recognized.remember(hash, runner.ID)
			return Principal{Runner: runner.ID}, nil
		}
		if err != nil && !errors.Is(err, remuda.NotFound) {
			return Principal{}, fmt.Errorf("authenticate runner: %w", err)
		}
	case kindAdmin, kindOrg, kindKey:
		return p.authenticateUser(ctx, bearer)
	case kindAccess:
		return p.authenticateAccess(ctx, bearer)
	case kindClass:
		return p.authenticateClass(ctx, bearer)
	}
	return Principal{}, unauthenticated()
}

func unauthenticated() error {
	return remuda.Fail(remuda.Unauthenticated, "send a valid token as 'Authorization: Bearer rmd_…'; this one is unknown or was revoked")
}

// authenticateClass finds the class of a token that registers more than once.
func (p *Plane) authenticateClass(ctx context.Context, bearer string) (Principal, error) {
	var token TokenView
	err := p.store.Read(ctx, func(v View) (err error) {
		token, err = v.TokenByHash(ctx, hashToken(bearer))
		return err
	})
	switch {
	case errors.Is(err, remuda.NotFound) || err == nil && (token.ClassID == nil || token.RevokedAt != 0 || token.expired(Now())):
		return Principal{}, unauthenticated()
	case err != nil:
		return Principal{}, fmt.Errorf("authenticate class token: %w", err)
	case token.SingleUse:
		return Principal{}, remuda.Fail(remuda.Forbidden, "a single-use class token registers a runner, and nothing else")
	}
	p.touchToken(ctx, token.TokenRow)
	return Principal{Class: *token.ClassID}, nil
}

func (p *Plane) authenticateUser(ctx context.Context, bearer string) (Principal, error) {
	var token TokenView
	err := p.store.Read(ctx, func(v View) (err error) {
		token, err = v.TokenByHash(ctx, hashToken(bearer))
		return err
	})
	if errors.Is(err, remuda.NotFound) || err == nil && (token.Kind == remuda.ClassToken || token.RevokedAt != 0 || token.expired(p.now())) {
		return Principal{}, unauthenticated()
	}
	if err != nil {
		return Principal{}, fmt.Errorf("authenticate user: %w", err)
	}
	p.touchToken(ctx, token.TokenRow)
	return Principal{User: userOf(token)}, nil
}

// touchTime is how long a token's use is worth waiting for.
const touchTime = time.Second

// touchToken writes down the last use, to the minute: a busy program costs one write a minute.
func (p *Plane) touchToken(ctx context.Context, token TokenRow) {
	now := micros(time.Now())
	if now-token.LastUsedAt < Micros(time.Minute.Microseconds()) {
		return
	}
	token.LastUsedAt = now
	ctx, cancel := context.WithTimeout(ctx, touchTime) // whoever only reads does not wait for a writer that is stuck
	defer cancel()
	err := p.store.Write(ctx, Beside, func(tx Tx) error { return tx.Update(ctx, &token, "last_used_at") })
	if err != nil && ctx.Err() == nil && !errors.Is(err, remuda.NotFound) {
		p.log.Warn("write down a token's last use", "token", token.ID, "err", err)
	}
}

package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// Other systems' runners do not register: they ask for work in the name of a pool, and say which of its machines asks.
// Each such node of a class becomes a runner here at its first question. It holds no request open; a claim of its own is
// fenced as every other.

// EntryRow is a class that other systems' runners may serve; its ID is the class's.
type EntryRow struct {
	ID             string `db:"id"`
	DisplayName    string `db:"display_name"`
	PublicKey      string `db:"public_key"` // PEM; what its nodes are to know is sealed to it
	Implementation string `db:"implementation"`
	Capabilities   string `db:"capabilities"` // of its nodes, separated by spaces
	SelfHosted     bool   `db:"self_hosted"`
	Extra          string `db:"extra"`    // JSON
	TokenID        string `db:"token_id"` // the class token by which its nodes claim
	CreatedAt      Micros `db:"created_at"`
}

// Table names it.
func (EntryRow) Table() string { return "runner_entries" }

const (
	nodeSilentAfter = 90 * time.Second // they ask every 10 s, and 60 s after something went wrong
	longestNode     = 200              // bytes of a node's id
	longestVersion  = 100
)

// Node is the door of one machine of another system's pool. The node's id tells machines of a class apart; name and
// version are those of the program.
func (p *Plane) Node(ctx context.Context, classID, node, name, version string) (RunnerDoor, error) {
	node = strings.TrimSpace(node)
	if node == "" || len(node) > longestNode {
		return RunnerDoor{}, remuda.Fail(remuda.Invalid, fmt.Sprintf("a node's id has 1 to %d bytes", longestNode))
	}
	program := strings.TrimSpace(strings.ToValidUTF8(name+" "+version, ""))
	program = strings.ToValidUTF8(program[:min(len(program), longestVersion)], "")
	var row RunnerRow
	current := false
	err := p.store.Read(ctx, func(v View) (err error) {
		row, current, err = p.node(ctx, v, classID, node, program)
		return err
	})
	if err != nil || current {
		return RunnerDoor{p, row.ID}, err
	}
	err = p.write(ctx, "node "+node, func(t *transition) error {
		if row, current, err = p.node(ctx, t, classID, node, program); err != nil || current {
			return err
		}
		return t.keepNode(ctx, classID, &row)
	})
	return RunnerDoor{p, row.ID}, err
}

// node is the runner that a node is, or is to be, and whether it is known as that already.
func (p *Plane) node(ctx context.Context, v View, classID, node, program string) (row RunnerRow, current bool, err error) {
	var entry EntryRow
	if err := v.Get(ctx, &entry, classID); err != nil {
		return row, false, orAbsent(err, "runner entry", classID)
	}
	var token TokenRow
	err = v.Get(ctx, &token, entry.TokenID)
	if errors.Is(err, remuda.NotFound) || err == nil && token.RevokedAt != 0 {
		return row, false, remuda.Fail(remuda.Forbidden, "the class token of this entry's nodes was revoked; delete the entry and make it anew")
	}
	if err != nil {
		return row, false, err
	}
	hash := p.nodeHash(classID, node)
	row, err = v.RunnerByTokenHash(ctx, hash)
	known := row
	if errors.Is(err, remuda.NotFound) {
		row = RunnerRow{Name: node, Hostname: node, Slots: 1, TokenHash: hash, Ready: true}
		err = nil
	}
	row.PublicKey, row.Capabilities, row.Version, row.GoneAt = []byte(entry.PublicKey), entry.Capabilities, program, 0
	current = row.ID != "" && bytes.Equal(row.PublicKey, known.PublicKey) && row.Capabilities == known.Capabilities &&
		row.Version == known.Version && known.GoneAt == 0
	return row, current, err
}

// nodeHash stands where other runners have the hash of their token: nothing has this hash.
func (p *Plane) nodeHash(classID, node string) []byte { return p.keys.MAC("node", classID+" "+node) }

// keepNode writes a node down.
func (t *transition) keepNode(ctx context.Context, classID string, row *RunnerRow) error {
	if row.ID != "" {
		return t.Update(ctx, row, "public_key", "capabilities", "version", "gone_at")
	}
	var entry EntryRow
	if err := t.Get(ctx, &entry, classID); err != nil {
		return err
	}
	class, err := t.ClassView(ctx, classID)
	if err != nil {
		return err
	}
	row.ID, row.RegisteredAt, row.LastSeenAt, row.SilentAt = newID(), t.now, t.now, t.now.after(nodeSilentAfter)
	if err := t.Insert(ctx, row); err != nil {
		return err
	}
	if err := t.Insert(ctx, &RunnerClassRow{RunnerID: row.ID, ClassID: classID, TokenID: entry.TokenID}); err != nil {
		return err
	}
	return t.event(ctx, "runner.registered", class.OrganizationID, row.ID, row.Name+" for "+class.FullName)
}

// NodeOf is the door of the node that holds a claim, or held it, or of the others whom it was left to. A claim of a
// runner that registered is not among those: its runner alone says how it ended.
func (p *Plane) NodeOf(ctx context.Context, claim string) (RunnerDoor, error) {
	var attempt AttemptView
	node, left := false, false
	err := p.store.Read(ctx, func(v View) (err error) {
		if attempt, err = v.Attempt(ctx, claim); err != nil {
			return orAbsent(err, "claim", claim)
		}
		if left, err = p.IsExternal(ctx, v, attempt.AttemptRow); err != nil || left {
			return err
		}
		node, err = p.IsNode(ctx, v, attempt.AttemptRow)
		return err
	})
	if err == nil && !node && !left {
		err = remuda.Fail(remuda.Forbidden, "this claim is held by a runner that registered, which alone says how it ended")
	}
	return RunnerDoor{p, attempt.RunnerID}, err
}

// ClaimOne gives a claim without waiting for one: a live one that has not begun again, since the answer may have been
// lost; else at most one new. There is none when the answer is nil.
func (d RunnerDoor) ClaimOne(ctx context.Context) (*remuda.Claim, error) {
	var row RunnerRow
	var given []AttemptView
	err := d.p.writeIn(ctx, Claiming, "runner "+d.id, func(t *transition) error {
		given = nil
		seen, err := d.see(ctx, t, remuda.Sync{})
		if err != nil {
			return err
		}
		seen.syncs = false
		seen.runner.LastSeenAt, seen.runner.SilentAt = t.now, t.now.after(nodeSilentAfter)
		given = unbegun(seen.live)
		if given == nil {
			seen.room = 1 // whoever asks has room
			before := len(seen.live)
			if err := t.fill(ctx, &seen); err != nil {
				return err
			}
			given = seen.live[before:]
			seen.runner.Slots = max(seen.runner.Slots, len(seen.live))
		}
		row = seen.runner
		return t.Update(ctx, &row, "last_seen_at", "last_used_at", "silent_at", "slots")
	})
	if err != nil {
		return nil, fmt.Errorf("claim for runner %s: %w", d.id, err)
	}
	var found []delivery
	err = d.p.store.Read(ctx, func(v View) (err error) {
		found, err = deliveries(ctx, v, given)
		return err
	})
	if err != nil {
		return nil, err
	}
	claims, err := d.p.deliver(ctx, row, found)
	if err != nil || len(claims) == 0 {
		return nil, err
	}
	return &claims[0], nil
}

// unbegun is the first of these attempts that is to be delivered again.
func unbegun(live []AttemptView) []AttemptView {
	for i, attempt := range live {
		if attempt.State == remuda.AttemptClaimed && !attempt.CancelRequested {
			return live[i : i+1]
		}
	}
	return nil
}

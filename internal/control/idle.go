package control

import (
	"context"
	"fmt"
	"time"
)

const (
	// laneLife is for how long a lane stays without live tasks. It is longer than it takes to replace the planes before
	// this version one by one: they repeat a task in the lane that it was in.
	laneLife = 24 * time.Hour
	// idleEvery is how often it is looked for such lanes.
	idleEvery = 10 * time.Minute
)

// retainLanes deletes lanes that have had no live task for long, and groups without lanes: there would be ever more of
// them where each branch is a group.
func (p *Plane) retainLanes(ctx context.Context) error {
	p.kept.mu.Lock()
	due := time.Since(p.kept.lanesAt) >= idleEvery
	if due {
		p.kept.lanesAt = time.Now()
	}
	p.kept.mu.Unlock()
	if !due {
		return nil
	}
	return p.forgetLanes(ctx, laneLife)
}

func (p *Plane) forgetLanes(ctx context.Context, life time.Duration) error {
	if err := p.forgetIdle(ctx, life); err != nil {
		return fmt.Errorf("delete idle lanes: %w", err)
	}
	if err := p.forgetGroups(ctx); err != nil {
		return fmt.Errorf("delete empty groups: %w", err)
	}
	return nil
}

// forgetIdle goes through all idle lanes. Those that are new to it are noted, those that have been idle for long deleted.
func (p *Plane) forgetIdle(ctx context.Context, life time.Duration) error {
	for after := ""; ; {
		var idle []LaneRow
		err := p.store.Read(ctx, func(v View) (err error) {
			idle, err = v.IdleLanes(ctx, after)
			return err
		})
		if err != nil || len(idle) == 0 {
			return err
		}
		after = idle[len(idle)-1].ID
		now := p.now()
		before := now.after(-life)
		var fresh, old []string
		for _, lane := range idle {
			switch {
			case lane.IdleSince == 0:
				fresh = append(fresh, lane.ID)
			case lane.IdleSince < before:
				old = append(old, lane.ID)
			}
		}
		err = p.tidy(ctx, len(fresh)+len(old), func(tx Tx) error {
			if err := tx.RestLanes(ctx, fresh, now); err != nil {
				return err
			}
			return tx.ForgetLanes(ctx, old, before)
		})
		if err != nil {
			return err
		}
	}
}

func (p *Plane) forgetGroups(ctx context.Context) error {
	for after := ""; ; {
		var empty []GroupRow
		err := p.store.Read(ctx, func(v View) (err error) {
			empty, err = v.EmptyGroups(ctx, after)
			return err
		})
		if err != nil || len(empty) == 0 {
			return err
		}
		after = empty[len(empty)-1].ID
		ids := make([]string, len(empty))
		for i, group := range empty {
			ids[i] = group.ID
		}
		err = p.tidy(ctx, len(ids), func(tx Tx) error { return tx.ForgetGroups(ctx, ids) })
		if err != nil {
			return err
		}
	}
}

// tidy changes a few rows while nothing else is written, and then leaves the store to others for as long.
func (p *Plane) tidy(ctx context.Context, rows int, change func(Tx) error) error {
	if rows == 0 {
		return ctx.Err()
	}
	since := time.Now()
	if err := p.store.Write(ctx, Alone, change); err != nil {
		return err
	}
	return breathe(ctx, since)
}

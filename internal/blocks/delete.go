package blocks

import (
	"context"
	"fmt"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// DeleteBlock queues a DESTROY; a purge forgets the block, whatever becomes of what it made. Either way the block stays
// readable.
func (d UserDoor) DeleteBlock(ctx context.Context, id string, purge bool) (remuda.Block, error) {
	err := d.change(ctx, func(t *change) error {
		block, err := d.block(ctx, t.tx, id)
		if err != nil {
			return err
		}
		if !d.user.May(remuda.PermitBlockDelete, block.OrganizationID) {
			return control.Lacks(d.user, remuda.PermitBlockDelete)
		}
		if block.Lifecycle == remuda.LifecycleDeleted {
			return nil
		}
		if err := t.childless(ctx, block); err != nil {
			return err
		}
		s, err := t.r.scene(ctx, t.tx, id)
		if err != nil {
			return err
		}
		return d.deleteBlock(ctx, t, s, purge)
	})
	if err != nil {
		return remuda.Block{}, err
	}
	return d.Block(ctx, id)
}

// childless refuses to delete a block whose outputs others take.
func (t *change) childless(ctx context.Context, block BlockView) error {
	children, err := t.tx.Children(ctx, block.ID)
	if err != nil || len(children) == 0 {
		return err
	}
	child, err := t.tx.BlockView(ctx, children[0])
	if err != nil {
		return err
	}
	return remuda.Fail(remuda.Conflict, fmt.Sprintf("block %s has %s, such as %s (%s), to be deleted first", block.Name, counting(len(children), "child", "children"), child.Name, child.ID))
}

func (d UserDoor) deleteBlock(ctx context.Context, t *change, s *scene, purge bool) error {
	b := &s.block.BlockRow
	purge = purge || s.version.Deletion == remuda.DeletionPurge
	if b.Lifecycle == remuda.LifecycleActive {
		b.DeletionAt, b.DeletionBy = t.Now(), d.user.Name
	}
	b.Lifecycle, b.ForcePurge, b.DriftAt = remuda.LifecycleDeleting, purge, 0
	if err := t.Update(ctx, b, "lifecycle", "force_purge", "deletion_at", "deletion_by", "drift_at"); err != nil {
		return err
	}
	if err := t.stale(ctx, s); err != nil {
		return err
	}
	if err := t.Note(ctx, "block.marked-for-deletion", b.OrganizationID, b.ID, b.Name); err != nil {
		return err
	}
	if purge {
		return t.purge(ctx, s, "purged by "+d.user.Name)
	}
	if b.NextRun != "" {
		var next RunRow
		if err := t.Get(ctx, &next, b.NextRun); err != nil {
			return err
		}
		if next.Behavior == remuda.Destroy {
			return nil
		}
		if err := t.drop(ctx, s, &next, "the block is deleted"); err != nil {
			return err
		}
	}
	if b.LiveRun != "" {
		var live RunRow
		if err := t.Get(ctx, &live, b.LiveRun); err != nil || live.Behavior == remuda.Destroy {
			return err
		}
	}
	if b.RunCount == 0 {
		return t.gone(ctx, s, "it never had a run") // so there is nothing to destroy
	}
	_, err := t.queue(ctx, s, ask{behavior: remuda.Destroy, trigger: remuda.TriggerDeletion, author: d.author()})
	return err
}

// purge forgets a block at once. What its runs do still, they do for nobody.
func (t *change) purge(ctx context.Context, s *scene, detail string) error {
	for _, id := range []string{s.block.NextRun, s.block.LiveRun} {
		if id == "" {
			continue
		}
		var run RunRow
		if err := t.Get(ctx, &run, id); err != nil {
			return err
		}
		if id == s.block.NextRun {
			if err := t.drop(ctx, s, &run, detail); err != nil {
				return err
			}
			continue
		}
		if run.TaskID != "" {
			if err := t.Cancel(ctx, run.TaskID, detail); err != nil {
				return err
			}
		}
	}
	return t.gone(ctx, s, detail)
}

// gone marks a block as deleted.
func (t *change) gone(ctx context.Context, s *scene, detail string) error {
	b := &s.block.BlockRow
	b.Lifecycle, b.DeletedAt, b.Detail, b.Missing = remuda.LifecycleDeleted, t.Now(), detail, ""
	if err := t.Update(ctx, b, "lifecycle", "deleted_at", "detail", "missing"); err != nil {
		return err
	}
	if err := t.forgetTasks(ctx, s); err != nil {
		return err
	}
	return t.Note(ctx, "block.deleted", b.OrganizationID, b.ID, detail)
}

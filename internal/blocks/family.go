package blocks

import (
	"context"
	"fmt"
	"slices"

	"github.com/remuda-dev/remuda"
)

// Bounds of a family.
const (
	mostKin         = 60
	mostGenerations = 5 // above, and below
)

// Kin is one of a block's family. Of one that the caller may not see, nothing is told but that it is there.
type Kin struct {
	ID, Name, Definition string
	Status               remuda.BlockStatus
	Lifecycle            remuda.Lifecycle
	Generation           int      // 0 for the block itself, negative above it, positive below
	Parents              []string // those that are in the family
	Hidden               bool
}

// Family is a block with its parents, their parents and so on, and its children likewise, the block itself first. It is
// cut when there are very many, which more tells.
func (d UserDoor) Family(ctx context.Context, id string) (family []Kin, more bool, err error) {
	err = d.r.look(ctx, func(v View) error {
		row, err := d.block(ctx, v, id)
		if err != nil {
			return err
		}
		family, more = []Kin{d.kin(row, 0)}, false
		for _, way := range []struct {
			step int
			next func(context.Context, string) ([]string, error)
		}{{-1, v.Parents}, {1, v.Children}} {
			if more, err = d.gather(ctx, v, &family, way.step, way.next, more); err != nil {
				return err
			}
		}
		return joinKin(ctx, v, family)
	})
	return family, more, err
}

// gather adds all that are above a block, or below it.
func (d UserDoor) gather(ctx context.Context, v View, family *[]Kin, step int, next func(context.Context, string) ([]string, error), more bool) (bool, error) {
	edge := []string{(*family)[0].ID}
	for generation := 1; len(edge) > 0; generation++ {
		var further []string
		for _, id := range edge {
			ids, err := next(ctx, id)
			if err != nil {
				return more, err
			}
			for _, id := range ids {
				if slices.ContainsFunc(*family, func(k Kin) bool { return k.ID == id }) {
					continue
				}
				if len(*family) == mostKin || generation > mostGenerations {
					return true, nil
				}
				row, err := v.BlockView(ctx, id)
				if err != nil {
					return more, fmt.Errorf("read block %s: %w", id, err)
				}
				*family = append(*family, d.kin(row, generation*step))
				further = append(further, id)
			}
		}
		edge = further
	}
	return more, nil
}

func (d UserDoor) kin(row BlockView, generation int) Kin {
	if !d.seesBlock(row) {
		return Kin{ID: row.ID, Generation: generation, Hidden: true}
	}
	return Kin{ID: row.ID, Name: row.Name, Definition: row.DefinitionName, Status: row.Status, Lifecycle: row.Lifecycle, Generation: generation}
}

// joinKin notes who is whose parent.
func joinKin(ctx context.Context, v View, family []Kin) error {
	for i := range family {
		parents, err := v.Parents(ctx, family[i].ID)
		if err != nil {
			return err
		}
		for _, id := range parents {
			if slices.ContainsFunc(family, func(k Kin) bool { return k.ID == id }) {
				family[i].Parents = append(family[i].Parents, id)
			}
		}
	}
	return nil
}

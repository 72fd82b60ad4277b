package control

import (
	"context"
	"math"
)

// NewestEvent is the id of the last event that was written, whoever may see it: where to begin to follow what happens
// from now on.
func (d UserDoor) NewestEvent(ctx context.Context) (int64, error) {
	read, err := d.events(ctx, EventFilter{After: math.MaxInt64, Limit: 1})
	return read.last, err
}

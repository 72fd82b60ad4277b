package client

import (
	"context"
	"time"

	"github.com/remuda-dev/remuda"
)

// ActivityQuery asks for a span of time in steps. When empty: the last hour, in steps of a minute.
type ActivityQuery struct {
	From, To time.Time
	Step     remuda.Duration
}

func (q ActivityQuery) values() values {
	v := values{}
	if !q.From.IsZero() {
		v.set("from", q.From.UTC().Format(time.RFC3339Nano))
	}
	if !q.To.IsZero() {
		v.set("to", q.To.UTC().Format(time.RFC3339Nano))
	}
	if q.Step != 0 {
		v.set("step", q.Step.String())
	}
	return v
}

// Activity tells what came to an end in each step of a span of time, of the tasks that the caller may see.
func (u *User) Activity(ctx context.Context, q ActivityQuery) ([]remuda.Activity, error) {
	page, err := read[remuda.Page[remuda.Activity]](ctx, u, "/activity", q.values())
	return page.Items, err
}

package main

import (
	"context"
	"errors"

	"github.com/remuda-dev/remuda/internal/bucket"
	"github.com/remuda-dev/remuda/internal/store"
)

// filling is a bucket into which output is brought. A nil one is a bucket that stays as it is.
type filling struct {
	*store.Objects
	bucket *bucket.Bucket
}

// fill begins to bring output into a bucket; end must follow.
func fill(ctx context.Context, address string) (*filling, error) {
	to, err := bucket.Open(ctx, address)
	if err != nil {
		return nil, failure{exitUsage, err}
	}
	return &filling{store.NewObjects(ctx, to), to}, nil
}

// end lets go of the bucket, and takes away what was brought when that is not to stay.
func (f *filling) end(ctx context.Context, stays bool) error {
	if f == nil {
		return nil
	}
	err := f.Wait() // nothing, when it was waited for
	if !stays {
		err = f.Undo(context.WithoutCancel(ctx))
	}
	return errors.Join(err, f.bucket.Close())
}

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/archive"
)

// objectsAtOnce is how many objects are under way: a bucket that is far away answers each of them late.
const objectsAtOnce = 8

// maxObject bounds what an archive may call an object: one holds about a MiB of output.
const maxObject = 64 << 20

// partsTable has a row for each object in the bucket.
func partsTable() archive.Table {
	return archive.Table{Name: "parts", Columns: []archive.Column{{Name: "name", Kind: archive.Text}, {Name: "stored", Kind: archive.Integer}}}
}

// objects tells each object of the bucket that the state speaks of.
func (s *Snapshot) objects(ctx context.Context, each func(name string, size int64) error) error {
	for _, table := range s.Tables {
		if table.Name != partsTable().Name {
			continue
		}
		return s.source.rows(ctx, partsTable(), func(row []any) error {
			name, size := row[0].(string), row[1].(int64)
			if size > maxObject {
				return fmt.Errorf("object %s of output has %d bytes", name, size)
			}
			return each(name, size)
		})
	}
	return nil
}

// object is one on its way out of a bucket.
type object struct {
	name string
	data []byte
	gone bool
}

// eachObject reads all objects of the state, some at once, and hands them on one after the other.
func (s *Snapshot) eachObject(ctx context.Context, from Bucket, take func(object) error) error {
	group, ctx := errgroup.WithContext(ctx)
	line := make(chan chan object, objectsAtOnce)
	group.Go(func() error {
		defer close(line)
		return s.objects(ctx, func(name string, size int64) error {
			here := make(chan object, 1)
			select {
			case line <- here:
			case <-ctx.Done():
				return ctx.Err()
			}
			group.Go(func() error {
				data, err := from.Read(ctx, name, 0, size)
				gone := errors.Is(err, remuda.NotFound)
				if err != nil && !gone {
					return err
				}
				here <- object{name, data, gone}
				return nil
			})
			return nil
		})
	})
	group.Go(func() error {
		for here := range line {
			select {
			case next := <-here:
				if err := take(next); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// WriteOutput writes what the bucket holds of the state into an archive; the answer is how many objects are not there
// any more. It comes before the rows.
func (s *Snapshot) WriteOutput(ctx context.Context, from Bucket, to *archive.Writer, note func(Progress)) (gone int, err error) {
	at := Progress{Doing: "output"}
	err = s.eachObject(ctx, from, func(o object) error {
		if o.gone {
			gone++
			to.OutputGone()
			return nil
		}
		s.moved += int64(len(o.data))
		at.Bytes = s.moved
		note(at)
		return to.Output(o.name, o.data)
	})
	if err != nil {
		return gone, fmt.Errorf("back up output: %w", err)
	}
	return gone, nil
}

// Objects brings objects into a bucket, some at once.
type Objects struct {
	to    Bucket
	group *errgroup.Group
	ctx   context.Context

	mu   sync.Mutex
	made []string
}

// NewObjects begins to fill a bucket. Wait must follow.
func NewObjects(ctx context.Context, to Bucket) *Objects {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(objectsAtOnce)
	return &Objects{to: to, group: group, ctx: within}
}

// Put brings one object. Objects never change, so that one which is there is left alone: it may be another's, too.
func (o *Objects) Put(name string, data []byte) error {
	o.group.Go(func() error {
		_, err := o.to.Read(o.ctx, name, 0, min(1, int64(len(data))))
		if !errors.Is(err, remuda.NotFound) {
			return err
		}
		o.mu.Lock()
		o.made = append(o.made, name)
		o.mu.Unlock()
		return o.to.Put(o.ctx, name, data)
	})
	return o.ctx.Err()
}

// Restore is Put for what comes out of an archive.
func (o *Objects) Restore(name string, size int64, from io.Reader) error {
	if size > maxObject {
		return remuda.Fail(remuda.Invalid, fmt.Sprintf("the backup is damaged: object %s has %d bytes", name, size))
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(from, data); err != nil {
		return err
	}
	return o.Put(name, data)
}

// CopyOutput brings all objects of a state from one bucket into another; the answer is how many are not there any more.
func (o *Objects) CopyOutput(ctx context.Context, from *Snapshot, bucket Bucket) (gone int, err error) {
	return gone, from.eachObject(ctx, bucket, func(next object) error {
		if next.gone {
			gone++
			return nil
		}
		return o.Put(next.name, next.data)
	})
}

// Wait waits until all are there.
func (o *Objects) Wait() error { return o.group.Wait() }

// Undo takes away what was brought, after Wait.
func (o *Objects) Undo(ctx context.Context) error {
	var err error
	for _, name := range o.made {
		err = errors.Join(err, o.to.Delete(ctx, name))
	}
	return err
}

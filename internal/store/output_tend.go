package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/remuda-dev/remuda/internal/control"
)

// Tend moves tails that are full, as after the bucket was away, deletes objects that nothing refers to any more, and
// says whether the bucket can be used. Any number of control planes may do so at once.
func (s *outputs) Tend(ctx context.Context) error {
	if s.bucket == nil {
		return nil
	}
	err := errors.Join(s.probe(ctx), s.moveTails(ctx), s.sweepDoomed(ctx))
	if failed := (bucketError{}); errors.As(err, &failed) {
		return fmt.Errorf("%w: %w", control.ErrBucketAway, err)
	}
	return err
}

// probe tries a bucket that failed, so that its return is found out when nobody writes.
func (s *outputs) probe(ctx context.Context) error {
	if s.outage.now() == nil {
		return nil
	}
	if err := s.outage.admit(); err != nil {
		return err
	}
	return s.put(ctx, "probe", []byte(uuid.NewString()))
}

// mostTails bounds how many attempts one look finds.
const mostTails = 16

func (s *outputs) moveTails(ctx context.Context) error {
	for after := ""; ; {
		var attempts []string
		err := s.db.read(ctx, func(q *query) error {
			text := fmt.Sprintf(`select attempt_id from outputs where tail >= %d and attempt_id > $1 order by attempt_id limit %d`, s.part, mostTails)
			return q.all(&attempts, text, after)
		})
		if err != nil {
			return err
		}
		for _, attempt := range attempts {
			if err := s.moveTail(ctx, attempt); err != nil {
				return fmt.Errorf("move output of attempt %s: %w", attempt, err)
			}
			after = attempt
		}
		if len(attempts) < mostTails {
			return nil
		}
	}
}

// sweepDoomed deletes objects: first the object, then its name, so that one is tried again until it is gone.
func (s *outputs) sweepDoomed(ctx context.Context) error {
	for {
		var names []string
		err := s.db.read(ctx, func(q *query) error {
			return q.all(&names, fmt.Sprintf(`select name from doomed order by name limit %d`, mostDeleted))
		})
		if err != nil || len(names) == 0 {
			return err
		}
		var group errgroup.Group
		group.SetLimit(mostDeletes)
		for _, name := range names {
			group.Go(func() error { return s.deleteObject(ctx, name) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
		err = s.db.write(ctx, func(q *query) error {
			for _, name := range names {
				if _, err := q.exec(`delete from doomed where name = $1`, name); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(names) < mostDeleted {
			return err
		}
	}
}

// mostDeletes is how many objects are deleted at once: a step that floods makes them faster than S3 deletes one by one.
const mostDeletes = 8

// deleteObject deletes one object, or, when the name ends with a slash, all of an attempt's.
func (s *outputs) deleteObject(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	var err error
	if folder, all := strings.CutSuffix(name, "/"); all {
		err = s.bucket.DeleteAll(ctx, folder)
	} else {
		err = s.bucket.Delete(ctx, name)
	}
	if err != nil {
		return bucketError{err}
	}
	return nil
}

// Remove deletes what attempts printed and keeps how much it was, in small transactions.
func (s *outputs) Remove(ctx context.Context, attempts []string) (freed int64, err error) {
	for _, attempt := range attempts {
		bytes, err := s.remove(ctx, attempt)
		if err != nil {
			return freed, fmt.Errorf("remove the output of attempt %s: %w", attempt, err)
		}
		freed += bytes
	}
	return freed, nil
}

func (s *outputs) remove(ctx context.Context, attempt string) (freed int64, err error) {
	for {
		var deleted, held int64
		err := s.db.write(ctx, func(q *query) error {
			_, out, err := q.lockOutput(attempt, 0)
			if err != nil {
				return err
			}
			if out == (outputRow{}) {
				return nil // nobody has written anything
			}
			held = out.Held
			if out.Parted {
				if err := q.doom(attempt + "/"); err != nil {
					return err
				}
			}
			// Nothing of it is to be read from the first of these transactions on, and what is on its way to the bucket does not count.
			out.Moved, out.Kept, out.Tail, out.Held, out.Objects, out.Parted = out.Length, 0, 0, 0, 0, false
			if err := q.keepOutput(attempt, out); err != nil {
				return err
			}
			deleted, err = q.deleteSome(attempt)
			return err
		})
		if err != nil {
			return freed, err
		}
		if freed += held; deleted < mostDeleted {
			return freed, nil
		}
	}
}

// deleteSome deletes rows of chunks and parts of an attempt, and of as many steps; the answer is the most of any.
func (q *query) deleteSome(attempt string) (most int64, err error) {
	for _, text := range [...]string{
		`delete from chunks where attempt_id = $1 and start in (select start from chunks where attempt_id = $1 order by start limit 64)`,
		`delete from parts where attempt_id = $1 and start in (select start from parts where attempt_id = $1 order by start limit 64)`,
		`delete from part_steps where attempt_id = $1 and start in (select start from part_steps where attempt_id = $1 order by start limit 64)`,
	} {
		n, err := q.exec(text, attempt)
		if err != nil {
			return 0, err
		}
		most = max(most, n)
	}
	return most, nil
}

// Forget deletes all that is known of the output of attempts, in small transactions.
func (s *outputs) Forget(ctx context.Context, attempts []string) error {
	if _, err := s.Remove(ctx, attempts); err != nil {
		return err
	}
	for _, attempt := range attempts {
		for deleted := int64(mostDeleted); deleted >= mostDeleted; {
			err := s.db.write(ctx, func(q *query) (err error) {
				deleted, err = q.exec(`delete from streams where attempt_id = $1 and step in
					(select step from streams where attempt_id = $1 order by step limit 64)`, attempt)
				if err == nil && deleted < mostDeleted {
					_, err = q.exec(`delete from outputs where attempt_id = $1`, attempt)
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("forget the output of attempt %s: %w", attempt, err)
			}
		}
	}
	return nil
}

// heldRow is what a page of attempts takes up.
type heldRow struct {
	Attempts int64  `db:"attempts"`
	Last     string `db:"last"`
	Tail     int64  `db:"tail"`
	Bucket   int64  `db:"bucket"`
	Objects  int64  `db:"objects"`
}

// heldPage is how many attempts are counted at once.
const heldPage = 5000

// Held counts what all output takes up, in pages, so that it holds nobody up.
func (s *outputs) Held(ctx context.Context) (total control.OutputHeld, err error) {
	for after := ""; ; {
		var page heldRow
		err := s.db.read(ctx, func(q *query) error {
			return q.one(&page, fmt.Sprintf(`select cast(count(*) as bigint) as attempts, coalesce(max(attempt_id), '') as last, cast(coalesce(sum(tail), 0) as bigint) as tail,
				cast(coalesce(sum(held - tail), 0) as bigint) as bucket, cast(coalesce(sum(objects), 0) as bigint) as objects
				from (select attempt_id, tail, held, objects from outputs where attempt_id > $1 order by attempt_id limit %d) as page`, heldPage), after)
		})
		if err != nil {
			return total, fmt.Errorf("count output: %w", err)
		}
		total.Store += page.Tail
		total.Bucket += page.Bucket
		total.Objects += page.Objects
		after = page.Last
		if page.Attempts < heldPage {
			return total, nil
		}
	}
}

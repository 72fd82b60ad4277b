package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda/internal/bucket"
	"github.com/remuda-dev/remuda/internal/store"
)

// inFolder is how 'move' calls the databases of the data folder.
const inFolder = "sqlite"

func (p *program) adminMove() *cobra.Command {
	var where *placeFlags
	var toBucket string
	c := command(page{
		use: "move TO", short: "Move an installation into another database",
		long: "Move an installation from the databases in its data folder to PostgreSQL, where TO is the address of an empty database; or back, where TO is " + inFolder + ". " +
			"The control plane must be stopped. All rows are there afterwards, compared with what they were, or none.\n\n" +
			"The key stays in the data folder, and output in its bucket, unless --to-bucket names another one, into which it is copied. " +
			"What is left of the old databases is renamed to .moved; of a database of PostgreSQL nothing is changed.",
		example: "remuda admin move --dir /var/lib/remuda postgres://remuda@db.example.com/remuda\n" +
			"remuda admin move --dir /var/lib/remuda --to-bucket 's3://remuda-output?region=eu-central-1' postgres://remuda@db.example.com/remuda\n" +
			"remuda admin move --dir /var/lib/remuda --database postgres://remuda@db.example.com/remuda " + inFolder,
	}, cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		from, err := where.place()
		if err != nil {
			return err
		}
		to := from
		to.database = args[0]
		if args[0] == inFolder {
			to.database = ""
		}
		if toBucket != "" {
			to.bucket = toBucket
		}
		return p.move(ctx, from, to)
	})
	where = p.placeFlags(c)
	c.Flags().StringVar(&toBucket, "to-bucket", "", "copy output into this bucket, too")
	return c
}

func (p *program) move(ctx context.Context, from, to place) (err error) {
	switch {
	case (from.database == "") == (to.database == ""):
		return wrong("the installation is moved from the data folder to postgres://…, or with --database from there to %s: say which", inFolder)
	case to.database != "" && !strings.HasPrefix(to.database, "postgres://") && !strings.HasPrefix(to.database, "postgresql://"):
		return wrong("%q is no address of PostgreSQL: expected postgres://user@host:5432/database, or %s", to.database, inFolder)
	}
	release, err := holdFolder(from.dir)
	if err != nil {
		return failure{exitUsage, err}
	}
	defer func() { err = errors.Join(err, release()) }()
	if _, _, err := from.keyPart(); err != nil {
		return err
	}
	if err := from.stopped(ctx); err != nil {
		return err
	}
	words, err := p.moveRows(ctx, from, to)
	if err != nil {
		return err
	}
	if from.database == "" {
		if err := from.retire(); err != nil {
			return fmt.Errorf("the installation is moved, but its old databases could not be renamed: %w", err)
		}
	}
	fmt.Fprintf(p.stderr, "moved %s\nstart the control plane with %s from now on\n", words, to.flags())
	return nil
}

// stopped refuses a database that control planes use.
func (p place) stopped(ctx context.Context) error {
	if p.database == "" {
		return nil // the lock of the folder says so
	}
	serving, err := store.Serving(ctx, p.database)
	if err != nil {
		return err
	}
	if serving {
		return errors.New("the database is in use by control planes: stop them first")
	}
	return nil
}

// moveRows answers in words what it moved.
func (p *program) moveRows(ctx context.Context, from, to place) (words string, err error) {
	snapshot, err := store.OpenSnapshot(ctx, from.rows())
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	shown := p.progress()
	defer shown.end()
	loading, err := store.BeginLoading(ctx, to.rows(), snapshot.Schema, shown.note)
	if err != nil {
		return "", err
	}
	if err := loading.Copy(ctx, snapshot); err != nil {
		return "", errors.Join(err, loading.Abandon())
	}
	if err := loading.Moved(ctx, from.name()); err != nil {
		return "", errors.Join(err, loading.Abandon())
	}
	target, err := moveOutput(ctx, snapshot, from, to)
	if err != nil {
		return "", errors.Join(err, loading.Abandon(), target.end(ctx, false))
	}
	err = loading.Commit(ctx)
	return shown.amount(), errors.Join(err, target.end(ctx, err == nil))
}

// moveOutput copies the bucket, if there is to be another one.
func moveOutput(ctx context.Context, snapshot *store.Snapshot, from, to place) (*filling, error) {
	if from.bucket == to.bucket {
		return nil, nil
	}
	source, err := bucket.Open(ctx, from.bucket)
	if err != nil {
		return nil, err
	}
	target, err := fill(ctx, to.bucket)
	if err != nil {
		return nil, errors.Join(err, source.Close())
	}
	_, err = target.CopyOutput(ctx, snapshot, source)
	return target, errors.Join(target.Wait(), err, source.Close())
}

// moved is what the name of a database ends with that is not the installation's any more.
const moved = ".moved"

// retire renames the databases of a folder, so that no control plane starts on them by mistake.
func (p place) retire() error {
	for _, name := range []string{"remuda.db", "output.db"} {
		path := filepath.Join(p.dir, name)
		for _, log := range []string{"-wal", "-shm"} { // gone, unless something else has the database open
			if err := os.Rename(path+log, path+moved+log); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if err := os.Rename(path, path+moved); err != nil {
			return err
		}
	}
	return syncNames(p.dir)
}

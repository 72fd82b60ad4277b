package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda/internal/archive"
	"github.com/remuda-dev/remuda/internal/store"
)

func (p *program) adminRestore() *cobra.Command {
	var where *placeFlags
	var key keyFlags
	c := command(page{
		use: "restore FILE", short: "Make an installation of a backup",
		long: "Make an installation of a backup, in an empty place. The backup is read to its end and checked before anything is written; afterwards all rows are compared with it.\n\n" +
			"The installation is as it was at the moment of the backup. All tokens hold. Tasks that waited then are carried out, also those that were carried out since: " +
			"stop the control plane that the backup is of for good. Runners that go on with a task from then keep it; what was claimed later is taken from them.",
		example: "remuda admin restore --dir /srv/remuda --passphrase-file words nightly.tar.zst\n" +
			"remuda admin restore --dir /srv/remuda --key-file remuda.key nightly.tar.zst",
	}, cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		to, err := where.place()
		if err != nil {
			return err
		}
		return p.restore(ctx, args[0], key, to)
	})
	where = p.placeFlags(c)
	key.opening(c)
	return c
}

func (p *program) restore(ctx context.Context, from string, key keyFlags, to place) (err error) {
	file, err := os.Open(from)
	if err != nil {
		return failure{exitUsage, err}
	}
	defer func() { err = errors.Join(err, file.Close()) }()

	var head archive.Head
	var closed []byte
	_, err = archive.Read(file, archive.Contents{
		Head: func(h archive.Head) error { head = h; return nil },
		Key:  func(text []byte) error { closed = text; return nil },
	})
	if err != nil {
		return err
	}
	part, err := p.unseal(key, head, closed)
	if err != nil {
		return err
	}
	release, err := holdFolder(to.dir)
	if err != nil {
		return failure{exitUsage, err}
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := emptyFolder(to.dir, remains(to.dir)...); err != nil {
		return err
	}
	if _, err := file.Seek(0, 0); err != nil {
		return fmt.Errorf("read the backup again: %w", err)
	}
	shown := p.progress()
	err = load(ctx, file, head, part, to, shown)
	shown.end()
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "restored %s, as of %s\nstart the control plane with %s\n", shown.amount(), head.Created.Local().Format(time.DateTime), to.flags())
	return nil
}

// remains are what a restore that was interrupted may have left in a folder; this one takes it away or goes on with it.
func remains(dir string) []string {
	left := []string{keyFile, adminTokenFile, store.Unfinished}
	if _, err := os.Stat(filepath.Join(dir, store.Unfinished)); err == nil {
		left = append(left, "output.db", outputFolder)
	}
	return left
}

// load fills the place, or leaves it as it was.
func load(ctx context.Context, file *os.File, head archive.Head, part archive.KeyPart, to place, shown *progress) error {
	loading, err := store.BeginLoading(ctx, to.rows(), head.Schema, shown.note)
	if err != nil {
		return err
	}
	target, err := fill(ctx, to.bucket)
	if err != nil {
		return errors.Join(err, loading.Abandon())
	}
	err = loading.Restore(ctx, file, archive.Contents{Output: target.Restore})
	err = errors.Join(target.Wait(), err)
	undo := func() {}
	if err == nil {
		undo, err = to.keep(part)
	}
	if err != nil {
		return errors.Join(err, loading.Abandon(), target.end(ctx, false))
	}
	err = loading.Commit(ctx)
	if err != nil {
		undo()
	}
	return errors.Join(err, target.end(ctx, err == nil))
}

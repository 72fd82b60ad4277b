package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda/internal/archive"
	"github.com/remuda-dev/remuda/internal/bucket"
	"github.com/remuda-dev/remuda/internal/store"
)

func (p *program) adminBackup() *cobra.Command {
	var where *placeFlags
	var key keyFlags
	var leaveOutput bool
	c := command(page{
		use: "backup FILE", short: "Write an installation into one file",
		long: "Write an installation into one file, while its control plane goes on: tables, output and key, as they are at one moment. " +
			"FILE is a tar file compressed with Zstandard; - is standard output. It appears whole or not at all, and nothing is overwritten.\n\n" +
			"The key that opens the secrets never lies open in it. A passphrase or a public key of age closes it; or it is written into a file of its own, to be kept elsewhere.",
		example: "remuda admin backup --dir /var/lib/remuda --passphrase-file words nightly.tar.zst\n" +
			"remuda admin backup --dir /var/lib/remuda --recipient age10gfyu4xcw49vh06l9l97w2gxzfgtgp2zdm6keafnjlr23dycvy0q8ht3uy - > nightly.tar.zst\n" +
			"remuda admin backup --dir /var/lib/remuda --key-file remuda.key nightly.tar.zst",
	}, cobra.ExactArgs(1), func(ctx context.Context, args []string) error {
		from, err := where.place()
		if err != nil {
			return err
		}
		return p.backUp(ctx, from, key, leaveOutput, args[0])
	})
	where = p.placeFlags(c)
	key.closing(c)
	c.Flags().BoolVar(&leaveOutput, "leave-output", false, "leave out what lies in the bucket, which must be kept on its own then; the last MiB of each attempt is not there")
	return c
}

func (p *program) backUp(ctx context.Context, from place, key keyFlags, leaveOutput bool, to string) (err error) {
	if to == "-" && p.terminal(p.stdout) {
		return wrong("a backup is not for a terminal: name a file, or send standard output somewhere")
	}
	if to != "-" {
		if err := notThere(to); err != nil {
			return err
		}
	}
	part, id, err := from.keyPart()
	if err != nil {
		return err
	}
	closed, err := p.seal(key, part)
	if err != nil {
		return err
	}
	written, err := p.writeBackup(ctx, from, id, closed, leaveOutput, to)
	if err != nil {
		if key.keyFile != "" {
			err = errors.Join(err, remove(key.keyFile))
		}
		return err
	}
	fmt.Fprintf(p.stderr, "backed up %s\n", written)
	if key.keyFile != "" {
		fmt.Fprintf(p.stderr, "the key is in %s: keep it elsewhere than the backup, which is useless without it\n", key.keyFile)
	}
	return nil
}

// writeBackup answers in words what it wrote.
func (p *program) writeBackup(ctx context.Context, from place, keyID string, closed []byte, leaveOutput bool, to string) (words string, err error) {
	source, err := bucket.Open(ctx, from.bucket)
	if err != nil {
		return "", failure{exitUsage, err}
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	snapshot, err := store.OpenSnapshot(ctx, from.rows())
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	b := backup{
		snapshot: snapshot, closed: closed, shown: p.progress(),
		head: archive.Head{Version: version, Schema: snapshot.Schema, Created: time.Now(), KeyID: keyID, Key: archive.KeyApart},
	}
	if closed != nil {
		b.head.Key = archive.KeySealed
	}
	if !leaveOutput {
		b.output = source
	}
	defer b.shown.end()
	write := func(w io.Writer) error { return b.write(ctx, w) }
	if to == "-" {
		err = write(p.stdout)
	} else {
		err = writeWhole(to, write)
	}
	words = b.shown.amount()
	if b.gone > 0 {
		words += fmt.Sprintf(", without %d parts of output that are not in the bucket any more", b.gone)
	}
	return words, err
}

// backup is one that is being written.
type backup struct {
	snapshot *store.Snapshot
	head     archive.Head
	closed   []byte         // the key; nil when it is kept apart
	output   *bucket.Bucket // nil when what lies in it is left out
	shown    *progress
	gone     int
}

func (b *backup) write(ctx context.Context, to io.Writer) error {
	writer, err := archive.NewWriter(to, b.head)
	if err != nil {
		return err
	}
	if b.closed != nil {
		err = writer.Add(archive.KeyName, b.closed)
	}
	if err == nil && b.output != nil {
		b.gone, err = b.snapshot.WriteOutput(ctx, b.output, writer, b.shown.note)
	}
	if err == nil {
		err = b.snapshot.Write(ctx, writer, b.shown.note)
	}
	if err != nil {
		writer.Abandon()
		return err
	}
	_, err = writer.Close()
	return err
}

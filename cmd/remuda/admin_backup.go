package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda/internal/archive"
	"github.com/remuda-dev/remuda/internal/store"
)

func (p *program) adminBackup() *cobra.Command {
	var where *placeFlags
	var key keyFlags
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
		return p.backUp(ctx, from, key, args[0])
	})
	where = p.placeFlags(c)
	key.closing(c)
	return c
}

func (p *program) backUp(ctx context.Context, from place, key keyFlags, to string) (err error) {
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
	written, err := p.writeBackup(ctx, from, id, closed, to)
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
func (p *program) writeBackup(ctx context.Context, from place, keyID string, closed []byte, to string) (words string, err error) {
	snapshot, err := store.OpenSnapshot(ctx, from.database())
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	head := archive.Head{Version: version, Schema: snapshot.Schema, Created: time.Now(), KeyID: keyID, Key: archive.KeyApart}
	if closed != nil {
		head.Key = archive.KeySealed
	}
	shown := p.progress()
	write := func(w io.Writer) error {
		defer shown.end()
		return writeArchive(ctx, snapshot, head, closed, w, shown.note)
	}
	if to == "-" {
		err = write(p.stdout)
	} else {
		err = writeWhole(to, write)
	}
	return shown.amount(), err
}

func writeArchive(ctx context.Context, from *store.Snapshot, head archive.Head, closed []byte, to io.Writer, note func(store.Progress)) error {
	writer, err := archive.NewWriter(to, head)
	if err != nil {
		return err
	}
	if closed != nil {
		err = writer.Add(archive.KeyName, closed)
	}
	if err == nil {
		err = from.Write(ctx, writer, note)
	}
	if err != nil {
		writer.Abandon()
		return err
	}
	_, err = writer.Close()
	return err
}

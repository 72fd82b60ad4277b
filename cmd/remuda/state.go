package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/secretfile"
)

func (p *program) states() *cobra.Command {
	return group(page{
		use: "state", short: "States: what OpenTofu knows of a block, its versions and its lock",
		example: "remuda state list uploads\nremuda state rollback uploads 3\nremuda state unlock uploads",
	}, p.stateList(), p.stateDownload(), p.stateRollback(), p.stateLock(), p.stateUnlock())
}

func stateColumns() []column[remuda.BlockState] {
	return []column[remuda.BlockState]{
		{name: "number", cell: func(s remuda.BlockState) string { return fmt.Sprint(s.Number) }},
		{name: "current", cell: func(s remuda.BlockState) string { return mark(s.Current, "current") }},
		{name: "serial", cell: func(s remuda.BlockState) string { return fmt.Sprint(s.Serial) }},
		{name: "bytes", cell: func(s remuda.BlockState) string { return fmt.Sprint(s.Size) }},
		{name: "written", cell: func(s remuda.BlockState) string { return ago(s.CreatedAt) }},
		{name: "by", cell: func(s remuda.BlockState) string { return s.CreatedBy }},
		{name: "run", cell: func(s remuda.BlockState) string { return s.Run }},
		{name: "lineage", cell: func(s remuda.BlockState) string { return s.Lineage }},
	}
}

func (p *program) stateList() *cobra.Command {
	var f *format
	c := p.call(page{use: "list BLOCK", aliases: []string{"ls"}, short: "List the versions of a block's state, the newest first", example: "remuda state list uploads"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			id, err := resolve(ctx, "block", args[0], blocksOf(u))
			if err != nil {
				return err
			}
			all, err := client.All(ctx, func(ctx context.Context, q client.PageQuery) (remuda.Page[remuda.BlockState], error) {
				return u.States(ctx, id, q)
			})
			if err != nil {
				return err
			}
			return list(p, *f, all, stateColumns(), "It has no state.")
		})
	f = p.output(c)
	return p.completing(c, namesOf(blocksOf))
}

func (p *program) stateDownload() *cobra.Command {
	var number int
	var to string
	c := p.call(page{
		use: "download BLOCK", short: "Read a version of a block's state",
		long:    "Read a version of a block's state, as OpenTofu wrote it. It holds secrets: the download is written to the events, and --to makes a file that only you may read.",
		example: "remuda state download uploads --to uploads.tfstate\nremuda state download uploads --number 3 > old.tfstate",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		id, err := resolve(ctx, "block", args[0], blocksOf(u))
		if err != nil {
			return err
		}
		if number == 0 {
			if number, err = currentState(ctx, u, id); err != nil {
				return err
			}
		}
		text, err := u.StateText(ctx, id, number)
		if err != nil {
			return err
		}
		defer text.Close()
		if to == "" {
			_, err = io.Copy(p.stdout, text)
			return err
		}
		whole, err := io.ReadAll(text)
		if err != nil {
			return err
		}
		return secretfile.Write(to, whole)
	})
	c.Flags().IntVar(&number, "number", 0, "which version; the current one when 0")
	c.Flags().StringVar(&to, "to", "", "FILE to write; standard output when left out")
	return p.completing(c, namesOf(blocksOf))
}

// currentState is the number of the state that the next run begins with.
func currentState(ctx context.Context, u *client.User, block string) (int, error) {
	page, err := u.States(ctx, block, client.PageQuery{})
	if err != nil {
		return 0, err
	}
	for _, s := range page.Items {
		if s.Current {
			return s.Number, nil
		}
	}
	return 0, remuda.Fail(remuda.NotFound, "the block has no state")
}

func (p *program) stateRollback() *cobra.Command {
	var f *format
	c := p.call(page{
		use: "rollback BLOCK NUMBER", short: "Make an earlier version of a block's state the current one",
		long:    "Make an earlier version of a block's state the current one, as a new version. What is really there stays as it is: plan the block next.",
		example: "remuda state rollback uploads 3",
	}, cobra.ExactArgs(2), func(ctx context.Context, u *client.User, args []string) error {
		number, err := strconv.Atoi(args[1])
		if err != nil {
			return wrong("%s: expected the number of a state; 'remuda state list' names them", args[1])
		}
		id, err := resolve(ctx, "block", args[0], blocksOf(u))
		if err != nil {
			return err
		}
		state, err := u.RollBackState(ctx, id, number)
		if err != nil {
			return err
		}
		return show(p, *f, state, stateColumns())
	})
	f = p.output(c)
	return p.completing(c, namesOf(blocksOf))
}

func lockColumns() []column[remuda.StateLock] {
	return []column[remuda.StateLock]{
		{name: "id", cell: func(l remuda.StateLock) string { return l.ID }},
		{name: "who", cell: func(l remuda.StateLock) string { return l.Who }},
		{name: "for", cell: func(l remuda.StateLock) string { return l.Operation }},
		{name: "since", cell: func(l remuda.StateLock) string { return ago(l.Created) }},
		{name: "info", cell: func(l remuda.StateLock) string { return l.Info }},
	}
}

func (p *program) stateLock() *cobra.Command {
	var f *format
	c := p.call(page{use: "lock BLOCK", short: "Tell who holds the lock on a block's state", example: "remuda state lock uploads"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			id, err := resolve(ctx, "block", args[0], blocksOf(u))
			if err != nil {
				return err
			}
			lock, err := u.StateLock(ctx, id)
			if errors.Is(err, remuda.NotFound) && *f == formatTable {
				fmt.Fprintln(p.stderr, "Nobody holds it.")
				return nil
			}
			if err != nil {
				return err
			}
			return show(p, *f, lock, lockColumns())
		})
	f = p.output(c)
	return p.completing(c, namesOf(blocksOf))
}

func (p *program) stateUnlock() *cobra.Command {
	var lock string
	c := p.call(page{
		use: "unlock BLOCK", short: "Take the lock on a block's state from its holder",
		long:    "Take the lock on a block's state from its holder, when that is gone for good: a run that ends releases its lock by itself. It is written to the events.",
		example: "remuda state unlock uploads",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		id, err := resolve(ctx, "block", args[0], blocksOf(u))
		if err != nil {
			return err
		}
		return u.ForceUnlockState(ctx, id, lock)
	})
	c.Flags().StringVar(&lock, "id", "", "only while it is the lock of this id")
	return p.completing(c, namesOf(blocksOf))
}

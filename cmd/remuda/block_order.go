package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// watchedExits are the exit codes of commands that watch a block until it rests.
const watchedExits = "0 done, or it waits for somebody and says for what, 1 refused, failed or aborted, 2 wrong use, 130 interrupted"

// watchFlags say whether a command waits for what it began.
type watchFlags struct {
	detach bool
	format *format
}

func (p *program) watchFlags(c *cobra.Command) *watchFlags {
	w := &watchFlags{}
	c.Flags().BoolVarP(&w.detach, "detach", "d", false, "do not wait for what becomes of it")
	w.format = p.output(c)
	return w
}

// quiet says that nothing but the answer is printed.
func (w *watchFlags) quiet() bool { return w.detach || *w.format != formatTable }

func (p *program) blockOrder() *cobra.Command {
	var order remuda.Block
	var in *inputFlags
	var w *watchFlags
	var key string
	c := p.call(page{
		use: "order DEFINITION NAME", short: "Order a building block and watch it come about",
		long: "Order a building block and watch it come about. Its run begins as soon as every input has a value; " +
			"until then it waits, and says for what. With --detach, or -o json or yaml, the order is printed and nothing is watched.\n\n" +
			"The first ^C aborts the run and waits for its end, the second leaves at once.",
		example: "remuda block order 'Object storage' uploads --input region=eu-1 --secret password\nremuda block order Cluster demo --input-file demo.yml --parent network --detach",
		exits:   watchedExits, signals: true,
	}, cobra.ExactArgs(2), func(ctx context.Context, u *client.User, args []string) error {
		d, err := p.definition(ctx, u, args[0])
		if err != nil {
			return err
		}
		order.Definition, order.Name = d.ID, args[1]
		known, err := inputsOf(ctx, u, d, order.Version)
		if err != nil {
			return err
		}
		if order.Inputs, err = in.read(p, known); err != nil {
			return err
		}
		if order.Parents, err = p.blockIDs(ctx, u, order.Parents); err != nil {
			return err
		}
		if order.Tenant != "" {
			if order.Tenant, err = resolve(ctx, "tenant", order.Tenant, tenantsOf(u)); err != nil {
				return err
			}
		}
		ordered, err := u.OrderBlock(ctx, order, key)
		if err != nil {
			return err
		}
		return p.began(ctx, u, w, ordered, "")
	})
	in = p.inputFlags(c)
	c.Flags().IntVar(&order.Version, "version", 0, "number of the version; the newest released one when 0")
	c.Flags().StringArrayVar(&order.Parents, "parent", nil, "block whose outputs it takes, or after which it runs; repeat it for several")
	p.completingFlag(c, "parent", namesOf(blocksOf))
	c.Flags().StringVar(&order.Project, "project", "", "project that its runs count for")
	p.completingFlag(c, "project", projectNames)
	c.Flags().StringVar(&order.Tenant, "tenant", "", "tenant that it belongs to, as PROJECT/PLATFORM or by its id")
	p.completingFlag(c, "tenant", namesOf(tenantsOf))
	p.organizationFlag(c, &order.Organization)
	c.Flags().StringVar(&key, "idempotency-key", "", "ordered twice with the same KEY, it is one block")
	w = p.watchFlags(c)
	return p.completing(c, namesOf(definitionsOf))
}

// inputsOf are the inputs of a version; nil when it may not be seen.
func inputsOf(ctx context.Context, u *client.User, d remuda.Definition, number int) (map[string]remuda.Input, error) {
	if number == 0 {
		number = d.Released
	}
	if number == 0 {
		number = d.Latest
	}
	v, err := u.VersionOf(ctx, d.ID, number)
	if errors.Is(err, remuda.NotFound) || errors.Is(err, remuda.Forbidden) {
		return nil, nil
	}
	if v.Inputs == nil {
		v.Inputs = map[string]remuda.Input{}
	}
	return v.Inputs, err
}

func (p *program) blockIDs(ctx context.Context, u *client.User, words []string) ([]string, error) {
	var ids []string
	for _, word := range words {
		id, err := resolve(ctx, "block", word, blocksOf(u))
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (p *program) blockChange() *cobra.Command {
	var c *cobra.Command
	var in *inputFlags
	var w *watchFlags
	var name string
	var number int
	var parents []string
	c = p.call(page{
		use: "change NAME", aliases: []string{"update"}, short: "Change a building block",
		long: "Change a building block. What is not said stays. Another input, parent or version is applied; another name alone is not. " +
			"A --parent replaces all parents; --parent '' leaves none.",
		example: "remuda block change uploads --input region=eu-2\nremuda block change uploads --version 3",
		exits:   watchedExits, signals: true,
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		b, err := p.block(ctx, u, args[0])
		if err != nil {
			return err
		}
		change := remuda.BlockChange{Name: said(c, "name", name), Version: said(c, "version", number)}
		if in.typed() {
			of := b.Version
			if change.Version != nil {
				of = number
			}
			known, err := inputsOf(ctx, u, remuda.Definition{ID: b.Definition}, of)
			if err != nil {
				return err
			}
			if change.Inputs, err = in.read(p, known); err != nil {
				return err
			}
		}
		if c.Flags().Changed("parent") {
			ids, err := p.blockIDs(ctx, u, slices.DeleteFunc(parents, func(word string) bool { return word == "" }))
			if err != nil {
				return err
			}
			ids = append([]string{}, ids...)
			change.Parents = &ids
		}
		if change.Name == nil && change.Version == nil && change.Parents == nil && len(change.Inputs) == 0 {
			return wrong("what shall change? Say --input, --secret, --version, --parent or --name")
		}
		changed, err := u.ChangeBlock(ctx, b.ID, change)
		if err != nil {
			return err
		}
		return p.began(ctx, u, w, changed, "")
	})
	in = p.inputFlags(c)
	c.Flags().StringVar(&name, "name", "", "what people call it")
	c.Flags().IntVar(&number, "version", 0, "another version of its definition, by number")
	c.Flags().StringArrayVar(&parents, "parent", nil, "block whose outputs it takes, or after which it runs; repeat it for several")
	p.completingFlag(c, "parent", namesOf(blocksOf))
	w = p.watchFlags(c)
	return p.completing(c, namesOf(blocksOf))
}

// began shows what was begun with a block: as it stands, or until it rests.
func (p *program) began(ctx context.Context, u *client.User, w *watchFlags, b remuda.Block, run string) error {
	if w.quiet() {
		if *w.format == formatTable {
			fmt.Fprintln(p.stdout, b.ID)
			fmt.Fprintln(p.stderr, p.faint(p.stderr, plain(b.Name+"  "+statusOf(b))))
			return nil
		}
		return p.encode(*w.format, b)
	}
	fmt.Fprintln(p.stdout, p.faint(p.stdout, fmt.Sprintf("● %s  %s v%d  block %s", plain(b.Name), plain(b.DefinitionName), b.Version, b.ID)))
	return p.watchBlock(ctx, u, b, run)
}

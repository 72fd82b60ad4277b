package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// ofFolder are the flags of 'remuda run' that mean something for a folder with a module.
func ofFolder() []string {
	return []string{"local", "dir", "file", "name", "input", "input-file", "secret"}
}

// moduleFolder is the folder that 'remuda run' was given in place of a job file; empty when it is none.
func moduleFolder(flags runFlags, args []string) string {
	name := flags.file
	if len(args) == 1 && name == "" {
		name = args[0]
	}
	if about, err := os.Stat(name); err != nil || !about.IsDir() {
		return ""
	}
	return name
}

// runModule orders a block of the module in a folder, here: it shows the plan, applies it, and prints the outputs.
func (p *program) runModule(ctx context.Context, c *cobra.Command, flags runFlags, dir string) error {
	if !flags.local {
		return wrong("%s is a folder: with --local its module becomes a block here; at a control plane, say 'remuda definition create %s' and then 'remuda block order'", dir, dir)
	}
	var misplaced []string
	c.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(ofFolder(), f.Name) {
			misplaced = append(misplaced, "--"+f.Name)
		}
	})
	if len(misplaced) > 0 {
		return wrong("%s: for jobs, while %s is a folder with a module; leave it out", strings.Join(misplaced, ", "), dir)
	}
	d, err := readModule(dir)
	if err != nil {
		return failure{exitUsage, err}
	}
	d.Organization, d.Version.ResourceClass = localName, localClass
	d.Version.Approval = true // so that the plan is seen before it is applied
	in := &inputFlags{given: flags.inputs, file: flags.inputFile, secrets: &secretFlags{keys: flags.secrets}}
	inputs, err := in.read(p, d.Version.Inputs)
	if err != nil {
		return err
	}
	if flags.name == "" {
		flags.name = d.Name
	}
	return p.locally(ctx, flags.dir, 1, func(x *pair, signals <-chan os.Signal) error {
		err := p.applyModule(ctx, x.user, d, flags.name, inputs, signals)
		var failed failure
		if errors.As(err, &failed) && failed.code == exitFailed {
			p.sayWhereTofuIs(ctx, x.user, flags.name)
		}
		return err
	})
}

// sayWhereTofuIs tells what to set where the runner in this process has no OpenTofu: its own sentence names the flags of
// 'remuda runner'.
func (p *program) sayWhereTofuIs(ctx context.Context, u *client.User, name string) {
	page, err := u.Blocks(ctx, client.BlockFilter{Organization: localName, Name: name}, client.PageQuery{Limit: 1})
	if err == nil && len(page.Items) == 1 && strings.Contains(page.Items[0].Detail, "--tofu-binary-dir") {
		fmt.Fprintf(p.stderr, "remuda: here, set %[1]sBINARY_DIR to a folder with OpenTofu, or %[1]sMIRROR to a mirror of its releases\n", tofuVariables)
	}
}

// applyModule brings definition and block to what the folder and the flags say.
func (p *program) applyModule(ctx context.Context, u *client.User, d shownDefinition, name string, inputs map[string]remuda.Value, signals <-chan os.Signal) error {
	of, err := ensureDefinition(ctx, u, d)
	if err != nil {
		return err
	}
	b, run, err := ensureBlock(ctx, u, of, d.Version.Inputs, name, inputs)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, p.faint(p.stdout, fmt.Sprintf("● %s  %s v%d  on this machine", plain(b.Name), plain(b.DefinitionName), of.Released)))
	w := newBlockWatch(p, u, b, run)
	w.approving = true
	if err := w.until(ctx, signals); err != nil {
		return err
	}
	waiting, err := u.Runs(ctx, client.RunFilter{Block: b.ID, Approval: remuda.ApprovalWaiting}, client.PageQuery{Limit: 1})
	if err != nil || len(waiting.Items) == 0 {
		return err
	}
	next, err := u.ApproveRun(ctx, waiting.Items[0].ID)
	if err != nil {
		return err
	}
	return newBlockWatch(p, u, b, next.ID).until(ctx, signals)
}

// ensureDefinition makes the definition of a folder, or a version of it where the folder says something new.
func ensureDefinition(ctx context.Context, u *client.User, d shownDefinition) (remuda.Definition, error) {
	page, err := u.Definitions(ctx, client.DefinitionFilter{Organization: localName, Search: d.Name}, client.PageQuery{Limit: mostSearched})
	if err != nil {
		return remuda.Definition{}, err
	}
	at := slices.IndexFunc(page.Items, func(one remuda.Definition) bool { return one.Name == d.Name })
	if at < 0 {
		made, err := u.CreateDefinition(ctx, d.Definition)
		if err != nil {
			return made, err
		}
		if err := fillVersion(ctx, u, made, d.Version, true); err != nil {
			return made, errors.Join(err, forget(ctx, u, made.ID))
		}
		return u.Definition(ctx, made.ID)
	}
	known := page.Items[at]
	latest, err := u.VersionOf(ctx, known.ID, known.Latest)
	if err != nil {
		return known, err
	}
	if latest.State == remuda.VersionReleased && saysTheSame(*d.Version, latest) {
		return known, nil
	}
	if err := nextVersion(ctx, u, known, *d.Version, true); err != nil {
		return known, err
	}
	return u.Definition(ctx, known.ID)
}

// saysTheSame compares a version as a folder says it with one that the control plane has completed.
func saysTheSame(file, kept remuda.Version) bool {
	return reflect.DeepEqual(file.Implementation, kept.Implementation) && file.Timeout.Or(kept.Timeout) == kept.Timeout &&
		sameMap(file.Inputs, kept.Inputs) && sameMap(file.Outputs, kept.Outputs)
}

func sameMap[V any](a, b map[string]V) bool {
	return maps.EqualFunc(a, b, func(x, y V) bool { return reflect.DeepEqual(x, y) })
}

// ensureBlock orders the block, or changes the one that there is. The run is empty where what follows is the block's
// own.
func ensureBlock(ctx context.Context, u *client.User, of remuda.Definition, known map[string]remuda.Input, name string, inputs map[string]remuda.Value) (b remuda.Block, run string, err error) {
	page, err := u.Blocks(ctx, client.BlockFilter{Organization: localName, Definition: of.ID, Name: name}, client.PageQuery{})
	if err != nil {
		return b, "", err
	}
	if len(page.Items) == 0 {
		if err := complete(known, inputs); err != nil {
			return b, "", err
		}
		b, err = u.OrderBlock(ctx, remuda.Block{Organization: localName, Definition: of.ID, Name: name, Inputs: inputs}, "")
		return b, "", err
	}
	b = page.Items[0]
	if b.Version != of.Released || len(inputs) > 0 {
		version := of.Released
		changed, err := u.ChangeBlock(ctx, b.ID, remuda.BlockChange{Version: &version, Inputs: inputs})
		if err != nil || moving(changed) {
			return changed, "", err
		}
	}
	again, err := u.RunBlock(ctx, b.ID, remuda.RunRequest{Behavior: remuda.Apply})
	return b, again.ID, err
}

// complete says which inputs are missing, since nobody else will give them.
func complete(known map[string]remuda.Input, given map[string]remuda.Value) error {
	var missing []string
	for _, key := range inputOrder(known) {
		in := known[key]
		if _, is := given[key]; !is && in.Assignment == remuda.AssignUser && in.Default == nil && !in.Optional {
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return wrong("the block needs %s: give it with --input KEY=VALUE, or --secret KEY", strings.Join(missing, ", "))
}

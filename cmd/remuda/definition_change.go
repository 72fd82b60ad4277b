package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// definitionFlags are what create and change have in common.
type definitionFlags struct {
	release bool
	class   string
	owner   string
	secrets *secretFlags
}

func (p *program) definitionFlags(c *cobra.Command) *definitionFlags {
	flags := &definitionFlags{}
	c.Flags().BoolVar(&flags.release, "release", false, "release the version, too: it is frozen, and can be ordered")
	p.classFlag(c, &flags.class, "class of runners that carries out the version, instead of the file's")
	flags.secrets = p.secretFlags(c, "place of the file's version whose secret comes from elsewhere, such as implementation.opentofu.ssh_key")
	return flags
}

// read reads the file with what was typed beside it.
func (p *program) readWith(name string, flags *definitionFlags) (shownDefinition, error) {
	d, err := p.readDefinition(name)
	if err != nil {
		return d, failure{exitUsage, err}
	}
	override(&d.Organization, flags.owner)
	secrets, err := flags.secrets.read(p)
	if err != nil {
		return d, err
	}
	if d.Version == nil && (flags.class != "" || len(secrets) > 0) {
		return d, wrong("the file %s says nothing of a version, so --resource-class and --secret have no place", name)
	}
	if d.Version == nil {
		return d, nil
	}
	override(&d.Version.ResourceClass, flags.class)
	for place, secret := range secrets {
		if err := placeSecret(d.Version, place, secret); err != nil {
			return d, err
		}
	}
	return d, nil
}

const definitionFileText = "FILE is YAML or JSON in the shape of the API: what a definition says, and in the member version what its version says; " +
	"'remuda definition show -o yaml' prints one. A folder with an OpenTofu module and a file block.yml of that shape will do as well: " +
	"then the module's files become part of the version."

func (p *program) definitionCreate() *cobra.Command {
	var f *format
	var flags *definitionFlags
	c := p.call(page{
		use: "create FILE", short: "Make a definition, with its version 1",
		long:    "Make a definition, with its version 1: a draft, unless --release is said. " + definitionFileText,
		example: "remuda definition create examples/block --release --resource-class acme/linux\nremuda definition create storage.yml --secret implementation.opentofu.ssh_key",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		file, err := p.readWith(args[0], flags)
		if err != nil {
			return err
		}
		made, err := u.CreateDefinition(ctx, file.Definition)
		if err != nil {
			return err
		}
		if err := fillVersion(ctx, u, made, file.Version, flags.release); err != nil {
			return errors.Join(err, forget(ctx, u, made.ID))
		}
		return p.showDefinition(ctx, u, *f, made.ID)
	})
	flags = p.definitionFlags(c)
	p.organizationFlag(c, &flags.owner)
	f = p.output(c)
	return c
}

// fillVersion says what the draft of a new definition is.
func fillVersion(ctx context.Context, u *client.User, d remuda.Definition, v *remuda.Version, release bool) error {
	if v == nil {
		return nil
	}
	filled, err := u.ChangeVersion(ctx, d.ID, max(1, d.Latest), *v)
	if err != nil || !release {
		return err
	}
	_, err = u.ReleaseVersion(ctx, d.ID, filled.Number)
	return err
}

// forget deletes a definition whose version was refused, so that the mended file can be sent again.
func forget(ctx context.Context, u *client.User, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return u.DeleteDefinition(ctx, id)
}

func (p *program) showDefinition(ctx context.Context, u *client.User, f format, id string) error {
	d, err := u.Definition(ctx, id)
	if err != nil {
		return err
	}
	return show(p, f, d, definitionColumns())
}

func (p *program) definitionChange() *cobra.Command {
	var f *format
	var flags *definitionFlags
	c := p.call(page{
		use: "change NAME FILE", aliases: []string{"update"}, short: "Change a definition and its draft, or make the next version",
		long: "Change a definition to what FILE says. When FILE says a version, the newest one becomes that if it is a draft; " +
			"a released one is frozen, so then the next version is made. " + definitionFileText,
		example: "remuda definition change 'Object storage' storage.yml\nremuda definition change 'Object storage' module/ --release",
	}, cobra.ExactArgs(2), func(ctx context.Context, u *client.User, args []string) error {
		d, err := p.definition(ctx, u, args[0])
		if err != nil {
			return err
		}
		file, err := p.readWith(args[1], flags)
		if err != nil {
			return err
		}
		if _, err := u.ChangeDefinition(ctx, d.ID, file.Definition); err != nil {
			return err
		}
		if file.Version != nil {
			if err := nextVersion(ctx, u, d, *file.Version, flags.release); err != nil {
				return err
			}
		}
		return p.showDefinition(ctx, u, *f, d.ID)
	})
	flags = p.definitionFlags(c)
	f = p.output(c)
	return p.completing(c, namesOf(definitionsOf))
}

// nextVersion changes the draft, or makes one where the newest version is released.
func nextVersion(ctx context.Context, u *client.User, d remuda.Definition, v remuda.Version, release bool) error {
	latest, err := u.VersionOf(ctx, d.ID, d.Latest)
	if err != nil {
		return err
	}
	var next remuda.Version
	if latest.State == remuda.VersionDraft {
		next, err = u.ChangeVersion(ctx, d.ID, d.Latest, v)
	} else {
		next, err = u.CreateVersion(ctx, d.ID, v)
	}
	if err != nil || !release {
		return err
	}
	_, err = u.ReleaseVersion(ctx, d.ID, next.Number)
	return err
}

func (p *program) definitionRelease() *cobra.Command {
	var f *format
	var number int
	c := p.call(page{
		use: "release NAME", short: "Release a draft",
		long:    "Release a draft: the newest version, or the one that --version names. It is frozen from then on, and new orders are of it.",
		example: "remuda definition release 'Object storage'",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		d, err := p.definition(ctx, u, args[0])
		if err != nil {
			return err
		}
		if _, err := u.ReleaseVersion(ctx, d.ID, newest(number, d)); err != nil {
			return err
		}
		return p.showDefinition(ctx, u, *f, d.ID)
	})
	c.Flags().IntVar(&number, "version", 0, "number of the version; the newest when 0")
	f = p.output(c)
	return p.completing(c, namesOf(definitionsOf))
}

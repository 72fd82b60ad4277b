package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func (p *program) namespaces() *cobra.Command {
	return group(page{
		use: "namespace", aliases: []string{"ns"}, short: "Namespaces, the first half of resource classes' names",
		long: "Namespaces, the first half of resource classes' names. Each is unique, belongs to one organization, and never changes for its users; " +
			"an administrator of the instance may transfer or rename one, which is written down.",
		example: "remuda namespace create --org acme\nremuda namespace list",
	}, p.namespaceList(), p.namespaceShow(), p.namespaceCreate(), p.namespaceTransfer(), p.namespaceRename(), p.namespaceDelete())
}

func namespaceColumns() []column[remuda.Namespace] {
	return []column[remuda.Namespace]{
		{name: "name", cell: func(n remuda.Namespace) string { return n.Name }},
		{name: "organization", cell: func(n remuda.Namespace) string { return n.Organization }},
		{name: "created", cell: func(n remuda.Namespace) string { return ago(n.CreatedAt) }},
	}
}

func (p *program) namespaceList() *cobra.Command {
	var f *format
	c := p.call(page{use: "list", aliases: []string{"ls"}, short: "List the namespaces that you may see", example: "remuda namespace list"},
		cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
			all, err := client.All(ctx, u.Namespaces)
			if err != nil {
				return err
			}
			return list(p, *f, all, namespaceColumns(), "There is no namespace yet; claim one with 'remuda namespace create --org ORGANIZATION'.")
		})
	f = p.output(c)
	return c
}

func (p *program) namespaceShow() *cobra.Command {
	var f *format
	c := p.call(page{use: "show NAME", short: "Show one namespace", example: "remuda namespace show acme"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			n, err := u.Namespace(ctx, args[0])
			if err != nil {
				return err
			}
			return show(p, *f, n, namespaceColumns())
		})
	f = p.output(c)
	return p.completing(c, namespaceNames)
}

func (p *program) namespaceCreate() *cobra.Command {
	var f *format
	var organization string
	c := p.call(page{
		use: "create [NAME]", short: "Claim an organization's one namespace",
		long:    "Claim an organization's one namespace. Without NAME it is the suggested one: the organization's name on its version control host, in lower case.",
		example: "remuda namespace create --org acme\nremuda namespace create acme-inc --org acme",
	}, cobra.MaximumNArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		organization, err := ownOrganization(ctx, u, organization)
		if err != nil {
			return err
		}
		name := strings.Join(args, "")
		if name == "" {
			if name, err = u.SuggestNamespace(ctx, organization); err != nil {
				return err
			}
		}
		n, err := u.ClaimNamespace(ctx, organization, name)
		if err != nil {
			return err
		}
		return show(p, *f, n, namespaceColumns())
	})
	p.organizationFlag(c, &organization)
	f = p.output(c)
	return c
}

func (p *program) namespaceTransfer() *cobra.Command {
	var f *format
	var to string
	c := p.call(page{use: "transfer NAME", short: "Give a namespace to another organization (administrators)", example: "remuda namespace transfer acme --to acme-two"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			n, err := u.TransferNamespace(ctx, args[0], to)
			if err != nil {
				return err
			}
			return show(p, *f, n, namespaceColumns())
		})
	c.Flags().StringVar(&to, "to", "", "organization that gets it")
	_ = c.MarkFlagRequired("to")
	f = p.output(c)
	return p.completing(c, namespaceNames)
}

func (p *program) namespaceRename() *cobra.Command {
	var f *format
	var to string
	c := p.call(page{use: "rename NAME", short: "Give a namespace another name (administrators)", example: "remuda namespace rename acme --to acme-inc"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			n, err := u.RenameNamespace(ctx, args[0], to)
			if err != nil {
				return err
			}
			return show(p, *f, n, namespaceColumns())
		})
	c.Flags().StringVar(&to, "to", "", "the new name")
	_ = c.MarkFlagRequired("to")
	f = p.output(c)
	return p.completing(c, namespaceNames)
}

func (p *program) namespaceDelete() *cobra.Command {
	c := p.call(page{use: "delete NAME", aliases: []string{"rm"}, short: "Delete a namespace that has no resource classes", example: "remuda namespace delete acme"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			return u.DeleteNamespace(ctx, args[0])
		})
	return p.completing(c, namespaceNames)
}

// organizationFlag adds --org.
func (p *program) organizationFlag(c *cobra.Command, into *string) {
	c.Flags().StringVar(into, "org", "", "organization; the token's own when left out")
	p.completingFlag(c, "org", organizationNames)
}

// ownOrganization is the one that was named, or the token's, or the only one there is.
func ownOrganization(ctx context.Context, u *client.User, named string) (string, error) {
	if named != "" {
		return named, nil
	}
	who, err := u.WhoAmI(ctx)
	if err != nil {
		return "", err
	}
	if who.Organization != "" {
		return who.Organization, nil
	}
	some, err := u.Organizations(ctx, client.PageQuery{Limit: 2})
	if err != nil {
		return "", err
	}
	if len(some.Items) == 1 {
		return some.Items[0].Name, nil
	}
	return "", wrong("which organization? Say --org NAME; 'remuda org list' names them")
}

package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/yaml"
)

func (p *program) integrations() *cobra.Command {
	return group(page{
		use: "integration", short: "Integrations: other platforms whose pipelines carry out runs",
		example: "remuda integration create github.yml --secret credential\nremuda integration list",
	}, p.integrationList(), p.integrationShow(), p.integrationCreate(), p.integrationChange(), p.integrationDelete())
}

func integrationColumns() []column[remuda.Integration] {
	return []column[remuda.Integration]{
		{name: "id", cell: func(i remuda.Integration) string { return i.ID }},
		{name: "name", cell: func(i remuda.Integration) string { return i.Name }},
		{name: "type", cell: func(i remuda.Integration) string { return i.Type }},
		{name: "url", cell: func(i remuda.Integration) string { return i.URL }},
		{name: "owner", cell: func(i remuda.Integration) string { return i.Owner }},
		{name: "class", cell: func(i remuda.Integration) string { return i.ResourceClass }},
		{name: "organization", cell: func(i remuda.Integration) string { return i.Organization }},
		{name: "created", cell: func(i remuda.Integration) string { return ago(i.CreatedAt) }},
	}
}

func (p *program) integrationList() *cobra.Command {
	var f *format
	var organization string
	c := p.call(page{use: "list", aliases: []string{"ls"}, short: "List integrations", example: "remuda integration list"},
		cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
			all, err := client.All(ctx, func(ctx context.Context, q client.PageQuery) (remuda.Page[remuda.Integration], error) {
				return u.Integrations(ctx, organization, q)
			})
			if err != nil {
				return err
			}
			return list(p, *f, all, integrationColumns(), "There is no integration; make one with 'remuda integration create FILE'.")
		})
	p.organizationFlag(c, &organization)
	f = p.output(c)
	return c
}

func (p *program) integrationShow() *cobra.Command {
	var f *format
	c := p.call(page{use: "show NAME", short: "Show one integration", example: "remuda integration show GitHub"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			id, err := resolve(ctx, "integration", args[0], integrationsOf(u))
			if err != nil {
				return err
			}
			i, err := u.Integration(ctx, id)
			if err != nil {
				return err
			}
			return show(p, *f, i, integrationColumns())
		})
	f = p.output(c)
	return p.completing(c, namesOf(integrationsOf))
}

// readIntegration reads a file in the shape of the API, and its credential from elsewhere.
func (p *program) readIntegration(name string, secrets *secretFlags) (remuda.Integration, error) {
	var i remuda.Integration
	data, err := os.ReadFile(name)
	if err == nil {
		err = yaml.Decode(name, data, &i)
	}
	if err != nil {
		return i, failure{exitUsage, err}
	}
	given, err := secrets.read(p)
	if err != nil {
		return i, err
	}
	for key, secret := range given {
		if key != "credential" {
			return i, wrong("--secret %s: an integration has one secret, credential", key)
		}
		i.Credential = &remuda.Value{Secret: &secret}
	}
	return i, nil
}

const integrationFileText = "FILE is YAML or JSON in the shape of the API: name, type (github, gitlab or azuredevops), url, owner, app_id, resource_class. The credential comes by --secret credential."

func (p *program) integrationCreate() *cobra.Command {
	var f *format
	var secrets *secretFlags
	c := p.call(page{
		use: "create FILE", short: "Make an integration", long: "Make an integration. " + integrationFileText,
		example: "remuda integration create github.yml --secret-file credential=app.pem",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		i, err := p.readIntegration(args[0], secrets)
		if err != nil {
			return err
		}
		made, err := u.CreateIntegration(ctx, i)
		if err != nil {
			return err
		}
		return show(p, *f, made, integrationColumns())
	})
	secrets = p.secretFlags(c, "credential")
	f = p.output(c)
	return c
}

func (p *program) integrationChange() *cobra.Command {
	var f *format
	var secrets *secretFlags
	c := p.call(page{
		use: "change NAME FILE", aliases: []string{"update"}, short: "Change an integration",
		long:    "Change an integration to what FILE says; a credential that is not given stays. " + integrationFileText,
		example: "remuda integration change GitHub github.yml",
	}, cobra.ExactArgs(2), func(ctx context.Context, u *client.User, args []string) error {
		id, err := resolve(ctx, "integration", args[0], integrationsOf(u))
		if err != nil {
			return err
		}
		i, err := p.readIntegration(args[1], secrets)
		if err != nil {
			return err
		}
		changed, err := u.ChangeIntegration(ctx, id, i)
		if err != nil {
			return err
		}
		return show(p, *f, changed, integrationColumns())
	})
	secrets = p.secretFlags(c, "credential")
	f = p.output(c)
	return p.completing(c, namesOf(integrationsOf))
}

func (p *program) integrationDelete() *cobra.Command {
	c := p.call(page{
		use: "delete NAME", aliases: []string{"rm"}, short: "Delete an integration that no version names", example: "remuda integration delete GitHub",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		id, err := resolve(ctx, "integration", args[0], integrationsOf(u))
		if err != nil {
			return err
		}
		if err := u.DeleteIntegration(ctx, id); err != nil {
			return fmt.Errorf("delete integration %s: %w", args[0], err)
		}
		return nil
	})
	return p.completing(c, namesOf(integrationsOf))
}

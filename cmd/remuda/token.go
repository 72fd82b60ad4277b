package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func (p *program) tokens() *cobra.Command {
	return group(page{
		use: "token", short: "Tokens, by which runners register and people and programs act",
		example: "remuda token create --resource-class acme/linux first-host\nremuda token create --org acme --role member ci\nremuda token list",
	}, p.tokenList(), p.tokenCreate(), p.tokenRevoke())
}

func tokenColumns() []column[remuda.Token] {
	return []column[remuda.Token]{
		{name: "id", cell: func(t remuda.Token) string { return t.ID }},
		{name: "nickname", cell: func(t remuda.Token) string { return t.Nickname }},
		{name: "kind", cell: func(t remuda.Token) string { return string(t.Kind) }},
		{name: "for", cell: tokenFor},
		{name: "last used", cell: func(t remuda.Token) string {
			if t.LastUsedAt == nil {
				return "never"
			}
			return agoOf(t.LastUsedAt)
		}},
		{name: "use", cell: tokenUse},
		{name: "created", cell: func(t remuda.Token) string { return ago(t.CreatedAt) }},
		{name: "by", cell: func(t remuda.Token) string { return t.CreatedBy }},
	}
}

func tokenFor(t remuda.Token) string {
	switch t.Kind {
	case remuda.ClassToken:
		return t.ResourceClass
	case remuda.OrganizationToken:
		return t.Organization + " as " + string(t.Role)
	case remuda.APIKey:
		return fmt.Sprintf("%s with %d permissions", t.Organization, len(t.Permissions))
	}
	return "the instance"
}

// tokenUse is what is left to do with a token.
func tokenUse(t remuda.Token) string {
	switch {
	case t.UsedAt != nil:
		return "used by runner " + t.UsedBy
	case t.ExpiresAt != nil && time.Until(*t.ExpiresAt) <= 0:
		return "expired"
	case t.SingleUse && t.ExpiresAt != nil:
		return "once, within " + short(time.Until(*t.ExpiresAt))
	case t.SingleUse:
		return "once"
	case t.ExpiresAt != nil:
		return "for " + short(time.Until(*t.ExpiresAt))
	}
	return "any"
}

func (p *program) tokenList() *cobra.Command {
	var f *format
	var filter client.TokenFilter
	c := p.call(page{use: "list", aliases: []string{"ls"}, short: "List tokens, without their secrets", example: "remuda token list --resource-class acme/linux"},
		cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
			all, err := client.All(ctx, func(ctx context.Context, q client.PageQuery) (remuda.Page[remuda.Token], error) {
				return u.Tokens(ctx, filter, q)
			})
			if err != nil {
				return err
			}
			return list(p, *f, all, tokenColumns(), "There is no token that you may see.")
		})
	p.classFlag(c, &filter.ResourceClass, "only those of this class")
	c.Flags().StringVar(&filter.Organization, "org", "", "only those of this organization")
	p.completingFlag(c, "org", organizationNames)
	c.Flags().StringVar((*string)(&filter.Kind), "kind", "", "only these: class, organization, admin or api-key")
	_ = c.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions([]string{"class", "organization", "admin", "api-key"}, cobra.ShellCompDirectiveNoFileComp))
	f = p.output(c)
	return c
}

// classFlag adds --resource-class.
func (p *program) classFlag(c *cobra.Command, into *string, help string) {
	c.Flags().StringVar(into, "resource-class", "", help)
	p.completingFlag(c, "resource-class", classNames)
}

func (p *program) tokenCreate() *cobra.Command {
	var f *format
	var t remuda.Token
	var admin bool
	var permissions []string
	var expires remuda.Duration
	c := p.call(page{
		use: "create NICKNAME", short: "Make a token and show its secret, once",
		long: "Make a token and show its secret, once: nobody can read it later. With --resource-class it lets runners register for that class; " +
			"with --org it acts for a person or program in that organization, by --role; with --admin for the instance's administrator. " +
			"With --permission it is an API key: it acts for a program in the organization of --org, and does what its permissions say and nothing else.\n\n" +
			"A class token that is --single-use registers one runner, once, and that runner goes on for as long as the token is not deleted: for machines that are started when there is work. " +
			"One that --expires registers nobody after that; an API key that --expires opens nothing after that. The id of an API key is its client id, its secret the client secret.\n\n" +
			"The secret alone goes to standard output, so that it can be written to a file.",
		example: "remuda token create --resource-class acme/linux first-host > class-token\nremuda token create --resource-class acme/linux --single-use --expires 1h vm-17\nremuda token create --org acme --role viewer dashboard\nremuda token create --org acme --permission BUILDINGBLOCK_LIST,BUILDINGBLOCK_SAVE terraform",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		t.Nickname = args[0]
		kinds := map[remuda.TokenKind]bool{
			remuda.ClassToken: t.ResourceClass != "", remuda.OrganizationToken: t.Organization != "" && len(permissions) == 0,
			remuda.AdminToken: admin, remuda.APIKey: len(permissions) > 0,
		}
		for kind, meant := range kinds {
			if meant && t.Kind != "" {
				return wrong("a token is for one of --resource-class, --org (with --role or with --permission) and --admin")
			}
			if meant {
				t.Kind = kind
			}
		}
		if t.Kind == "" {
			return wrong("say what the token is for: --resource-class, --org, --permission or --admin")
		}
		if t.Kind != remuda.OrganizationToken {
			t.Role = ""
		}
		t.Permissions = permissions
		if expires > 0 {
			at := time.Now().Add(expires.Std())
			t.ExpiresAt = &at
		}
		made, err := u.CreateToken(ctx, t)
		if err != nil {
			return err
		}
		if *f != formatTable {
			return p.encode(*f, made)
		}
		if made.Kind == remuda.APIKey {
			fmt.Fprintf(p.stderr, "API key %s for %s, with the client id %s; its secret is shown this once:\n", plain(made.Nickname), tokenFor(made), made.ID)
		} else {
			fmt.Fprintf(p.stderr, "%s token %s for %s; it is shown this once:\n", made.Kind, plain(made.Nickname), tokenFor(made))
		}
		fmt.Fprintln(p.stdout, made.Token)
		return nil
	})
	p.classFlag(c, &t.ResourceClass, "class that runners register for with it")
	c.Flags().BoolVar(&t.SingleUse, "single-use", false, "it registers one runner, once")
	durationFlag(c.Flags(), &expires, "expires", "it registers nobody, or opens nothing, after so long, such as 1h; never when left out")
	c.Flags().StringVar(&t.Organization, "org", "", "organization that it acts in")
	p.completingFlag(c, "org", organizationNames)
	c.Flags().StringVar((*string)(&t.Role), "role", string(remuda.RoleMember), "what it may do there: viewer reads, member submits and cancels, admin manages")
	_ = c.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"viewer", "member", "admin"}, cobra.ShellCompDirectiveNoFileComp))
	c.Flags().StringSliceVar(&permissions, "permission", nil, "of an API key, what it may do, such as BUILDINGBLOCK_LIST; several with commas")
	_ = c.RegisterFlagCompletionFunc("permission", cobra.FixedCompletions(remuda.Permissions(), cobra.ShellCompDirectiveNoFileComp))
	c.Flags().BoolVar(&admin, "admin", false, "it acts for the instance's administrator")
	f = p.output(c)
	return c
}

func (p *program) tokenRevoke() *cobra.Command {
	c := p.call(page{
		use: "delete ID", aliases: []string{"revoke", "rm"}, short: "Revoke a token",
		long:    "Revoke a token. Runners that registered with a class token get nothing new for that class, and finish what they have.",
		example: "remuda token delete 01890a5d-ac96-774b-bcce-b302099a8057",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		return u.RevokeToken(ctx, args[0])
	})
	return p.completing(c, tokenIDs)
}

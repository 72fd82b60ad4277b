package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server"
)

func (p *program) loginCommand() *cobra.Command {
	var l *connection
	var class string
	c := command(page{
		use: "login", short: "Remember a control plane and a token",
		long: "Remember a control plane and a token in the context file, which its owner alone may read " +
			"($REMUDA_CONTEXT, else remuda/context.yml in the user's configuration). The token is read from --token-file, or from standard input.",
		example: "remuda login --url https://remuda.example.com --token-file token\nremuda login --url https://remuda.example.com < token",
	}, cobra.NoArgs, func(ctx context.Context, _ []string) error {
		if err := l.settings.load(); err != nil {
			return err
		}
		if l.URL == "" {
			return wrong("which control plane? Give --url")
		}
		if l.TokenFile == "" && l.Token.Reveal() == "" {
			if p.terminal(p.stderr) {
				fmt.Fprint(p.stderr, "token: ")
			}
			line, err := bufio.NewReader(p.stdin).ReadString('\n')
			if line = strings.TrimSpace(line); line == "" {
				return wrong("no token came on standard input: %w", err)
			}
			l.Token = remuda.NewSecret(line)
		}
		u, err := l.user()
		if err != nil {
			return err
		}
		who, err := u.WhoAmI(ctx)
		if err != nil {
			return err
		}
		token, err := l.token()
		if err != nil {
			return failure{exitUsage, err}
		}
		path, err := p.writeContext(contextFile{URL: l.URL, Token: token, CAFile: l.CAFile, ResourceClass: class})
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "%s is remembered in %s; you are %s there\n", l.URL, path, plain(whoSentence(who.Name, who.Organization, who.Role, who.Admin)))
		return nil
	})
	p.classFlag(c, &class, "class for jobs that name none")
	l = p.connection(c)
	return c
}

func whoSentence(name, organization string, role remuda.Role, admin bool) string {
	if admin {
		return name + ", an administrator"
	}
	return fmt.Sprintf("%s, %s of %s", name, role, organization)
}

func (p *program) whoamiCommand() *cobra.Command {
	var f *format
	var l *connection
	c := command(page{use: "whoami", short: "Show who the token acts as", example: "remuda whoami"}, cobra.NoArgs, func(ctx context.Context, _ []string) error {
		u, err := l.user()
		if err != nil {
			return err
		}
		who, err := u.WhoAmI(ctx)
		if err != nil {
			return err
		}
		if *f != formatTable {
			return p.encode(*f, who)
		}
		fmt.Fprintf(p.stdout, "%s, at %s\n", plain(whoSentence(who.Name, who.Organization, who.Role, who.Admin)), l.URL)
		return nil
	})
	l = p.connection(c)
	f = p.output(c)
	return c
}

func (p *program) openapiCommand() *cobra.Command {
	return command(page{
		use: "openapi", short: "Print the OpenAPI document of the native API", example: "remuda openapi > openapi.yaml",
	}, cobra.NoArgs, func(context.Context, []string) error {
		text, err := server.OpenAPI()
		if err != nil {
			return err
		}
		_, err = p.stdout.Write(text)
		return err
	})
}

func (p *program) versionCommand() *cobra.Command {
	return command(page{
		use: "version", short: "Print the version of this program", example: "remuda version",
	}, cobra.NoArgs, func(context.Context, []string) error {
		_, err := fmt.Fprintln(p.stdout, version)
		return err
	})
}

package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// connectionSettings say how a command reaches the control plane.
type connectionSettings struct {
	URL       string        `yaml:"url" flag:"url" help:"address of the control plane"`
	Token     remuda.Secret `yaml:"token" flag:"token" help:"organization or admin token; a file is safer, since other users see arguments"`
	TokenFile string        `yaml:"token_file" flag:"token-file" help:"file that holds the token"`
	CAFile    string        `yaml:"ca_file" flag:"ca-file" help:"certificates to trust beside the system's, PEM"`
	CertFile  string        `yaml:"client_cert" flag:"client-cert" help:"client certificate, PEM"`
	KeyFile   string        `yaml:"client_key" flag:"client-key" help:"key of the client certificate, PEM"`
	Insecure  bool          `yaml:"insecure" flag:"insecure" help:"allow tokens over plain http to another machine"`
}

// connection is how one command reaches the control plane.
type connection struct {
	connectionSettings
	program  *program
	settings *settings
	context  contextFile
}

// connection gives a command the flags that all have which talk to the control plane.
func (p *program) connection(c *cobra.Command) *connection {
	l := &connection{program: p}
	l.settings = p.settings(c, &l.connectionSettings, "REMUDA_")
	return l
}

// user opens the door for people. What flags and environment do not say comes from the context.
func (l *connection) user() (*client.User, error) {
	if err := l.settings.load(); err != nil {
		return nil, err
	}
	kept, err := l.program.readContext()
	if err != nil {
		return nil, failure{exitUsage, err}
	}
	if l.URL == "" {
		l.URL = kept.URL
	}
	if l.URL == "" {
		return nil, wrong("which control plane? Give --url or REMUDA_URL, keep one with 'remuda login', or start one with 'remuda up'")
	}
	// The token that is kept goes to the address that it is kept for, and nowhere else.
	if l.URL == kept.URL {
		l.context = kept
		if l.CAFile == "" {
			l.CAFile = kept.CAFile
		}
	}
	token, err := l.token()
	if err != nil {
		return nil, failure{exitUsage, err}
	}
	c, err := client.New(l.URL, l.options())
	if err != nil {
		return nil, failure{exitUsage, err}
	}
	return c.User(token), nil
}

func (l *connection) token() (string, error) {
	switch {
	case l.TokenFile != "":
		return readToken(l.TokenFile)
	case l.Token.Reveal() != "":
		return l.Token.Reveal(), nil
	}
	return l.context.Token, nil
}

func (l *connection) options() client.Options {
	return client.Options{
		UserAgent: userAgent(),
		CAFile:    l.CAFile, CertFile: l.CertFile, KeyFile: l.KeyFile, Insecure: l.Insecure,
	}
}

func userAgent() string { return "remuda/" + version }

// readToken reads a file that holds a token alone.
func readToken(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("the file %s holds no token, or more than that", path)
	}
	return token, nil
}

// call is a command that asks the control plane one thing.
func (p *program) call(about page, args cobra.PositionalArgs, ask func(ctx context.Context, u *client.User, args []string) error) *cobra.Command {
	var l *connection
	c := command(about, args, func(ctx context.Context, args []string) error {
		u, err := l.user()
		if err != nil {
			return err
		}
		return ask(ctx, u, args)
	})
	l = p.connection(c)
	return c
}

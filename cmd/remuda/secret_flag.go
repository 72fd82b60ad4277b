package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
)

// secretFlags name secrets whose values are never typed, since other users see arguments.
type secretFlags struct{ keys, files []string }

// secretVariable begins the name of the variable that a secret is taken from.
const secretVariable = "REMUDA_SECRET_"

func (p *program) secretFlags(c *cobra.Command, help string) *secretFlags {
	s := &secretFlags{}
	c.Flags().StringArrayVar(&s.keys, "secret", nil, help+": from "+secretVariable+"KEY, else asked for, else a line of standard input; repeat it for several")
	c.Flags().StringArrayVar(&s.files, "secret-file", nil, "the same from a file, KEY=FILE; repeat it for several")
	return s
}

// read gives the secrets by key.
func (s *secretFlags) read(p *program) (map[string]remuda.Secret, error) {
	values := map[string]remuda.Secret{}
	var lines *bufio.Reader
	for _, key := range s.keys {
		if name, _, typed := strings.Cut(key, "="); typed {
			return nil, wrong("--secret %s: values are never typed; say --secret %s and set %s, or use --secret-file", name, name, variableOf(name))
		}
		if text, set := p.env(variableOf(key)); set {
			values[key] = remuda.NewSecret(text)
			continue
		}
		if lines == nil {
			lines = bufio.NewReader(p.stdin)
		}
		text, err := p.askSecret(key, lines)
		if err != nil {
			return nil, err
		}
		values[key] = remuda.NewSecret(text)
	}
	for _, pair := range s.files {
		key, name, found := strings.Cut(pair, "=")
		if !found {
			return nil, wrong("--secret-file %s: expected KEY=FILE", pair)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, failure{exitUsage, fmt.Errorf("read the secret %s: %w", key, err)}
		}
		text := string(data)
		if strings.Count(text, "\n") == 1 { // a key of many lines needs the last one's end, a password has none
			text = strings.TrimRight(text, "\r\n")
		}
		values[key] = remuda.NewSecret(text)
	}
	return values, nil
}

// variableOf is the variable that a secret is taken from: inputs.password is in REMUDA_SECRET_INPUTS_PASSWORD.
func variableOf(key string) string {
	return secretVariable + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(key))
}

// askSecret asks where somebody types, and reads a line where a program does.
func (p *program) askSecret(key string, lines *bufio.Reader) (string, error) {
	if keyboard, ok := p.stdin.(*os.File); ok && term.IsTerminal(keyboard.Fd()) {
		fmt.Fprintf(p.stderr, "%s: ", plain(key))
		typed, err := term.ReadPassword(keyboard.Fd())
		fmt.Fprintln(p.stderr)
		return string(typed), err
	}
	line, err := lines.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", wrong("--secret %s: no value came; set %s, or give it as a line of standard input", key, variableOf(key))
	}
	return line, nil
}

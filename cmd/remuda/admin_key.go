package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda/internal/archive"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/secretfile"
)

// shortestPassphrase refuses what is guessed in an afternoon.
const shortestPassphrase = 12

// keyFlags say how the key's part of a backup is closed, or where it is kept apart.
type keyFlags struct {
	passphraseFile string
	recipients     []string
	identity       string
	keyFile        string
}

func (k *keyFlags) closing(c *cobra.Command) {
	c.Flags().StringVar(&k.passphraseFile, "passphrase-file", "", "file with a passphrase that closes the key in the backup; asked for at a terminal when nothing is said")
	c.Flags().StringSliceVar(&k.recipients, "recipient", nil, "public key of age (age1…) that closes the key in the backup; several may open it")
	c.Flags().StringVar(&k.keyFile, "key-file", "", "write the key into this file instead of the backup; keep it elsewhere than the backup")
	c.MarkFlagsMutuallyExclusive("passphrase-file", "recipient", "key-file")
}

func (k *keyFlags) opening(c *cobra.Command) {
	c.Flags().StringVar(&k.passphraseFile, "passphrase-file", "", "file with the passphrase of the backup; asked for at a terminal when nothing is said")
	c.Flags().StringVar(&k.identity, "identity", "", "file with the secret key of age for which the backup was made")
	c.Flags().StringVar(&k.keyFile, "key-file", "", "the key, where it was kept apart from the backup")
	c.MarkFlagsMutuallyExclusive("passphrase-file", "identity", "key-file")
}

// passphrase reads the words from the file, or asks for them, twice when they are new. They are empty when there is
// neither file nor terminal.
func (p *program) passphrase(file string, isNew bool) (string, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", failure{exitUsage, fmt.Errorf("read the passphrase: %w", err)}
		}
		line, _, _ := strings.Cut(string(text), "\n")
		return goodPassphrase(strings.TrimRight(line, "\r"), isNew)
	}
	terminal, isFile := p.stdin.(*os.File)
	if !isFile || !term.IsTerminal(terminal.Fd()) {
		return "", nil
	}
	words, err := p.ask(terminal, "passphrase: ")
	if err != nil || !isNew {
		return words, err
	}
	again, err := p.ask(terminal, "and again: ")
	if err != nil {
		return "", err
	}
	if words != again {
		return "", wrong("the two are not the same; nothing was written")
	}
	return goodPassphrase(words, true)
}

func goodPassphrase(words string, isNew bool) (string, error) {
	if isNew && len(words) < shortestPassphrase || words == "" {
		return "", wrong("the passphrase has %d characters: %d at least, better five words or more", len(words), shortestPassphrase)
	}
	return words, nil
}

func (p *program) ask(terminal *os.File, question string) (string, error) {
	fmt.Fprint(p.stderr, question)
	words, err := term.ReadPassword(terminal.Fd())
	fmt.Fprintln(p.stderr)
	if err != nil {
		return "", fmt.Errorf("read the passphrase: %w", err)
	}
	return string(words), nil
}

// seal closes the key's part; nil when it is kept apart, in a file of its own that seal writes.
func (p *program) seal(k keyFlags, part archive.KeyPart) ([]byte, error) {
	switch {
	case k.keyFile != "":
		if _, err := os.Lstat(k.keyFile); !errors.Is(err, fs.ErrNotExist) {
			return nil, wrong("%s is there already; a key is never overwritten", k.keyFile)
		}
		if err := secretfile.Write(k.keyFile, part.Key); err != nil {
			return nil, fmt.Errorf("write the key: %w", err)
		}
		return nil, nil
	case len(k.recipients) > 0:
		recipients, err := archive.Recipients(k.recipients)
		if err != nil {
			return nil, failure{exitUsage, err}
		}
		return part.Seal(recipients...)
	}
	words, err := p.passphrase(k.passphraseFile, true)
	if err != nil {
		return nil, err
	}
	if words == "" {
		return nil, wrong("a backup without its key cannot be restored, and the key must not lie open in it: close it by --passphrase-file FILE or --recipient age1…, or have it written apart by --key-file FILE")
	}
	to, _, err := archive.Passphrase(words)
	if err != nil {
		return nil, err
	}
	return part.Seal(to)
}

// unseal opens the key's part of a backup and makes sure that it is the one that its secrets were encrypted with.
func (p *program) unseal(k keyFlags, head archive.Head, closed []byte) (archive.KeyPart, error) {
	part, err := p.openKey(k, head, closed)
	if err != nil {
		return part, err
	}
	keys, err := vault.Parse(part.Key)
	if err != nil {
		return part, fmt.Errorf("read the key: %w", err)
	}
	if keys.ID() != head.KeyID {
		return part, fmt.Errorf("the key is of another installation: the secrets in the backup cannot be read with it")
	}
	return part, nil
}

func (p *program) openKey(k keyFlags, head archive.Head, closed []byte) (part archive.KeyPart, err error) {
	switch {
	case k.keyFile != "":
		part.Key, err = os.ReadFile(k.keyFile)
		if err != nil {
			return part, failure{exitUsage, fmt.Errorf("read the key: %w", err)}
		}
		return part, nil
	case head.Key != archive.KeySealed || len(closed) == 0:
		return part, wrong("the backup's key is kept apart from it: give it by --key-file FILE")
	case k.identity != "":
		identities, err := archive.Identities(k.identity)
		if err != nil {
			return part, failure{exitUsage, err}
		}
		return archive.OpenKeyPart(closed, identities...)
	}
	words, err := p.passphrase(k.passphraseFile, false)
	if err != nil {
		return part, err
	}
	if words == "" {
		return part, wrong("the backup's key is closed: give --passphrase-file FILE, or --identity FILE if it was made for a public key")
	}
	_, with, err := archive.Passphrase(words)
	if err != nil {
		return part, err
	}
	return archive.OpenKeyPart(closed, with)
}

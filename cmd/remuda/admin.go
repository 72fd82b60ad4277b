package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda/internal/archive"
	"github.com/remuda-dev/remuda/internal/bucket"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/secretfile"
)

func (p *program) admin() *cobra.Command {
	return group(page{
		use: "admin", short: "Back up, restore and move an installation",
		long: "Back up, restore and move an installation: its tables, its output and its key. " +
			"Unlike all other commands these speak to its database and its data folder, not to its control plane.",
		example: "remuda admin backup --dir /var/lib/remuda --passphrase-file words nightly.tar.zst\n" +
			"remuda admin restore --dir /srv/remuda --passphrase-file words nightly.tar.zst\n" +
			"remuda admin move --dir /var/lib/remuda postgres://remuda@db.example.com/remuda",
	}, p.adminBackup(), p.adminRestore(), p.adminMove())
}

// placeFlags say where an installation lies, in the words of 'remuda server'.
type placeFlags struct {
	program *program
	config  string
	given   map[string]*string
}

// place is where an installation lies.
type place struct {
	dir      string // with the key in it
	database string // the address of a database of PostgreSQL; empty for those in the folder
	bucket   string // for output
}

func (p *program) placeFlags(c *cobra.Command) *placeFlags {
	f := &placeFlags{program: p, given: map[string]*string{}}
	f.given["dir"] = c.Flags().String("dir", "", "data folder of the control plane ($REMUDA_SERVER_DIR)")
	f.given["database"] = c.Flags().String("database", "", "postgres://… when the rows are not in the data folder ($REMUDA_SERVER_DATABASE)")
	f.given["bucket"] = c.Flags().String("bucket", "", "where output is: file:///… or s3://…; the folder output in the data folder when left out ($REMUDA_SERVER_BUCKET)")
	c.Flags().StringVar(&f.config, "config", "", "the control plane's file of settings, YAML ($REMUDA_SERVER_CONFIG)")
	return f
}

// place finds it as 'remuda server' does.
func (f *placeFlags) place() (place, error) {
	var server serverSettings
	c := &cobra.Command{}
	s := f.program.settings(c, &server, "REMUDA_SERVER_").configFile("REMUDA_SERVER_CONFIG")
	s.file = f.config
	for name, value := range f.given {
		if *value == "" {
			continue
		}
		if err := c.Flags().Set(name, *value); err != nil {
			return place{}, failure{exitUsage, err}
		}
	}
	if err := s.load(); err != nil {
		return place{}, err
	}
	if server.Dir == "" {
		server.Dir = f.program.dataFolder()
	}
	p := place{dir: server.Dir, database: server.Database, bucket: server.Bucket}
	if p.bucket != "" {
		return p, nil
	}
	var err error
	p.bucket, err = bucket.FolderAddress(filepath.Join(p.dir, outputFolder))
	return p, err
}

// rows is where they are, as the store calls it.
func (p place) rows() string {
	if p.database != "" {
		return p.database
	}
	return p.dir
}

// name is that for people: an address may hold a password.
func (p place) name() string {
	if p.database == "" {
		return p.dir
	}
	address, err := url.Parse(p.database)
	if err != nil {
		return "PostgreSQL"
	}
	return address.Redacted()
}

// flags are those with which a control plane finds the place.
func (p place) flags() string {
	words := "--dir " + p.dir
	if p.database != "" {
		words += " --database " + p.name()
	}
	if own, err := bucket.FolderAddress(filepath.Join(p.dir, outputFolder)); err != nil || p.bucket != own {
		words += " --bucket " + p.bucket
	}
	return words
}

// The files of a data folder beside its databases.
const (
	keyFile        = "key"
	adminTokenFile = "admin-token"
	outputFolder   = "output"
)

// keyPart reads what an installation has beside its tables.
func (p place) keyPart() (part archive.KeyPart, id string, err error) {
	if part.Key, err = os.ReadFile(filepath.Join(p.dir, keyFile)); errors.Is(err, fs.ErrNotExist) {
		return part, "", wrong("there is no key in %s: it is no data folder of a control plane; say which by --dir", p.dir)
	}
	if err != nil {
		return part, "", fmt.Errorf("read the key: %w", err)
	}
	keys, err := vault.Parse(part.Key)
	if err != nil {
		return part, "", fmt.Errorf("read the key in %s: %w", p.dir, err)
	}
	token, err := os.ReadFile(filepath.Join(p.dir, adminTokenFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return part, "", fmt.Errorf("read the admin token: %w", err)
	}
	part.AdminToken = strings.TrimSpace(string(token))
	return part, keys.ID(), nil
}

// keep writes the key's part into the data folder. What it wrote is undone by undo, as long as nothing depends on it.
func (p place) keep(part archive.KeyPart) (undo func(), err error) {
	var written []string
	undo = func() {
		for _, path := range written {
			_ = os.Remove(path) // the folder is as good with it
		}
	}
	files := map[string][]byte{keyFile: part.Key}
	if part.AdminToken != "" {
		files[adminTokenFile] = []byte(part.AdminToken + "\n")
	}
	for name, data := range files {
		path := filepath.Join(p.dir, name)
		switch held, err := os.ReadFile(path); {
		case err == nil && strings.TrimSpace(string(held)) == strings.TrimSpace(string(data)):
			continue // of a restore that was interrupted
		case err == nil:
			undo()
			return nil, fmt.Errorf("the folder %s holds another %s", p.dir, name)
		case !errors.Is(err, fs.ErrNotExist):
			undo()
			return nil, err
		}
		if err := secretfile.Write(path, data); err != nil {
			undo()
			return nil, fmt.Errorf("keep the %s: %w", name, err)
		}
		written = append(written, path)
	}
	return undo, nil
}

// emptyFolder refuses a folder that is in use for something else.
func emptyFolder(dir string, but ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	but = append(but, "lock", "lost+found")
	for _, entry := range entries {
		inner, _ := os.ReadDir(filepath.Join(dir, entry.Name())) // nothing, when it is a file
		if hollow := entry.IsDir() && len(inner) == 0; !hollow && !slices.Contains(but, entry.Name()) {
			return failure{exitUsage, fmt.Errorf("the folder %s is not empty: it has %s; name an empty or a new one by --dir", dir, entry.Name())}
		}
	}
	return nil
}

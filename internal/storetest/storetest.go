// Package storetest gives tests stores that hold nothing yet, but have their schema: each is a copy of one that was
// migrated once for the test process. It is for tests only.
package storetest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda/internal/postgrestest"
	"github.com/remuda-dev/remuda/internal/store"
)

// Folder is a data folder of the test's own.
func Folder(t testing.TB) string {
	t.Helper()
	files, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// migrated is what lies in such a folder: kept in memory, so that nobody has to delete it when the process ends.
var migrated = sync.OnceValues(func() (files map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "remuda-migrated-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := migrate(dir); err != nil {
		return nil, err
	}
	files = map[string][]byte{}
	return files, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[name], err = os.ReadFile(path)
		return err
	})
})

// Database is a PostgreSQL database of the test's own, on the one server of the test process.
func Database(t testing.TB) string {
	t.Helper()
	template.once.Do(func() {
		address := postgrestest.Fresh(t)
		if err := migrate(address); err != nil {
			t.Fatal(err)
		}
		template.address = address
	})
	if template.address == "" {
		t.Skip("there is no PostgreSQL, as an earlier test says")
	}
	return postgrestest.Copy(t, template.address)
}

var template struct {
	once    sync.Once
	address string
}

func migrate(address string) error {
	kept, err := store.Open(context.Background(), address)
	if err != nil {
		return err
	}
	return kept.Close()
}

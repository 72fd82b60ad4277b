package tofu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// fetchSources puts the module in its place, and finds the program for it.
func (r *run) fetchSources(ctx context.Context) error {
	if err := os.MkdirAll(r.root(), 0o700); err != nil {
		return fmt.Errorf("make the module's folder: %w", err)
	}
	if err := r.place(ctx); err != nil {
		return err
	}
	if info, err := os.Stat(r.folder()); err != nil || !info.IsDir() {
		return refuse("there is no folder %q in %s", r.order.tofu.Path, r.order.tofu.Repository)
	}
	var err error
	r.module, err = scan(r.folder(), r.order.program)
	return err
}

// place clones the repository, or writes the files.
func (r *run) place(ctx context.Context) error {
	if r.order.tofu.Repository != "" {
		return errors.New("not yet")
	}
	for name, text := range r.order.tofu.Files {
		path := filepath.Join(r.root(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return refuse("the file %s cannot be written: a part of its path is another file", name)
		}
		if err := create(path, []byte(text)); err != nil {
			return refuse("the file %s cannot be written: another one stands in its place", name)
		}
	}
	r.tell("%d files of the definition", len(r.order.tofu.Files))
	return nil
}

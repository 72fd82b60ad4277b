package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// notThere refuses a path that names something already.
func notThere(path string) error {
	_, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return failure{exitUsage, err}
	}
	return wrong("%s is there already, and nothing is overwritten: choose another name", path)
}

// writeWhole makes a file for its owner's eyes appear whole and durable, or not at all, and never over another one.
func writeWhole(path string, write func(io.Writer) error) error {
	if err := notThere(path); err != nil {
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return failure{exitUsage, err}
	}
	err = write(draft)
	if err == nil {
		err = draft.Sync()
	}
	if closed := draft.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = appear(draft.Name(), path)
	}
	if err != nil {
		return errors.Join(err, remove(draft.Name()))
	}
	return syncNames(filepath.Dir(path))
}

// appear gives a draft its name. A link fails where the name is taken; not every file system has links.
func appear(draft, path string) error {
	err := os.Link(draft, path)
	switch {
	case err == nil:
		return os.Remove(draft)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s came to be meanwhile, and nothing is overwritten", path)
	}
	if err := notThere(path); err != nil {
		return err
	}
	return os.Rename(draft, path)
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncNames makes the names in a folder durable, where that is a thing to ask for.
func syncNames(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

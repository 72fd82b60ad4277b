package machine

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// removeBatch is how many names of a folder are read at once: a task may have made very many.
const removeBatch = 1024

// remover removes a tree that may be deeper than a process may have files open: it takes what lies two levels down to
// the first level, so that it never goes deeper than that.
type remover struct {
	top    *os.Root
	prefix string // of the names on the first level, which no task can have known
	moved  int
}

// removeTree removes a file or a folder, also where a task took away its owner's permissions. It follows no links.
func removeTree(dir string) error {
	if sweep(dir) {
		return nil
	}
	above, err := os.OpenRoot(filepath.Dir(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer above.Close()
	name := filepath.Base(dir)
	if err := above.Remove(name); err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	info, err := above.Lstat(name)
	if err != nil || !info.IsDir() {
		return errors.Join(err, above.Remove(name))
	}
	top, err := enter(above, name)
	if err != nil {
		return err
	}
	defer top.Close()
	r := &remover{top: top, prefix: rand.Text()}
	if err := r.each(top, func(entry fs.DirEntry) error { return r.removeIn(entry.Name()) }); err != nil {
		return err
	}
	return above.Remove(name)
}

// removeIn removes a folder of the first level, and takes the folders in it there.
func (r *remover) removeIn(name string) error {
	folder, err := enter(r.top, name)
	if err != nil {
		return err
	}
	err = r.each(folder, func(entry fs.DirEntry) error {
		_ = folder.Chmod(entry.Name(), 0o700) // Only who may write in a folder may move it.
		r.moved++
		return r.top.Rename(filepath.Join(name, entry.Name()), r.prefix+strconv.Itoa(r.moved))
	})
	if err := errors.Join(err, folder.Close()); err != nil {
		return err
	}
	return r.top.Remove(name)
}

// each removes what is in a folder, and calls further for each folder that is not empty, until nothing is left or a
// whole batch stays.
func (r *remover) each(folder *os.Root, further func(fs.DirEntry) error) error {
	for {
		entries, err := readSome(folder)
		if err != nil || len(entries) == 0 {
			return err
		}
		var errs []error
		for _, entry := range entries {
			err := folder.Remove(entry.Name())
			if err != nil && entry.IsDir() {
				err = further(entry)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
		if len(errs) == len(entries) {
			return errors.Join(errs[:min(len(errs), 3)]...)
		}
	}
}

func readSome(folder *os.Root) ([]fs.DirEntry, error) {
	file, err := folder.Open(".")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	entries, err := file.ReadDir(removeBatch)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return entries, err
}

// enter opens a folder after it made sure that it may.
func enter(root *os.Root, name string) (*os.Root, error) {
	folder, err := root.OpenRoot(name)
	if err == nil {
		if info, err := folder.Stat("."); err == nil && info.Mode().Perm()&0o700 == 0o700 {
			return folder, nil
		}
		_ = folder.Close()
	}
	if err := root.Chmod(name, 0o700); err != nil {
		return nil, err
	}
	return root.OpenRoot(name)
}

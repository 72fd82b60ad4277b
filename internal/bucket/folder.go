package bucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"gocloud.dev/blob/fileblob"

	"github.com/remuda-dev/remuda"
)

// folder adds to gocloud's folders what they lack: what Put kept outlives a power cut, and what is empty is removed.
type folder struct {
	path string

	mu    sync.Mutex
	known map[string]bool // folders whose own names the disk keeps, as this process made sure
}

// mostKnown bounds what is remembered; forgetting costs one more sync a folder.
const mostKnown = 4096

// FolderAddress is the address of a folder of this machine.
func FolderAddress(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the folder %s: %w", path, err)
	}
	slashed := filepath.ToSlash(absolute)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a drive's letter
	}
	return (&url.URL{Scheme: "file", Path: slashed}).String(), nil
}

func openFolder(at *url.URL) (*Bucket, error) {
	if at.Host != "" || at.RawQuery != "" || len(at.Path) < 2 {
		return nil, remuda.Fail(remuda.Invalid, "a bucket in a folder is written as file:///a/folder, with three slashes and no parameters")
	}
	path := filepath.FromSlash(at.Path)
	if runtime.GOOS == "windows" {
		path = strings.TrimPrefix(path, `\`)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, &remuda.Error{Kind: remuda.Unavailable, Detail: "the folder " + path + " cannot be made", Cause: err}
	}
	// Its temporary files lie beside the objects: a folder elsewhere may be on another disk, where nothing can be renamed from.
	blobs, err := fileblob.OpenBucket(path, &fileblob.Options{DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	if err != nil {
		return nil, &remuda.Error{Kind: remuda.Unavailable, Detail: "the folder " + path + " cannot be used", Cause: err}
	}
	return &Bucket{blobs: blobs, folder: &folder{path: path, known: map[string]bool{}}, address: at.String()}, nil
}

// put writes the object under its own name, and has the disk keep both. Half an object, as a kill leaves it, is
// nobody's: only who was told that it is durable names it to others.
func (f *folder) put(ctx context.Context, name string, data []byte) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%q leads out of the folder", name)
	}
	path := f.at(name)
	if err := f.makeParents(filepath.Dir(path)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return syncFolder(filepath.Dir(path))
}

func (f *folder) at(name string) string { return filepath.Join(f.path, filepath.FromSlash(name)) }

// makeParents makes a folder and those above it, and has the disk keep their names. Another process may have made them
// without coming that far.
func (f *folder) makeParents(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known[dir] {
		if _, err := os.Stat(dir); err == nil {
			return nil
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for at := dir; len(at) > len(f.path); at = filepath.Dir(at) {
		if err := syncFolder(filepath.Dir(at)); err != nil {
			return err
		}
	}
	if len(f.known) >= mostKnown {
		clear(f.known)
	}
	f.known[dir] = true
	return nil
}

// removeAll removes a folder of objects, and what was left of ones that were never finished.
func (f *folder) removeAll(name string) error {
	err := os.RemoveAll(f.at(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

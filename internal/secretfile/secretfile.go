// Package secretfile writes files that only their owner reads, whole or not at all.
package secretfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Write puts data into the file at path, in place of what is there. It is on disk when Write returns.
func Write(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

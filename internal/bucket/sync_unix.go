//go:build !windows

package bucket

import (
	"errors"
	"os"
)

// syncFolder has the disk keep what was renamed into a folder.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

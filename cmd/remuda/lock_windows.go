package main

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockFile holds a lock until the file is closed, at the latest by the end of this process. taken says that another
// process has it.
func lockFile(path string) (file *os.File, taken bool, err error) {
	file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	flags := uint32(windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY)
	if err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, &windows.Overlapped{}); err != nil {
		return nil, errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Join(err, file.Close())
	}
	return file, false, nil
}

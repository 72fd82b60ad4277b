package toolshed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/windows"
)

// Turn waits until nobody else on this machine has the turn of this name in this folder, and takes it. The system gives
// it back when its holder is gone, however that came about.
func Turn(ctx context.Context, dir, name string) (end func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, ".lock-"+name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("wait for the turn %s: %w", name, err)
	}
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	const mode = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	for {
		err := windows.LockFileEx(windows.Handle(file.Fd()), mode, 0, 1, 0, &windows.Overlapped{})
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
			return nil, errors.Join(fmt.Errorf("wait for the turn %s: %w", name, err), file.Close())
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), file.Close())
		}
	}
}

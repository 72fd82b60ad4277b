//go:build unix

package fetch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/remuda-dev/remuda/internal/toolshed"
)

// lock waits until nobody else fetches this program into this folder. What is fetched twice would be whole both times;
// the lock spares the download.
func lock(ctx context.Context, dir string, p toolshed.Program) (unlock func(), err error) {
	name := filepath.Join(dir, ".lock-"+string(p.Product)+"-"+p.Version)
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", p, err)
	}
	turn := time.NewTicker(100 * time.Millisecond)
	defer turn.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", p, err), file.Close())
		}
		select {
		case <-turn.C:
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), file.Close())
		}
	}
}

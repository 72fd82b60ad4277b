package machine

import (
	"errors"

	"golang.org/x/sys/unix"
)

// deepestSweep is how far below its top a sweep goes: a claim's folder has two levels, and what steps add is for the
// remover, which gets by with few open files.
const deepestSweep = 4

// sweep removes a folder in as few calls as that takes: each of a task's own dozen files costs the remover, which is
// made for anything that a task can think of, three times as much. It follows no link. It is false when something is
// left, whatever the reason.
func sweep(dir string) bool { return sweepFolder(unix.AT_FDCWD, dir, 0) }

func sweepFolder(above int, name string, depth int) bool {
	fd, err := unix.Openat(above, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	clean := sweepIn(fd, depth)
	_ = unix.Close(fd)
	return clean && unix.Unlinkat(above, name, unix.AT_REMOVEDIR) == nil
}

// sweepIn removes what is in an open folder.
func sweepIn(fd, depth int) bool {
	var buffer [4096]byte
	for {
		n, err := unix.Getdents(fd, buffer[:])
		if n <= 0 {
			return err == nil
		}
		_, _, names := unix.ParseDirent(buffer[:n], -1, nil)
		for _, name := range names {
			if !sweepEntry(fd, name, depth) {
				return false
			}
		}
	}
}

func sweepEntry(above int, name string, depth int) bool {
	err := unix.Unlinkat(above, name, 0)
	if !errors.Is(err, unix.EISDIR) {
		return err == nil
	}
	if unix.Unlinkat(above, name, unix.AT_REMOVEDIR) == nil {
		return true
	}
	return depth < deepestSweep && sweepFolder(above, name, depth+1)
}

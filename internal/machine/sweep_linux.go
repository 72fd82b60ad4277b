package machine

import (
	"bytes"
	"encoding/binary"

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
		for rest := buffer[:n]; len(rest) > 0; {
			var name string
			var kind byte
			name, kind, rest = nextEntry(rest)
			if name != "." && name != ".." && !sweepEntry(fd, name, kind, depth) {
				return false
			}
		}
	}
}

func sweepEntry(above int, name string, kind byte, depth int) bool {
	switch {
	case kind == unix.DT_UNKNOWN:
		return false // of a file system that says no more
	case kind != unix.DT_DIR:
		return unix.Unlinkat(above, name, 0) == nil
	case unix.Unlinkat(above, name, unix.AT_REMOVEDIR) == nil:
		return true
	}
	return depth < deepestSweep && sweepFolder(above, name, depth+1)
}

// nextEntry reads one entry as getdents64(2) writes it: an inode and an offset of eight bytes each, its length in two,
// its kind in one, and its name, which ends with a zero.
func nextEntry(from []byte) (name string, kind byte, rest []byte) {
	length := binary.NativeEndian.Uint16(from[16:])
	field := from[19:length]
	if end := bytes.IndexByte(field, 0); end >= 0 {
		field = field[:end]
	}
	return string(field), from[18], from[length:]
}

//go:build unix

package agent

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// openNoBlock keeps an open from waiting for the other end of a pipe.
const openNoBlock = unix.O_NONBLOCK

// hasOneName is false for a file that has another name too, which may be one that steps must neither read nor write:
// where the kernel does not protect hard links, anybody can give a file a second name.
func hasOneName(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Nlink == 1
}

//go:build unix

package agent

import "golang.org/x/sys/unix"

// openNoBlock keeps an open from waiting for the other end of a pipe.
const openNoBlock = unix.O_NONBLOCK

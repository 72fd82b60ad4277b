package agent

import (
	"os"

	"golang.org/x/sys/unix"
)

// pipeHolds is how many bytes lie in a pipe at this moment.
func pipeHolds(file *os.File) int {
	raw, err := file.SyscallConn()
	if err != nil {
		return 0
	}
	left := 0
	_ = raw.Control(func(fd uintptr) { left, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	if err != nil {
		return 0
	}
	return left
}

package machinerunner

import "golang.org/x/sys/unix"

// enlarge lets a pipe hold so much, if the kernel gives that much; what does not fit is noticed when it is written.
func enlarge(pipe, size int) {
	if size > 64<<10 {
		_, _ = unix.FcntlInt(uintptr(pipe), unix.F_SETPIPE_SZ, size)
	}
}

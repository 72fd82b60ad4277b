//go:build unix

package job

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// find looks a program up in the PATH that a step will have, which is not the agent's. A name with a slash is taken
// relative to dir.
func find(name, path, dir string) (string, bool) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, executable(name)
	}
	for _, place := range filepath.SplitList(path) {
		if program := filepath.Join(place, name); filepath.IsAbs(place) && executable(program) {
			return program, true
		}
	}
	return "", false
}

func executable(program string) bool {
	info, err := os.Stat(program)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// exitOf is the exit code as a shell would tell it, and the signal that ended the process, if one did.
func exitOf(state *os.ProcessState) (code int, signal string) {
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal()), signalName(int(status.Signal()))
	}
	return state.ExitCode(), ""
}

// signalName is SIGKILL for 9, and nothing for a number that is no signal.
func signalName(number int) string {
	if number <= 0 || number > 31 {
		return ""
	}
	return unix.SignalName(syscall.Signal(number))
}

//go:build unix

package agent

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// duplicate is the same end of a pipe once more, as another process would have it.
func duplicate(t *testing.T, file *os.File) *os.File {
	t.Helper()
	fd, err := unix.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "duplicate")
}

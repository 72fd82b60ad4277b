package agent

import (
	"os"
	"testing"

	"golang.org/x/sys/windows"
)

// duplicate is the same end of a pipe once more, as another process would have it.
func duplicate(t *testing.T, file *os.File) *os.File {
	t.Helper()
	var handle windows.Handle
	self := windows.CurrentProcess()
	err := windows.DuplicateHandle(self, windows.Handle(file.Fd()), self, &handle, 0, false, windows.DUPLICATE_SAME_ACCESS)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(handle), "duplicate")
}

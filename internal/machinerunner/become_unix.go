//go:build unix

package machinerunner

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/remuda-dev/remuda/agent"
)

// becomes is whether a process can become another one here.
const becomes = true

// Become makes this process the runner, as the binary at path is one: it keeps its id. It returns
// only when that did not go, and then changed nothing but standard input.
func (h Handover) Become(path string, environment []string) error {
	document, err := h.encode()
	if err != nil {
		return err
	}
	input, err := filled(document)
	if err != nil {
		return fmt.Errorf("hand the runner's settings over: %w", err)
	}
	defer input.Close()
	if err := unix.Dup2(int(input.Fd()), 0); err != nil {
		return fmt.Errorf("hand the runner's settings over: %w", err)
	}
	runtime.LockOSThread() // Whatever becomes another program inherits from the thread that does it.
	defer runtime.UnlockOSThread()
	agent.RestTimers()
	return fmt.Errorf("become %s: %w", path, syscall.Exec(path, []string{path, Word}, environment))
}

// filled is a pipe that holds the document and no more. It never waits: nobody reads yet.
func filled(document []byte) (*os.File, error) {
	var ends [2]int
	if err := unix.Pipe(ends[:]); err != nil {
		return nil, err
	}
	read := os.NewFile(uintptr(ends[0]), "handover")
	unix.CloseOnExec(ends[0])
	enlarge(ends[1], len(document))
	err := unix.SetNonblock(ends[1], true)
	if err == nil {
		var written int
		if written, err = unix.Write(ends[1], document); err == nil && written < len(document) {
			err = errors.New("they are larger than a pipe")
		}
	}
	if err = errors.Join(err, unix.Close(ends[1])); err != nil {
		return nil, errors.Join(err, read.Close())
	}
	return read, nil
}

package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/remuda-dev/remuda/runner"
)

const (
	// usualFree and usualShare are what a disk must have free when nobody said: the lesser of the two.
	usualFree  = 1 << 30
	usualShare = 20 // a twentieth
	// usualFiles is the same for files, of which a disk may run out before its bytes.
	usualFiles = 10_000
	// probeTime is how long an agent may take to say its version.
	probeTime = 15 * time.Second
)

// Check tells whether a task could be carried out now: the disks of its folders have room; and, the first time and
// after a task could not be started, the runner's folder takes files and the agent starts.
func (e *Executor) Check(ctx context.Context) error {
	for _, dir := range e.disks() {
		if err := hasRoom(dir, e.config.MinFree); err != nil {
			return err
		}
	}
	if e.proven.Load() {
		return nil
	}
	if err := e.tryWriting(); err != nil {
		return fmt.Errorf("the runner's folder cannot be written: %w", err)
	}
	if err := e.tryAgent(ctx); err != nil {
		return err
	}
	e.proven.Store(true)
	return nil
}

var _ runner.Checker = (*Executor)(nil)

// disks are folders on the disks that tasks write to.
func (e *Executor) disks() []string {
	dirs := []string{e.config.Dir}
	if working, _, _ := strings.Cut(e.config.WorkingDirectory, "%s"); working != "" {
		dirs = append(dirs, filepath.Clean(working))
	}
	return dirs
}

// room is what a disk has.
type room struct {
	free, size             uint64 // bytes
	freeFiles, mostOfFiles uint64 // 0 where there is no such number
}

// hasRoom says what a disk lacks. wanted is in bytes: 0 for what is usual, less for anything.
func hasRoom(dir string, wanted int64) error {
	if wanted < 0 {
		return nil
	}
	r, err := roomOf(dir)
	for errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir) // made when it is needed
		r, err = roomOf(dir)
	}
	if err != nil {
		return fmt.Errorf("the disk of %s cannot be looked at: %w", dir, err)
	}
	return r.lacks(dir, wanted)
}

func (r room) lacks(dir string, wanted int64) error {
	least := uint64(wanted)
	if wanted == 0 {
		least = min(usualFree, r.size/usualShare)
	}
	if r.free < least {
		return fmt.Errorf("the disk of %s has %s free, and tasks want %s", dir, mebibytes(r.free), mebibytes(least))
	}
	if files := min(usualFiles, r.mostOfFiles/usualShare); r.freeFiles < files {
		return fmt.Errorf("the disk of %s takes %d more files, and tasks want %d", dir, r.freeFiles, files)
	}
	return nil
}

func mebibytes(n uint64) string { return fmt.Sprintf("%d MiB", n>>20) }

// tryWriting makes a file as a task's record is made, and removes it.
func (e *Executor) tryWriting() error {
	path := filepath.Join(e.config.Dir, "check")
	err := os.WriteFile(path, make([]byte, 4096), 0o600)
	return errors.Join(err, ignoreAbsent(os.Remove(path)))
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// tryAgent starts the agent's command as a task's user, to say its version.
func (e *Executor) tryAgent(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	argv := append(append([]string{}, e.config.CommandPrefix...), e.config.Agent...)
	path, err := lookPath(argv[0], e.config.Environment["PATH"])
	if err != nil {
		return fmt.Errorf("the agent does not start: %w", err)
	}
	var printed bytes.Buffer
	probe := exec.CommandContext(ctx, path, append(argv[1:], "--version")...)
	probe.Dir = filepath.Join(e.config.Dir, claimsDir)
	probe.Stdout, probe.Stderr = &printed, &printed
	probe.WaitDelay = time.Second // What a prefix left running may keep its output open.
	e.prepareProbe(probe)
	err = probe.Run()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	text := strings.TrimSpace(strings.ToValidUTF8(printed.String(), "?"))
	if len(text) > logTail {
		text = strings.ToValidUTF8(text[len(text)-logTail:], "")
	}
	if text != "" {
		return fmt.Errorf("the agent does not start: %w; it says: %s", err, text)
	}
	return fmt.Errorf("the agent does not start: %w", err)
}

package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/remuda-dev/remuda"
)

// Folder is a claim folder: all that one attempt keeps on disk, and where a successor finds it.
//
//	agent.sock      the runner listens here for this claim, unless the Handoff names another place
//	steps/0.out     what step 0 wrote, unfiltered, growing
//	steps/0.pipe    Linux: the pipe that step 0 writes into; made before Begin, the agent moves it to the file above
//	masks           values to hide that were added while running, a JSON string a line, 0600
//	result.json     how it ended (remuda.Result), written by rename
//	work/           where steps start, unless the Handoff names a workspace
//	home/  tmp/     HOME and TMPDIR of the steps
//	steps/…         what an implementation keeps for a step; few files, since each costs as much as a small step
//
// The executor makes the folder itself, for the agent's user alone (0700); the agent makes what is in it. Nothing here
// is to be trusted by a process with more privilege: steps may have put links and devices in these places, so read
// through the methods of Folder and Remains only, which follow no link out of the folder and take no special file for
// an ordinary one. What the runner must be able to trust (process ids, the task token) belongs into a folder of its
// own.
type Folder string

// Socket is the place of the unix socket when the Handoff names no other. Paths of sockets end at 107 bytes on Linux.
func (f Folder) Socket() string { return f.path("agent.sock") }

// Work is where steps start when the Handoff names no workspace.
func (f Folder) Work() string { return f.path("work") }

// Home is the HOME of the steps.
func (f Folder) Home() string { return f.path("home") }

// Tmp is the TMPDIR of the steps.
func (f Folder) Tmp() string { return f.path("tmp") }

// Spool holds what step n wrote, unfiltered.
func (f Folder) Spool(n int) string { return f.path("steps", strconv.Itoa(n)+spoolSuffix) }

// pipe is what step n writes into, where there is one.
func (f Folder) pipe(n int) string { return f.path(stepsName, strconv.Itoa(n)+pipeSuffix) }

// Beside is a place for what an implementation keeps for its steps. No name may end as a spool's or a pipe's does.
func (f Folder) Beside(name string) string { return f.path(stepsName, name) }

func (f Folder) path(name ...string) string {
	return filepath.Join(append([]string{string(f)}, name...)...)
}

const (
	spoolSuffix = ".out"
	pipeSuffix  = ".pipe"
	resultName  = "result.json"
	masksName   = "masks"
	stepsName   = "steps"

	// Larger ones were not written by an agent.
	resultLimit = 1 << 20
	masksLimit  = 2 << 20 // of the file, in which a value may be six times as long as it is
)

// A filter costs some hundred times the memory of what it hides, and the runner makes one of what a task left behind.
const (
	mostMasks    = 200
	longestMask  = 64 << 10
	longestMasks = 256 << 10 // all together
)

// maskBudget counts what a task asks to hide beside its secrets.
type maskBudget struct{ values, bytes int }

// add says why a value is one too many.
func (b *maskBudget) add(value string) error {
	switch {
	case len(value) > longestMask:
		return fmt.Errorf("a value to hide may have %d KiB", longestMask>>10)
	case b.values >= mostMasks:
		return fmt.Errorf("a task may hide %d values beside its secrets", mostMasks)
	case b.bytes+len(value) > longestMasks:
		return fmt.Errorf("the values that a task hides beside its secrets may have %d KiB together", longestMasks>>10)
	}
	b.values++
	b.bytes += len(value)
	return nil
}

// prepare makes what steps need, and a folder to work in if there is none. It fails when an agent was here before: one attempt is carried out once.
func (f Folder) prepare(work bool) error {
	if err := os.Mkdir(f.path(stepsName), 0o700); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("claim folder %s was used before", f)
		}
		return fmt.Errorf("prepare the claim folder: %w", err)
	}
	dirs := []string{f.Home(), f.Tmp()}
	if work {
		dirs = append(dirs, f.Work())
	}
	for _, dir := range dirs {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("prepare the claim folder: %w", err)
		}
	}
	return nil
}

// Result reads how the attempt ended; found is false when the agent left no result.
func (f Folder) Result() (result remuda.Result, found bool, err error) {
	data, err := f.read(resultName, resultLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return remuda.Result{}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &result)
	}
	if err == nil {
		err = checkResult(result)
	}
	if err != nil {
		return remuda.Result{}, false, fmt.Errorf("read the agent's result: %w", err)
	}
	return result, true, nil
}

func checkResult(r remuda.Result) error {
	reasons := []remuda.Reason{remuda.ReasonStep, remuda.ReasonTimeout, remuda.ReasonConfig, remuda.ReasonInfrastructure}
	switch {
	case r.State == remuda.Failed && slices.Contains(reasons, r.Reason):
		return nil
	case (r.State == remuda.Succeeded || r.State == remuda.Canceled) && r.Reason == "":
		return nil
	}
	return fmt.Errorf("%q with reason %q is not how an agent ends", r.State, r.Reason)
}

// writeResult leaves the result for the runner, whole or not at all: by its name for whoever comes after an agent that
// was killed, and by its form after a crash of the machine, of which part of it may be left. It does not wait for the
// disk: what a machine's crash takes away is a task that has not ended, as the record of its process is.
func (f Folder) writeResult(result remuda.Result) error {
	data, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	partial := f.path(resultName + ".partial")
	file, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(partial, f.path(resultName))
	}
	if err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// addMask keeps a value for a successor's filter.
func (f Folder) addMask(value string) error {
	line, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("keep a mask: %w", err)
	}
	file, err := os.OpenFile(f.path(masksName), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("keep a mask: %w", err)
	}
	_, err = file.Write(append(line, '\n'))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("keep a mask: %w", err)
	}
	return nil
}

// masks are the values that were added while running. A line that was cut by the agent's death had not taken effect.
// More than an agent adds is an error: without all of them no output can be shown.
func (f Folder) masks() ([]string, error) {
	data, err := f.read(masksName, masksLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the masks: %w", err)
	}
	var values []string
	var budget maskBudget
	for line := range strings.Lines(string(data)) {
		var value string
		if json.Unmarshal([]byte(line), &value) != nil {
			continue
		}
		if err := budget.add(value); err != nil {
			return nil, fmt.Errorf("read the masks: %w", err)
		}
		values = append(values, value)
	}
	return values, nil
}

// openSteps opens the folder of the steps' files; nil when no agent has made it.
func (f Folder) openSteps() (*os.Root, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	steps, err := root.OpenRoot(stepsName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return steps, err
}

// spools are the numbers of the steps that have a spool, in order: those that have started. It asks for each name that
// there may be: steps could have filled the folder with more than anybody wants to list.
func (f Folder) spools() ([]int, error) {
	steps, err := f.openSteps()
	if err != nil || steps == nil {
		return nil, err
	}
	defer steps.Close()
	var numbers []int
	for n := range mostSteps {
		_, err := steps.Lstat(strconv.Itoa(n) + spoolSuffix)
		switch {
		case err == nil:
			numbers = append(numbers, n)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return numbers, nil
}

func (f Folder) read(name string, limit int64) ([]byte, error) {
	file, err := f.open(name, os.O_RDONLY, regular)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return data, err
}

// What open may open.
const (
	regular = fs.FileMode(0)
	pipe    = fs.ModeNamedPipe
)

// open opens a file of the wanted type without leaving the folder: links to elsewhere are refused, and neither a pipe
// without a writer nor a device can hold up or mislead the caller, who may be root.
func (f Folder) open(name string, flags int, want fs.FileMode) (*os.File, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return openIn(root, name, flags, want)
}

func openIn(root *os.Root, name string, flags int, want fs.FileMode) (*os.File, error) {
	file, err := root.OpenFile(name, flags|openNoBlock, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Mode().Type() != want {
		err = fmt.Errorf("%s is a %s", name, info.Mode().Type())
	} else if err == nil && !hasOneName(info) {
		err = fmt.Errorf("%s is another file too", name)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

package machine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// place is where one claim lies. What is directly in it is the runner's alone; what the task may write lies in folder.
type place struct {
	dir string
	id  string
}

// The folders of a runner's in which places are.
const (
	claimsDir = "claims"
	readyDir  = "ready"
)

func placeIn(dir, name, id string) place { return place{dir: filepath.Join(dir, name, id), id: id} }

func (p place) folder() agent.Folder { return agent.Folder(filepath.Join(p.dir, "task")) }
func (p place) log() string          { return filepath.Join(p.dir, "agent.log") }
func (p place) passwd() string       { return filepath.Join(p.dir, "passwd") }
func (p place) recordPath() string   { return filepath.Join(p.dir, "record.json") }

// record is what the runner must know of a claim after its own death. It is on disk before the agent gets its claim:
// an agent without a record has done nothing.
type record struct {
	Pid       int    `json:"pid,omitempty"`
	UID       uint32 `json:"uid,omitempty"`     // the claim's own user, whom no other claim has
	Started   string `json:"started,omitempty"` // tells the process from a later one with the same pid
	Group     string `json:"group,omitempty"`   // its cgroup
	Folder    string `json:"folder,omitempty"`  // the agent's
	Socket    string `json:"socket,omitempty"`
	SocketDir string `json:"socket_dir,omitempty"` // made for the socket alone
	Workspace string `json:"workspace,omitempty"`  // outside of the claim folder
	// Ended says that nothing runs any more and all is said but the last word: Result, or what went wrong.
	Ended   bool           `json:"ended,omitempty"`
	Unclean bool           `json:"unclean,omitempty"` // cleaning is to be tried again
	Result  *remuda.Result `json:"result,omitempty"`
	Fault   string         `json:"fault,omitempty"`
}

// outcome is what Execute says of a claim that has ended.
func (r record) outcome() (remuda.Result, error) {
	if r.Result == nil {
		return remuda.Result{}, errors.New(r.Fault)
	}
	return *r.Result, nil
}

// read gives the claim's record: the last line that was written whole; an empty one when there is none.
func (p place) read() (record, error) {
	data, err := os.ReadFile(p.recordPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return record{}, fmt.Errorf("read the claim's record: %w", err)
	}
	lines := bytes.Split(data, []byte("\n"))
	for _, line := range slices.Backward(lines) {
		var r record
		if json.Unmarshal(line, &r) == nil {
			return r, nil
		}
	}
	return record{}, nil
}

// write adds a line, which is the record from then on: a file less to make than by another name for each. Each begins
// a new line, since the one before may have been cut short. A crash of the machine may undo it, but then the process is
// gone as well.
func (p place) write(r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write the claim's record: %w", err)
	}
	file, err := os.OpenFile(p.recordPath(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		_, err = file.Write(slices.Concat([]byte("\n"), data, []byte("\n")))
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return fmt.Errorf("write the claim's record: %w", err)
	}
	return nil
}

// remove takes away what is left when the task itself is cleaned.
func (p place) remove(r record) error {
	var err error
	if r.SocketDir != "" { // first: the record in the claim's folder is all that tells of it
		err = os.RemoveAll(r.SocketDir)
	}
	if err == nil {
		err = removeTree(p.dir)
	}
	if err != nil {
		return fmt.Errorf("remove the claim's folder: %w", err)
	}
	return nil
}

// make makes the claim's folders, empty.
func (p place) make(owner account) error {
	err := mkdir(p.dir, 0o711)
	if err == nil {
		err = os.Mkdir(string(p.folder()), 0o700)
	}
	if err == nil {
		err = owner.own(string(p.folder()))
	}
	if err != nil {
		return fmt.Errorf("make the claim's folder: %w", err)
	}
	return nil
}

// mkdir makes a folder with this mode, whatever our umask.
func mkdir(dir string, mode fs.FileMode) error {
	if err := os.Mkdir(dir, mode); err != nil {
		return err
	}
	return os.Chmod(dir, mode)
}

// makeAll makes a folder and those above it that are absent.
func makeAll(dir string, mode fs.FileMode) error {
	err := mkdir(dir, mode)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeAll(filepath.Dir(dir), mode); err != nil {
			return err
		}
		err = mkdir(dir, mode)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// logTail is how much of what the agent said is told to others.
const logTail = 2000

// lastLines are the end of what the agent said on standard error.
func (p place) lastLines() string {
	file, err := os.Open(p.log())
	if err != nil {
		return ""
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > logTail {
		_, _ = file.Seek(-logTail, io.SeekEnd)
	}
	data, _ := io.ReadAll(io.LimitReader(file, logTail))
	return strings.TrimSpace(strings.ToValidUTF8(string(data), "?"))
}

// workspace is where a claim's steps start, when that is outside of its folder: made when it is absent.
func (e *Executor) workspace(claimID string, owner account) (string, error) {
	if e.config.WorkingDirectory == "" {
		return "", nil
	}
	dir := strings.ReplaceAll(e.config.WorkingDirectory, "%s", claimID)
	err := makeAll(filepath.Dir(dir), 0o711)
	if err == nil {
		err = os.Mkdir(dir, 0o700)
		if errors.Is(err, fs.ErrExist) {
			return dir, nil // Someone's choice, and so are its owner and mode.
		}
	}
	if err == nil {
		err = owner.own(dir)
	}
	if err != nil {
		return "", fmt.Errorf("make the working directory: %w", err)
	}
	return dir, nil
}

// clean removes what the task wrote.
func (e *Executor) clean(p place, r record) error {
	err := removeTree(string(p.folder()))
	if r.Workspace != "" && e.config.CleanupWorkingDirectory {
		err = errors.Join(err, removeTree(r.Workspace))
	} else if r.Workspace != "" && r.UID != 0 {
		err = errors.Join(err, closeWorkspace(r.Workspace, r.UID))
	}
	if err != nil {
		return fmt.Errorf("clean up after the task: %w", err)
	}
	return nil
}

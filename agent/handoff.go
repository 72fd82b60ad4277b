package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/remuda-dev/remuda"
)

// HandoffLimit is the largest Handoff in bytes. Steps, environment and secrets of one task fit many times; without a
// limit a broken executor would fill the memory of the machine that the tasks share.
const HandoffLimit = 64 << 20

// Handoff is all that an executor tells the agent that it starts: one JSON document on standard input, which is then
// closed. Never in arguments or environment, where every process of the machine could read it.
//
// The executor makes Dir, empty and owned by the agent's user with mode 0700, puts the socket somewhere that this
// user may reach, and leaves everything else in Dir to the agent: see Folder.
type Handoff struct {
	Claim     remuda.Claim      `json:"claim"`               // its Sealed is of no use here: leave it empty
	Secrets   map[string]string `json:"secrets,omitempty"`   // opened, by name
	Dir       string            `json:"dir"`                 // the claim folder, absolute
	Socket    string            `json:"socket,omitempty"`    // the runner's unix socket for this claim; Folder.Socket when empty
	Workspace string            `json:"workspace,omitempty"` // where steps start, absolute, exists; Folder.Work when empty

	// Environment holds what the machine's operator gives to all steps, such as PATH, LANG or HTTPS_PROXY. The agent
	// hands on nothing of its own environment.
	Environment map[string]string `json:"environment,omitempty"`

	// SpoolLimit is how many bytes of output may wait on disk to be sent, 256 MiB when 0. Past it, steps wait.
	SpoolLimit int64 `json:"spool_limit,omitempty"`
}

// ReadHandoff reads one Handoff up to the end of r. Unknown members are ignored, since a newer runner may send them;
// anything else than one whole document within HandoffLimit is refused.
func ReadHandoff(r io.Reader) (Handoff, error) {
	var h Handoff
	data, err := io.ReadAll(io.LimitReader(r, HandoffLimit+1))
	switch {
	case err != nil:
		return h, fmt.Errorf("read the handoff: %w", err)
	case len(data) > HandoffLimit:
		return h, fmt.Errorf("read the handoff: it is larger than %d bytes", HandoffLimit)
	}
	// The decoder's message may quote what it read, secrets included; its place is enough.
	if err := json.Unmarshal(data, &h); err != nil {
		return Handoff{}, fmt.Errorf("read the handoff: %s", withoutContent(err))
	}
	if err := h.check(); err != nil {
		return Handoff{}, fmt.Errorf("read the handoff: %w", err)
	}
	return h, nil
}

func (h Handoff) check() error {
	switch {
	case h.Claim.ID == "":
		return errors.New("it has no claim")
	case h.Claim.Task.Implementation == "":
		return errors.New("its claim names no implementation")
	case !filepath.IsAbs(h.Dir):
		return errors.New("its dir is not absolute")
	case h.Workspace != "" && !filepath.IsAbs(h.Workspace):
		return errors.New("its workspace is not absolute")
	}
	return nil
}

// Folder is the claim folder.
func (h Handoff) Folder() Folder { return Folder(h.Dir) }

// SocketPath is where the runner listens for this claim.
func (h Handoff) SocketPath() string {
	if h.Socket != "" {
		return h.Socket
	}
	return h.Folder().Socket()
}

// WorkPath is where steps start.
func (h Handoff) WorkPath() string {
	if h.Workspace != "" {
		return h.Workspace
	}
	return h.Folder().Work()
}

func withoutContent(err error) string {
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("no JSON at byte %d", syntax.Offset)
	case errors.As(err, &wrong):
		return fmt.Sprintf("%s has the wrong type", wrong.Field)
	default:
		return "a member cannot be understood"
	}
}

package machinerunner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// Word is what makes a runner of remuda-agent.
const Word = "runner"

// Handover is a runner that another process becomes: remuda-agent, which is small and rests on each machine, instead of
// remuda, whose control plane would rest there with it. It travels on standard input, never in arguments: it has tokens.
type Handover struct {
	Settings Settings
	Token    string // which the settings do not tell
	Coloured bool   // somebody sees colours in what the runner says
	Fetch    []string
}

// introduction is what a binary prints that can be the runner of this version, asked by its Word and --version.
func introduction(version string) string { return "remuda-agent " + version }

// probeTime is how long that may take.
const probeTime = 10 * time.Second

// Apart is the binary that can be this version's runner instead of this process, or why there is none.
func Apart(ctx context.Context, version string) (string, error) {
	if !becomes {
		return "", errors.New("on this system no process can become another")
	}
	path, found := beside()
	if !found {
		return "", fmt.Errorf("there is no %s", path)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	var said bytes.Buffer
	probe := exec.CommandContext(ctx, path, Word, "--version")
	probe.Stdout = &said
	if err := probe.Run(); err != nil {
		return "", fmt.Errorf("%s does not know how to be a runner: %w", path, err)
	}
	if theirs := strings.TrimSpace(said.String()); theirs != introduction(version) {
		return "", fmt.Errorf("%s is another version: %q", path, theirs)
	}
	return path, nil
}

// encode writes the handover with its secrets.
func (h Handover) encode() ([]byte, error) {
	h.Token = h.Settings.API.Token.Reveal()
	document, err := json.Marshal(h)
	if err != nil {
		return nil, errors.New("the runner's settings cannot be written as JSON") // The encoder's own words may quote them.
	}
	return document, nil
}

// longestHandover is more than any process hands over.
const longestHandover = 16 << 20

// readHandover reads what encode wrote.
func readHandover(from io.Reader) (Handover, error) {
	var h Handover
	document, err := io.ReadAll(io.LimitReader(from, longestHandover))
	if err == nil {
		err = json.Unmarshal(document, &h)
	}
	if err != nil {
		return h, errors.New("no runner's settings on standard input: 'remuda runner' starts this")
	}
	h.Settings.API.Token, h.Token = remuda.NewSecret(h.Token), ""
	return h, nil
}

package machinerunner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/remuda-dev/remuda/internal/journal"
)

// Process is what Main may touch of the process that it is.
type Process struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Arrived        <-chan os.Signal // interrupts, TERM and HUP
}

// Main is the runner in a process of its own: it reads a Handover from standard input, lives, and gives the exit code.
// Asked for its version, it says that and no more.
func Main(ctx context.Context, version string, args []string, process Process) int {
	switch {
	case len(args) == 1 && args[0] == "--version":
		_, _ = fmt.Fprintln(process.Stdout, introduction(version))
		return ExitDone
	case len(args) > 0:
		_, _ = fmt.Fprintln(process.Stderr, "remuda: 'remuda runner' starts this; see 'remuda runner --help'")
		return ExitUsage
	}
	err := live(ctx, version, process)
	var failed Failure
	switch {
	case err == nil:
		return ExitDone
	case !errors.As(err, &failed):
		failed = Failure{ExitFailed, err}
	}
	if failed.Err != nil {
		journal.Complain(process.Stderr, err)
	}
	return failed.Code
}

// slotsOfProcessor is how many tasks the runner carries out on one processor of its own. It mostly waits for them; on
// more processors than it needs, Go's scheduler wakes threads for each of its many small turns, which then find nothing.
const slotsOfProcessor = 8

// useProcessors lets the runner use as many processors as its slots need, and no more than it has or was given.
func useProcessors(slots int) {
	runtime.GOMAXPROCS(min(runtime.GOMAXPROCS(0), 1+slots/slotsOfProcessor))
}

func live(ctx context.Context, version string, process Process) error {
	h, err := readHandover(process.Stdin)
	if err != nil {
		return Failure{ExitUsage, err}
	}
	coloured := func(to io.Writer) bool { return h.Coloured && to == process.Stderr }
	log, done, err := journal.Open(h.Settings.Logging, process.Stderr, coloured)
	if err != nil {
		return Failure{ExitUsage, err}
	}
	defer done()
	useProcessors(h.Settings.slots())
	return Serve(ctx, h.Settings, Program{Version: version, Fetch: h.Fetch}, process.Arrived, log)
}

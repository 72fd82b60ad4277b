package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent/redact"
)

// Remains is the output that an agent leaves in its claim folder when it dies.
type Remains struct {
	folder Folder
	pipes  map[int]*os.File // by step; what lies in them stays as long as we have them open
}

// mostSteps is how many steps a claim may have. It bounds the files that one claim makes its runner open.
const mostSteps = 1000

// Hold takes hold of the steps' pipes, so that what lies in one when the agent is killed stays there. The executor calls
// it when the agent asks leave to begin; one that adopts an agent, as soon as it can, and in any case before the steps'
// processes are killed: what lies in a pipe ends with the last process that has it open.
func Hold(folder Folder) (*Remains, error) {
	r := &Remains{folder: folder, pipes: map[int]*os.File{}}
	steps, err := folder.openSteps()
	if err != nil {
		return nil, fmt.Errorf("hold the steps' output: %w", err)
	}
	if steps == nil {
		return r, nil
	}
	defer steps.Close()
	for n := range mostSteps {
		file, err := openIn(steps, strconv.Itoa(n)+pipeSuffix, os.O_RDONLY, pipe)
		if errors.Is(err, fs.ErrNotExist) {
			return r, nil // They were made all at once, from the first to the last.
		}
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("hold the steps' output: %w", err)
		}
		r.pipes[n] = file
	}
	return r, nil
}

// Close lets go.
func (r *Remains) Close() {
	for _, file := range r.pipes {
		_ = file.Close()
	}
	clear(r.pipes)
}

// Ship sends what the control plane does not hold yet of all steps that started, and closes their streams. Call it
// when the steps' processes are dead. It tries until ctx ends, or until it is told that it would be the same next
// time; then it goes on with the next step. It may be repeated, also by somebody else.
func (r *Remains) Ship(ctx context.Context, plane Plane, secrets map[string]string, log *slog.Logger) error {
	numbers, err := r.folder.spools()
	if err != nil {
		return fmt.Errorf("send what a dead agent left: %w", err)
	}
	masks, err := r.folder.masks()
	if err != nil {
		// Rather nothing than something that should be hidden.
		return fmt.Errorf("all output that was not sent yet is withheld: %w", err)
	}
	filter := redact.New(append(slices.Collect(maps.Values(secrets)), masks...)...)
	var errs []error
	for _, n := range numbers {
		err := r.shipStep(ctx, plane, n, filter, log)
		if errors.Is(err, remuda.Gone) || ctx.Err() != nil {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Ship is Hold and Remains.Ship in one, for when the processes of the steps are dead already.
func Ship(ctx context.Context, plane Plane, folder Folder, secrets map[string]string, log *slog.Logger) error {
	remains, err := Hold(folder)
	if err != nil {
		return err
	}
	defer remains.Close()
	return remains.Ship(ctx, plane, secrets, log)
}

func (r *Remains) shipStep(ctx context.Context, plane Plane, n int, filter *redact.Filter, log *slog.Logger) error {
	var held remuda.StreamState
	err := persist(ctx, log, "stream", func(ctx context.Context) (err error) {
		held, err = plane.Stream(ctx, n)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask for the output of step %d: %w", n, err)
	}
	if held.Closed {
		return nil
	}
	file, err := r.folder.open(path.Join(stepsName, strconv.Itoa(n)+spoolSuffix), os.O_RDWR, regular)
	if err != nil {
		return fmt.Errorf("open the spool of step %d: %w", n, err)
	}
	defer file.Close()
	size, err := r.drain(n, file)
	if err != nil {
		return fmt.Errorf("keep the last output of step %d: %w", n, err)
	}
	sender := newSender(plane, n, file, endedTail(size), filter, log)
	sender.held = held
	return sender.run(ctx)
}

// drain moves what lies in a step's pipe to its spool and gives the spool's size.
func (r *Remains) drain(n int, file *os.File) (int64, error) {
	size, err := file.Seek(0, 2)
	if err != nil {
		return 0, err
	}
	held, ok := r.pipes[n]
	if !ok {
		return size, nil
	}
	buffer := make([]byte, 64<<10)
	for left := pipeHolds(held); left > 0; {
		got, err := held.Read(buffer[:min(left, len(buffer))])
		if got == 0 || err != nil {
			break
		}
		if _, err := file.Write(buffer[:got]); err != nil {
			return 0, err
		}
		size, left = size+int64(got), left-got
	}
	return size, nil
}

package tofu

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// usualPath is the PATH when the machine's operator gives none.
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is what every process of the run finds. Nothing comes from the agent's own.
//
// What tells tofu where its state is and where its providers come from is ours alone: an input cannot change it.
func (r *run) environment() map[string]string {
	all := map[string]string{
		"PATH":               usualPath,
		"SHELL":              "/bin/sh",
		"LANG":               "C.UTF-8",
		"TERM":               "xterm-256color",
		"TF_IN_AUTOMATION":   "1",
		"TF_INPUT":           "0",
		"CHECKPOINT_DISABLE": "1",
	}
	maps.Copy(all, r.task.Environment)
	for _, input := range r.inputs {
		if input.Environment && !input.absent() {
			all[input.Key] = input.text
		}
	}
	for name := range all {
		if isOurs(name) {
			delete(all, name)
		}
	}
	maps.Copy(all, map[string]string{
		"HOME":               r.task.Folder.Home(),
		"TMPDIR":             r.task.Folder.Tmp(),
		"TF_CLI_CONFIG_FILE": r.settingsPath(),
		"REMUDA":             "true",
		"REMUDA_RUN_ID":      r.order.Run,
		"REMUDA_BLOCK_ID":    r.order.Block.ID,
		"REMUDA_TASK_ID":     r.task.Claim.Task.ID,
	})
	if r.program != "" {
		all["PATH"] = filepath.Dir(r.program) + string(os.PathListSeparator) + all["PATH"]
	}
	if r.backend != nil {
		maps.Copy(all, r.backend.environment())
	}
	maps.Copy(all, r.lent)
	return all
}

// isOurs are the names that decide over backend and providers.
func isOurs(name string) bool {
	switch name {
	case "TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG", "TF_PLUGIN_CACHE_DIR", "TF_DATA_DIR", "TF_WORKSPACE", "TF_REATTACH_PROVIDERS":
		return true
	}
	return strings.HasPrefix(name, "TF_HTTP_") || strings.HasPrefix(name, "TF_CLI_ARGS")
}

// list is an environment as processes take it.
func list(environment map[string]string) []string {
	all := make([]string, 0, len(environment))
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		if !strings.ContainsRune(environment[name], 0) {
			all = append(all, name+"="+environment[name])
		}
	}
	return all
}

// exited is a process that ended by itself, and not well.
type exited struct {
	command string
	code    int
	signal  string
}

func (e *exited) Error() string {
	if e.signal != "" {
		return fmt.Sprintf("%s was ended by %s", e.command, e.signal)
	}
	return fmt.Sprintf("%s ended with exit code %d", e.command, e.code)
}

// failure makes a stage's failure of it.
func (e *exited) failure() error {
	return &failure{reason: remuda.ReasonStep, code: &e.code, detail: e.Error()}
}

// wait waits for a process. When the run is to end, so is it: end has the claim's grace for that.
func (r *run) wait(ctx context.Context, process *agent.Process, command string, end func(grace time.Duration)) *exited {
	select {
	case <-process.Done():
	case <-ctx.Done():
		r.tell("ending %s: it has %s to take leave", command, r.grace())
		end(r.grace())
	}
	state := process.State()
	if state.Success() {
		return nil
	}
	return exitOf(command, state)
}

func exitOf(command string, state *os.ProcessState) *exited {
	e := &exited{command: command, code: state.ExitCode()}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && e.code < 0 {
		e.signal = signalOf(status)
	}
	return e
}

// tofu runs the program in the module's folder. Its output is the stage's, unless another file is given.
func (r *run) tofu(ctx context.Context, output *os.File, arguments ...string) (*exited, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if output == nil {
		output = r.now.Output()
	}
	process, err := r.task.Start(&exec.Cmd{
		Path:   r.program,
		Args:   append([]string{r.order.program.Product.Command()}, arguments...),
		Env:    list(r.environment()),
		Dir:    r.folder(),
		Stdout: output,
		Stderr: r.now.Output(),
	})
	if err != nil {
		return nil, err
	}
	// Interrupted, it ends what it is at in its own order, keeps the state and gives back its lock. TERM would take its
	// providers from it.
	end := r.wait(ctx, process, r.order.program.Product.Command()+" "+arguments[0], process.Interrupt)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return end, nil
}

// must runs the program where any end but a good one is the stage's failure.
func (r *run) must(ctx context.Context, arguments ...string) error {
	end, err := r.tofu(ctx, nil, arguments...)
	if err == nil && end != nil {
		err = end.failure()
	}
	return err
}

// ask runs the program and gives what it prints.
func (r *run) ask(ctx context.Context, arguments ...string) ([]byte, error) {
	answer, err := os.CreateTemp(r.task.Folder.Tmp(), "answer-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(answer.Name())
	defer answer.Close()
	end, err := r.tofu(ctx, answer, arguments...)
	if err == nil && end != nil {
		err = end.failure()
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(answer.Name())
}

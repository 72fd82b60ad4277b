package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// Refusal is the operator's no to a claim, in a sentence for whoever submitted the task.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// check says whether the operator allows a claim. A Refusal ends the task; another error means that nobody could say.
func (c Config) check(ctx context.Context, claim remuda.Claim) error {
	if err := c.Allow.check(claim.Task); err != nil {
		return err
	}
	if c.Veto == nil {
		return nil
	}
	return c.Veto(ctx, claim)
}

func (a Allow) check(task remuda.ClaimTask) error {
	if len(a.Implementations) > 0 && !slices.Contains(a.Implementations, task.Implementation) {
		return Refusal(fmt.Sprintf("this runner's operator does not allow implementation %s, only %s",
			task.Implementation, strings.Join(a.Implementations, ", ")))
	}
	if len(a.Organizations) > 0 && !slices.Contains(a.Organizations, task.Organization) {
		return Refusal(fmt.Sprintf("this runner's operator does not allow tasks of organization %s", task.Organization))
	}
	if len(a.Repositories) > 0 && !a.allowsRepository(task.Source.Repository) {
		if task.Source.Repository == "" {
			return Refusal("this runner's operator allows certain repositories only, and the task names none")
		}
		return Refusal(fmt.Sprintf("this runner's operator does not allow repository %s", task.Source.Repository))
	}
	return nil
}

func (a Allow) allowsRepository(repository string) bool {
	if repository == "" {
		return false
	}
	short := strings.TrimSuffix(repository, ".git")
	for _, pattern := range a.Repositories {
		for _, name := range []string{repository, short} {
			if matched, err := path.Match(pattern, name); err == nil && matched {
				return true
			}
		}
	}
	return false
}

// vetoTime is how long a veto command may think.
const vetoTime = time.Minute

// longestVerdict is how much of what a veto command prints becomes the refusal.
const longestVerdict = 1000

// VetoCommand asks a program of the operator's before each task. It gets the claim as JSON on its standard input,
// without its secrets and its token. Exit code 0 allows the task; any other refuses it, and what the program printed is the
// sentence that its submitter reads. A program that cannot be run allows nothing: the claim is handed back.
func VetoCommand(argv []string) func(ctx context.Context, claim remuda.Claim) error {
	return func(ctx context.Context, claim remuda.Claim) error {
		claim.Sealed, claim.Token = nil, ""
		document, err := json.Marshal(claim)
		if err != nil {
			return fmt.Errorf("tell the veto hook of the claim: %w", err)
		}
		ctx, cancel := context.WithTimeout(ctx, vetoTime)
		defer cancel()
		var printed bytes.Buffer
		hook := exec.CommandContext(ctx, argv[0], argv[1:]...)
		hook.Stdin, hook.Stdout, hook.Stderr = bytes.NewReader(document), &printed, &printed
		hook.WaitDelay = time.Second // What it left running in the background may keep its output open.
		err = hook.Run()
		var exit *exec.ExitError
		switch {
		case err == nil || errors.Is(err, exec.ErrWaitDelay):
			return nil
		case ctx.Err() == nil && errors.As(err, &exit) && exit.Exited():
			return Refusal(verdict(printed.String(), exit.ExitCode()))
		}
		return fmt.Errorf("ask the veto hook: %w", err)
	}
}

func verdict(printed string, code int) string {
	sentence := strings.ToValidUTF8(strings.TrimSpace(printed), "?")
	if sentence == "" {
		return fmt.Sprintf("this runner's operator refuses the task (veto hook, exit code %d)", code)
	}
	return "this runner's operator refuses the task: " + shorten(sentence, longestVerdict)
}

// shorten keeps the beginning of a text, at a character's border.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "…"
}

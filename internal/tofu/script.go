package tofu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/remuda-dev/remuda"
)

// preRun runs the definition's script, between init and what the run is for.
func (r *run) preRun(ctx context.Context) error {
	return r.script(ctx, "pre_run_script", r.order.tofu.PreRunScript)
}

// maintain runs the script of a maintenance run, beside the block's state and inputs.
func (r *run) maintain(ctx context.Context) error {
	return r.script(ctx, "maintenance_script", r.order.Script)
}

// longestMessage is what a script may say to whoever ordered the block.
const longestMessage = 16 << 10

// script runs bash in the initialised module: $1 is the behavior, standard input the run as JSON. What it writes to the
// file in $REMUDA_USER_MESSAGE, which is $MESHSTACK_USER_MESSAGE for scripts that were written for that, is told to
// whoever ordered the block.
func (r *run) script(ctx context.Context, name, text string) error {
	bash, found := look("bash", r.environment()["PATH"])
	if !found {
		return refuse("there is no bash on this machine, and the script is for it")
	}
	document, err := r.document()
	if err != nil {
		return err
	}
	place := func(suffix string) string { return r.task.Folder.Beside(name + suffix) }
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	err = errors.Join(create(place(".sh"), []byte(text)), create(place(".json"), document), create(place(".message"), nil))
	if err != nil {
		return fmt.Errorf("prepare the script: %w", err)
	}
	input, err := os.Open(place(".json"))
	if err != nil {
		return fmt.Errorf("prepare the script: %w", err)
	}
	defer input.Close()
	environment := r.environment()
	environment["REMUDA_USER_MESSAGE"] = place(".message")
	environment["MESHSTACK_USER_MESSAGE"] = place(".message")
	process, err := r.task.Start(&exec.Cmd{
		Path:   bash,
		Args:   []string{"bash", "-e", "-o", "pipefail", place(".sh"), string(r.order.Behavior)},
		Env:    list(environment),
		Dir:    r.folder(),
		Stdin:  input,
		Stdout: r.now.Output(),
		Stderr: r.now.Output(),
	})
	if err != nil {
		return err
	}
	end := r.wait(ctx, process, "the script", process.End)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := r.report(ctx, place(".message")); err != nil {
		return err
	}
	if end != nil {
		return end.failure()
	}
	return nil
}

// report tells what a script left as its message.
func (r *run) report(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil // It took it away, and has nothing to say.
	}
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, longestMessage))
	if err != nil || len(strings.TrimSpace(string(text))) == 0 {
		return nil
	}
	r.messages = append(r.messages, remuda.StepMessage{Step: r.now.Name(), Message: r.task.Hide(strings.TrimSpace(strings.ToValidUTF8(string(text), "")))})
	return r.plane.ReportRun(ctx, remuda.RunReport{Messages: r.messages})
}

// look finds a program in a PATH.
func look(name, path string) (string, bool) {
	for _, dir := range filepath.SplitList(path) {
		program := filepath.Join(dir, name)
		if info, err := os.Stat(program); filepath.IsAbs(dir) && err == nil && info.Mode().IsRegular() {
			return program, true
		}
	}
	return "", false
}

// document is the run as a script reads it: our own form, and beside it the members of meshStack's that scripts ask for.
func (r *run) document() ([]byte, error) {
	type input struct {
		Key         string          `json:"key"`
		Value       json.RawMessage `json:"value"`
		Type        string          `json:"type"`
		Sensitive   bool            `json:"isSensitive"`
		Environment bool            `json:"isEnvironment"`
	}
	inputs := []input{}
	for _, v := range r.inputs {
		inputs = append(inputs, input{v.Key, v.json, strings.ToUpper(string(v.Type)), v.Secret != "", v.Environment})
	}
	o := r.order
	document := map[string]any{
		"kind":       "meshBuildingBlockRun",
		"apiVersion": "v1",
		"metadata":   map[string]any{"uuid": o.Run},
		"spec": map[string]any{
			"runNumber": o.Number,
			"behavior":  o.Behavior,
			"trigger": map[string]any{
				"reason": o.Trigger,
				"author": map[string]any{"type": o.Author.Kind, "identifier": o.Author.Name, "displayName": o.Author.DisplayName},
			},
			"buildingBlock": map[string]any{"uuid": o.Block.ID, "spec": map[string]any{
				"displayName":            o.Block.Name,
				"workspaceIdentifier":    o.Block.Organization,
				"projectIdentifier":      o.Block.Project,
				"fullPlatformIdentifier": o.Block.Platform,
				"inputs":                 inputs,
			}},
			"buildingBlockDefinition": map[string]any{"uuid": o.Definition.ID, "spec": map[string]any{
				"workspaceIdentifier": o.Definition.Organization,
				"version":             o.Definition.Version,
			}},
		},
		"run":        o.Run,
		"number":     o.Number,
		"behavior":   o.Behavior,
		"trigger":    o.Trigger,
		"author":     o.Author,
		"block":      o.Block,
		"definition": o.Definition,
		"parents":    o.Parents,
	}
	if r.token.Token != "" {
		document["spec"].(map[string]any)["runToken"] = r.token.Token
		document["_links"] = r.links()
	}
	text, err := json.Marshal(document)
	if err != nil {
		return nil, errors.New("the run cannot be written as JSON") // The encoder's own words may quote a secret.
	}
	return text, nil
}

// links say where others report of the run by its token, as meshStack's runs have them.
func (r *run) links() map[string]any {
	base := strings.TrimRight(r.token.URL, "/")
	self := base + "/api/meshobjects/meshbuildingblockruns/" + r.order.Run
	return map[string]any{
		"self":             map[string]any{"href": self},
		"registerSource":   map[string]any{"href": self + "/status/source"},
		"updateSource":     map[string]any{"href": self + "/status/source/{sourceId}", "templated": true},
		"meshstackBaseUrl": map[string]any{"href": base},
	}
}

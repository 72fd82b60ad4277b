package blocks

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/remuda-dev/remuda"
)

// startManual carries out a run that needs no runner. Its outputs are its inputs, so it has succeeded as soon as it
// began; but with approval, its definition's owner does by hand what is to be done, and then says how it ended.
func (t *change) startManual(ctx context.Context, s *scene, run *RunRow, values resolved) error {
	outputs, secrets, err := t.r.manualOutputs(s, values)
	if err != nil {
		return err
	}
	if run.Behavior == remuda.Detect {
		run.Changes = -1 // there is nothing to compare with
	}
	if err := t.giveOutputs(ctx, run, outputs, secrets); err != nil {
		return err
	}
	if err := t.Update(ctx, run, "version_id", "version", "inputs", "changes"); err != nil {
		return err
	}
	if err := t.Note(ctx, "run.queued", s.block.OrganizationID, run.ID, fmt.Sprintf("%s of block %s, which is manual", run.Behavior, s.block.Name)); err != nil {
		return err
	}
	if s.version.Approval && changes(*run) {
		return t.move(ctx, s, run, remuda.RunInProgress, "")
	}
	return t.end(ctx, s, run, remuda.RunSucceeded, "")
}

// manualOutputs are the outputs that follow from a block's inputs.
func (r *Rules) manualOutputs(s *scene, values resolved) (outputs map[string]remuda.Value, secrets map[string]string, err error) {
	outputs, secrets = map[string]remuda.Value{}, map[string]string{}
	for key, out := range s.version.Outputs {
		if secret, is := values.secrets[key]; is {
			secrets[outputSecret(key)] = secret
			outputs[key] = remuda.Value{Hash: r.hash(s.block.ID, secret)}
			continue
		}
		value := values.values[key].Value
		if isNull(value) {
			continue
		}
		if out.Type == remuda.TypeCode || out.Type == remuda.TypeString {
			var text string
			if json.Unmarshal(value, &text) != nil { // a list becomes its text
				if value, err = json.Marshal(string(value)); err != nil {
					return nil, nil, err
				}
			}
		}
		outputs[key] = remuda.Value{Value: value}
	}
	return outputs, secrets, nil
}

// giveOutputs writes the outputs of a run.
func (t *change) giveOutputs(ctx context.Context, run *RunRow, outputs map[string]remuda.Value, secrets map[string]string) (err error) {
	if run.Outputs, err = encode(outputs); err != nil {
		return err
	}
	if run.Secrets, err = t.r.closeSecrets("runs", run.ID, secrets); err != nil {
		return err
	}
	return t.Update(ctx, run, "outputs", "secrets")
}

// FinishManualRun says how a manual run ended, by the definition's owner. Outputs that are given take the place of those
// that follow from the inputs. Only runs of versions with approval wait for it; others end by themselves.
func (d UserDoor) FinishManualRun(ctx context.Context, id string, status remuda.RunStatus, outputs map[string]remuda.Value) (remuda.BlockRun, error) {
	if !status.Ended() {
		return remuda.BlockRun{}, remuda.Fail(remuda.Invalid, "a run ends as succeeded, failed or aborted")
	}
	err := d.change(ctx, func(t *change) error {
		row, err := d.run(ctx, t.tx, id)
		if err != nil {
			return err
		}
		if !d.manages(row.OwnerID) {
			return remuda.Fail(remuda.Forbidden, "the definition's owner says how a manual run ended: this needs the permission "+remuda.PermitManagedBlockSave)
		}
		s, err := t.r.scene(ctx, t.tx, row.BlockID)
		if err != nil {
			return err
		}
		run := row.RunRow
		switch {
		case run.TaskID != "" || s.version.Implementation.Type != remuda.BlueprintManual:
			return remuda.Fail(remuda.Conflict, fmt.Sprintf("run %d is carried out by a runner, which says how it ended", run.Number))
		case run.Status.Ended():
			return remuda.Fail(remuda.Conflict, fmt.Sprintf("run %d has ended already: it is %s", run.Number, run.Status))
		case s.block.LiveRun != run.ID:
			return remuda.Fail(remuda.Conflict, fmt.Sprintf("run %d has not begun: it waits for the run before", run.Number))
		}
		if err := t.replaceOutputs(ctx, s, &run, outputs); err != nil {
			return err
		}
		return t.end(ctx, s, &run, status, "finished by "+d.user.Name)
	})
	if err != nil {
		return remuda.BlockRun{}, err
	}
	return d.Run(ctx, id)
}

// replaceOutputs puts what the owner says in the place of what follows from the inputs.
func (t *change) replaceOutputs(ctx context.Context, s *scene, run *RunRow, given map[string]remuda.Value) error {
	if len(given) == 0 {
		return nil
	}
	outputs, err := readObject[remuda.Value](run.Outputs)
	if err != nil {
		return err
	}
	secrets, err := t.r.openSecrets("runs", run.ID, run.Secrets)
	if err != nil {
		return err
	}
	var wrong problems
	for _, key := range slices.Sorted(maps.Keys(given)) {
		out, declared := s.version.Outputs[key]
		place := "body.outputs." + key
		if !declared {
			wrong.add(place, "the version has no output "+key)
			continue
		}
		name := outputSecret(key)
		if out.Sensitive {
			kept, problem := t.r.keep(s.block.ID, name, given[key], secrets, secrets)
			if problem != "" {
				wrong.add(place, problem)
			}
			outputs[key] = kept
			continue
		}
		value, problem := canonical(remuda.Input{Type: out.Type}, given[key].Value)
		if problem != "" {
			wrong.add(place, problem)
		}
		outputs[key] = remuda.Value{Value: value}
	}
	if err := wrong.err("the run is not finished"); err != nil {
		return err
	}
	return t.giveOutputs(ctx, run, outputs, secrets)
}

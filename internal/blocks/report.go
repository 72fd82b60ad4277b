package blocks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// What a run's agent may say, in bytes.
const (
	mostPlan     = 4 << 20 // of a plan's summary
	mostOutputs  = 4 << 20 // of all outputs
	mostMessages = 256 << 10
)

// Report keeps what a run's agent says of its plan and outputs.
func (d RunDoor) Report(ctx context.Context, report remuda.RunReport) error {
	return d.r.changeIn(ctx, control.Beside, "run", func(t *change) error {
		view, _, err := d.live(ctx, t.tx)
		if err != nil {
			return err
		}
		var run RunRow
		if err := t.Get(ctx, &run, view.ID); err != nil {
			return err
		}
		columns, err := t.said(ctx, &run, report)
		if err != nil || len(columns) == 0 {
			return err
		}
		return t.Update(ctx, &run, columns...)
	})
}

// said fills in what a report carries; each call replaces it.
func (t *change) said(ctx context.Context, run *RunRow, report remuda.RunReport) (columns []string, err error) {
	if report.Changes != nil {
		run.Changes = -1
		if *report.Changes {
			run.Changes = 1
		}
		columns = append(columns, "changes")
	}
	if report.Plan != nil {
		if run.Plan, err = bounded(report.Plan, mostPlan, "a plan's summary"); err != nil {
			return nil, err
		}
		columns = append(columns, "plan")
	}
	if report.Messages != nil {
		if run.Messages, err = bounded(report.Messages, mostMessages, "what steps say"); err != nil {
			return nil, err
		}
		columns = append(columns, "messages")
	}
	if report.Outputs == nil {
		return columns, nil
	}
	var row VersionRow
	if err := t.Get(ctx, &row, run.VersionID); err != nil {
		return nil, err
	}
	version, err := readVersion(row)
	if err != nil {
		return nil, err
	}
	outputs, secrets, err := t.r.reported(run.BlockID, version, report.Outputs)
	if err != nil {
		return nil, err
	}
	if run.Outputs, err = encode(outputs); err != nil {
		return nil, err
	}
	if run.Secrets, err = t.r.closeSecrets("runs", run.ID, secrets); err != nil {
		return nil, err
	}
	return append(columns, "outputs", "secrets"), nil
}

// bounded is JSON of a bounded size.
func bounded(value any, most int, what string) (string, error) {
	text, err := encode(value)
	if err == nil && len(text) > most {
		err = remuda.Fail(remuda.TooLarge, fmt.Sprintf("%s has at most %d bytes", what, most))
	}
	return text, err
}

// reported takes the outputs that a version declares, and all when it declares none. One is secret when either the
// version or the run says so.
func (r *Rules) reported(block string, version remuda.Version, said map[string]remuda.RunOutput) (outputs map[string]remuda.Value, secrets map[string]string, err error) {
	outputs, secrets = map[string]remuda.Value{}, map[string]string{}
	size := 0
	for _, key := range slices.Sorted(maps.Keys(said)) {
		out := said[key]
		declared, is := version.Outputs[key]
		if !is && len(version.Outputs) > 0 || isNull(out.Value) {
			continue
		}
		if size += len(key) + len(out.Value); size > mostOutputs {
			return nil, nil, remuda.Fail(remuda.TooLarge, fmt.Sprintf("outputs have at most %d bytes together", mostOutputs))
		}
		if out.Sensitive || declared.Sensitive {
			text := plainText(out.Value)
			secrets[outputSecret(key)] = text
			outputs[key] = remuda.Value{Hash: r.hash(block, text)}
			continue
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, out.Value); err != nil {
			return nil, nil, remuda.Fail(remuda.Invalid, "output "+key+" is no JSON")
		}
		outputs[key] = remuda.Value{Value: compact.Bytes()}
	}
	return outputs, secrets, nil
}

package blocks_test

import (
	"context"
	"encoding/json"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal"
)

// horse is a registered runner that answers for itself, without a loop.
type horse struct {
	control.RunnerDoor
	id  string
	key *seal.Key
}

// work is one claim of a run.
type work struct {
	claim   remuda.Claim
	order   remuda.RunOrder
	secrets map[string]string
	door    blocks.RunDoor
	agent   control.TaskDoor
}

// claim takes the next run, which must be there.
func (w *town) claim() work {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if w.horse == nil {
		key, err := seal.NewKey()
		done(w.t, err)
		registered := got(w.plane.Register(ctx, remuda.Registration{
			Name: "horse", Slots: 100, PublicKey: key.Public(), Capabilities: []string{"opentofu", "github"}, Tokens: []remuda.Secret{remuda.NewSecret(w.token)},
		}, "127.0.0.1"))(w.t)
		principal := got(w.plane.Authenticate(ctx, registered.Token))(w.t)
		w.horse = &horse{RunnerDoor: w.plane.AsRunner(principal.Runner), id: principal.Runner, key: key}
	}
	var live []string
	done(w.t, w.store.Read(ctx, func(v control.View) error {
		attempts, err := v.LiveAttempts(ctx, w.horse.id)
		for _, a := range attempts {
			live = append(live, a.ID)
		}
		return err
	}))
	if len(w.spare) == 0 {
		w.spare = got(w.horse.Sync(ctx, remuda.Sync{Ready: true, Holding: live}))(w.t).Claims
	}
	if len(w.spare) == 0 {
		w.t.Fatal("there is no run to claim")
	}
	next := w.spare[0]
	w.spare = w.spare[1:]
	return w.open(next)
}

func (w *town) open(c remuda.Claim) work {
	w.t.Helper()
	it := work{claim: c, door: w.rules.AsRun(c.ID), agent: w.plane.AsTask(c.ID)}
	done(w.t, json.Unmarshal(c.Payload, &it.order))
	if len(c.Sealed) > 0 {
		plain, err := w.horse.key.Open([]byte(c.ID), c.Sealed)
		done(w.t, err)
		done(w.t, json.Unmarshal(plain, &it.secrets))
	}
	got(it.agent.Begin(w.t.Context(), remuda.Begin{Steps: []remuda.Step{{Name: "init", State: remuda.StepRunning}}}))(w.t)
	return it
}

// finish reports outputs and ends a run.
func (w *town) finish(it work, report remuda.RunReport, result remuda.Result) {
	w.t.Helper()
	done(w.t, it.door.Report(w.t.Context(), report))
	done(w.t, w.horse.Finish(w.t.Context(), it.claim.ID, result))
}

var succeeded = remuda.Result{State: remuda.Succeeded}

// succeed claims the next run and has it succeed with these outputs.
func (w *town) succeed(outputs map[string]any) work {
	w.t.Helper()
	it := w.claim()
	w.finish(it, remuda.RunReport{Outputs: told(outputs)}, succeeded)
	w.settled(it)
	return it
}

// told are outputs as an agent reports them.
func told(outputs map[string]any) map[string]remuda.RunOutput {
	said := map[string]remuda.RunOutput{}
	for key, v := range outputs {
		said[key] = remuda.RunOutput{Type: remuda.TypeString, Value: value(v).Value}
	}
	return said
}

// settled waits until a run's end means something for its block.
func (w *town) settled(it work) {
	w.t.Helper()
	w.until("run "+it.order.Run+" is settled", func() bool {
		run := got(w.rules.AsUser(control.User{Name: "root", Admin: true}).Run(w.t.Context(), it.order.Run))(w.t)
		return run.Status.Ended()
	})
}

package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// settling has the rules of building blocks run beside a town's server.
func (w *town) settling() {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.server.options.Blocks.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			w.t.Errorf("settling ended with %v", err)
		}
	})
}

const deskVersion = `{"implementation": {"type": "manual"}, "approval": true, "inputs": {
	"floor": {"type": "integer", "assignment": "user"},
	"color": {"type": "single_select", "assignment": "user", "choices": ["oak", "white"], "default": {"value": "oak"}},
	"pin": {"type": "string", "assignment": "user", "sensitive": true, "optional": true}}}`

// desk is a released definition that is carried out by hand.
func (w *town) desk() string {
	w.t.Helper()
	d := read[remuda.Definition](w.t, w.want(201, "POST", v1+"/definitions", w.admin, `{"name": "Desk", "organization": "acme", "run_transparency": true}`))
	w.want(200, "PUT", v1+"/definitions/"+d.ID+"/versions/1", w.admin, deskVersion)
	w.want(200, "POST", v1+"/definitions/"+d.ID+"/versions/1/release", w.admin, nil)
	return d.ID
}

func TestABlockGoesFromOrderToOutputsByHTTP(t *testing.T) {
	w := newTown(t)
	w.settling()
	desk := w.desk()
	order := `{"name": "mine", "organization": "acme", "definition": "` + desk + `"}`
	b := read[remuda.Block](t, w.want(201, "POST", v1+"/blocks", w.admin, order, "Idempotency-Key", "once"))
	if b.Status != remuda.BlockWaitsForUser || len(b.Missing) != 1 || b.Missing[0] != "floor" {
		t.Fatalf("an order that lacks an input is %+v", b)
	}
	if again := read[remuda.Block](t, w.want(201, "POST", v1+"/blocks", w.admin, order, "Idempotency-Key", "once")); again.ID != b.ID {
		t.Error("the same key orders twice")
	}

	followed := w.open(t.Context(), "GET", v1+"/blocks/"+b.ID, w.admin, nil, "Accept", eventStream)
	defer followed.Body.Close()
	w.want(200, "PATCH", v1+"/blocks/"+b.ID, w.admin, `{"inputs": {"floor": {"value": 3}, "pin": {"secret": "hunter2-hunter2"}}}`)
	runs := read[remuda.Page[remuda.BlockRun]](t, w.want(200, "GET", v1+"/blocks/"+b.ID+"/runs", w.admin, nil))
	if len(runs.Items) != 1 || runs.Items[0].Behavior != remuda.Apply || runs.Items[0].Task != "" {
		t.Fatalf("its runs are %+v", runs.Items)
	}
	run := runs.Items[0].ID
	w.want(200, "POST", v1+"/runs/"+run+"/finish", w.admin, `{"status": "succeeded"}`)
	shown := w.want(200, "GET", v1+"/blocks/"+b.ID, w.admin, nil)
	if b = read[remuda.Block](t, shown); b.Status != remuda.BlockSucceeded || string(b.Outputs["floor"].Value) != "3" || string(b.Outputs["color"].Value) != `"oak"` {
		t.Errorf("finished, it is %s", shown)
	}
	if b.Inputs["pin"].Hash == "" || strings.Contains(string(shown.body), "hunter2") {
		t.Errorf("its secret is shown: %s", shown)
	}

	w.want(200, "DELETE", v1+"/blocks/"+b.ID, w.admin, nil)
	runs = read[remuda.Page[remuda.BlockRun]](t, w.want(200, "GET", v1+"/runs?block="+b.ID+"&status=pending&status=in_progress", w.admin, nil))
	if len(runs.Items) != 1 || runs.Items[0].Behavior != remuda.Destroy {
		t.Fatalf("being destroyed, its live runs are %+v", runs.Items)
	}
	w.want(200, "POST", v1+"/runs/"+runs.Items[0].ID+"/finish", w.admin, `{"status": "succeeded"}`)
	told := events(t, followed.Body, nil)
	if len(told) < 3 || told[len(told)-1].name != "end" {
		t.Fatalf("who follows is told %v", told)
	}
	var blocks, seen int
	for _, one := range told {
		switch one.name {
		case "block":
			blocks++
		case "run":
			seen++
		}
	}
	if blocks < 2 || seen == 0 {
		t.Errorf("who follows is told of %d changes of the block and %d of its runs", blocks, seen)
	}
	w.want(200, "GET", v1+"/blocks/"+b.ID, w.admin, nil) // deleted, it stays readable
}

func TestAllThatIsWrongWithAnOrderIsInOneAnswer(t *testing.T) {
	w := newTown(t)
	desk := w.desk()
	answer := w.want(422, "POST", v1+"/blocks", w.admin, `{"name": "mine", "organization": "acme", "definition": "`+desk+`", "inputs": {
		"floor": {"value": "third"}, "color": {"value": "pink"}, "colour": {"value": "oak"}}}`)
	p := read[Problem](t, answer)
	var places []string
	for _, field := range p.Errors {
		places = append(places, field.Location)
	}
	if all := strings.Join(places, " "); !strings.Contains(all, "floor") || !strings.Contains(all, "color") || !strings.Contains(all, "colour") {
		t.Errorf("the problem names %v", p.Errors)
	}
}

func TestTheClientManagesBuildingBlocks(t *testing.T) {
	w := newTown(t)
	w.settling()
	c, err := client.New(w.url, client.Options{})
	done(t, err)
	defer c.CloseIdle()
	u, ctx := c.User(w.admin), t.Context()

	d := must[remuda.Definition](t)(u.CreateDefinition(ctx, remuda.Definition{Organization: "acme", Name: "Desk", Access: remuda.AccessAll}))
	d.Description = "To work at"
	if d = must[remuda.Definition](t)(u.ChangeDefinition(ctx, d.ID, d)); d.Description != "To work at" || d.Access != remuda.AccessAll {
		t.Errorf("changed, it is %+v", d)
	}
	secret := remuda.NewSecret("hunter2-hunter2")
	v := remuda.Version{Approval: true, Implementation: remuda.Blueprint{Type: remuda.BlueprintManual}, Inputs: map[string]remuda.Input{
		"floor": {Type: remuda.TypeInteger, Assignment: remuda.AssignUser},
		"pin":   {Type: remuda.TypeString, Assignment: remuda.AssignUser, Sensitive: true, Default: &remuda.Value{Secret: &secret}},
	}}
	v = must[remuda.Version](t)(u.ChangeVersion(ctx, d.ID, 1, v))
	if v.Inputs["pin"].Default == nil || v.Inputs["pin"].Default.Hash == "" {
		t.Errorf("its secret default is %+v", v.Inputs["pin"].Default)
	}
	v = must[remuda.Version](t)(u.ChangeVersion(ctx, d.ID, 1, v)) // the hash keeps it
	must[remuda.Version](t)(u.ReleaseVersion(ctx, d.ID, 1))
	next := must[remuda.Version](t)(u.CreateVersion(ctx, d.ID, remuda.Version{Implementation: v.Implementation}))
	if all := must[remuda.Page[remuda.Version]](t)(u.Versions(ctx, d.ID, client.PageQuery{})); len(all.Items) != 2 || all.Items[0].Number != 2 {
		t.Errorf("versions are %+v", all.Items)
	}
	done(t, u.DeleteVersion(ctx, d.ID, next.Number))
	if one := must[remuda.Version](t)(u.VersionOf(ctx, d.ID, 1)); one.State != remuda.VersionReleased {
		t.Errorf("version 1 is %s", one.State)
	}
	if all := must[remuda.Page[remuda.Definition]](t)(u.Definitions(ctx, client.DefinitionFilter{Released: true, Search: "esk"}, client.PageQuery{})); len(all.Items) != 1 {
		t.Errorf("definitions are %+v", all.Items)
	}

	b := must[remuda.Block](t)(u.OrderBlock(ctx, remuda.Block{Organization: "acme", Definition: d.ID, Name: "mine", Inputs: map[string]remuda.Value{
		"floor": {Value: []byte("3")}, "pin": {Secret: &secret},
	}}, ""))
	manual := must[remuda.Page[remuda.BlockRun]](t)(u.Runs(ctx, client.RunFilter{Block: b.ID}, client.PageQuery{})).Items[0]
	ended := must[remuda.BlockRun](t)(u.FinishManualRun(ctx, manual.ID, remuda.RunSucceeded, nil))
	if ended.Status != remuda.RunSucceeded {
		t.Errorf("finished, the run is %+v", ended)
	}
	name := "ours"
	if b = must[remuda.Block](t)(u.ChangeBlock(ctx, b.ID, remuda.BlockChange{Name: &name})); b.Name != name {
		t.Errorf("changed, the block is %+v", b)
	}
	again := must[remuda.BlockRun](t)(u.RunBlock(ctx, b.ID, remuda.RunRequest{}))
	if again = must[remuda.BlockRun](t)(u.AbortRun(ctx, again.ID)); again.Status != remuda.RunAborted {
		t.Errorf("aborted, the run is %+v", again)
	}
	if _, err := u.ApproveRun(ctx, again.ID); !errors.Is(err, remuda.Conflict) {
		t.Errorf("approving an APPLY is %v", err)
	}
	if _, err := u.RejectRun(ctx, again.ID); !errors.Is(err, remuda.Conflict) {
		t.Errorf("rejecting an APPLY is %v", err)
	}
	if all := must[remuda.Page[remuda.BlockState]](t)(u.States(ctx, b.ID, client.PageQuery{})); len(all.Items) != 0 {
		t.Errorf("states are %+v", all.Items)
	}
	for what, err := range map[string]error{
		"its lock":  func() error { _, err := u.StateLock(ctx, b.ID); return err }(),
		"its state": func() error { _, err := u.StateText(ctx, b.ID, 1); return err }(),
		"rollback":  func() error { _, err := u.RollBackState(ctx, b.ID, 1); return err }(),
		"its plan":  func() error { _, err := u.Plan(ctx, manual.ID); return err }(),
	} {
		if !errors.Is(err, remuda.NotFound) {
			t.Errorf("%s is %v", what, err)
		}
	}
	gone := must[remuda.Block](t)(u.DeleteBlock(ctx, b.ID, true))
	if gone = must[remuda.Block](t)(u.Block(ctx, gone.ID)); gone.Lifecycle != remuda.LifecycleDeleted {
		t.Errorf("purged, it is %s", gone.Lifecycle)
	}
	var last remuda.Block
	done(t, u.FollowBlock(ctx, b.ID, func(f client.FollowedBlock) error {
		if f.Block != nil {
			last = *f.Block
		}
		return nil
	}))
	if last.Lifecycle != remuda.LifecycleDeleted {
		t.Errorf("followed, it is %+v", last)
	}
	everything := client.BlockFilter{Lifecycle: []remuda.Lifecycle{remuda.LifecycleDeleted}}
	if all := must[remuda.Page[remuda.Block]](t)(u.Blocks(ctx, everything, client.PageQuery{})); len(all.Items) != 1 {
		t.Errorf("deleted blocks are %+v", all.Items)
	}
}

func TestTheClientManagesWhatBuildingBlocksNeed(t *testing.T) {
	w := newTown(t)
	c, err := client.New(w.url, client.Options{})
	done(t, err)
	defer c.CloseIdle()
	u, ctx := c.User(w.admin), t.Context()
	key := remuda.NewSecret("-----BEGIN PRIVATE KEY-----")
	i := must[remuda.Integration](t)(u.CreateIntegration(ctx, remuda.Integration{
		Organization: "acme", Name: "Azure", Type: "azuredevops", URL: "https://dev.azure.com", Owner: "acme", Credential: &remuda.Value{Secret: &key},
	}))
	if i.Credential == nil || i.Credential.Hash == "" || i.Credential.Secret != nil {
		t.Errorf("its credential is %+v", i.Credential)
	}
	hash := i.Credential.Hash
	i.Name, i.Credential = "Azure DevOps", nil
	if i = must[remuda.Integration](t)(u.ChangeIntegration(ctx, i.ID, i)); i.Name != "Azure DevOps" || i.Credential == nil || i.Credential.Hash != hash {
		t.Errorf("changed, it is %+v", i)
	}
	must[remuda.Integration](t)(u.Integration(ctx, i.ID))
	if all := must[remuda.Page[remuda.Integration]](t)(u.Integrations(ctx, "acme", client.PageQuery{})); len(all.Items) != 1 {
		t.Errorf("integrations are %+v", all.Items)
	}
	done(t, u.DeleteIntegration(ctx, i.ID))

	must[remuda.Project](t)(u.CreateProject(ctx, remuda.Project{Organization: "acme", Name: "app"}))
	place := must[remuda.Tenant](t)(u.CreateTenant(ctx, remuda.Tenant{Organization: "acme", Project: "app", Platform: "aws.eu"}))
	must[remuda.Tenant](t)(u.Tenant(ctx, place.ID))
	if all := must[remuda.Page[remuda.Tenant]](t)(u.Tenants(ctx, "acme", "app", client.PageQuery{})); len(all.Items) != 1 {
		t.Errorf("tenants are %+v", all.Items)
	}
	done(t, u.DeleteTenant(ctx, place.ID))

	e := must[remuda.BlockRunnerEntry](t)(u.CreateRunnerEntry(ctx, remuda.BlockRunnerEntry{Organization: "acme", DisplayName: "Theirs", Implementation: "ALL"}))
	e.DisplayName = "Their runners"
	must[remuda.BlockRunnerEntry](t)(u.ChangeRunnerEntry(ctx, e.ID, e))
	if one := must[remuda.BlockRunnerEntry](t)(u.RunnerEntry(ctx, e.ID)); one.DisplayName != "Their runners" || one.ResourceClass != e.ResourceClass {
		t.Errorf("changed, it is %+v", one)
	}
	if all := must[remuda.Page[remuda.BlockRunnerEntry]](t)(u.RunnerEntries(ctx, "acme", client.PageQuery{})); len(all.Items) != 1 {
		t.Errorf("entries are %+v", all.Items)
	}
	done(t, u.DeleteRunnerEntry(ctx, e.ID))
}

func TestWhoMayNotSeeABlockFollowsNone(t *testing.T) {
	w := newTown(t)
	desk := w.desk()
	b := read[remuda.Block](t, w.want(201, "POST", v1+"/blocks", w.admin, `{"name": "mine", "organization": "acme", "definition": "`+desk+`"}`))
	w.want(201, "POST", v1+"/organizations", w.admin, `{"name": "beta"}`)
	other := read[remuda.Token](t, w.want(201, "POST", v1+"/tokens", w.admin, `{"kind": "organization", "nickname": "other", "organization": "beta", "role": "admin"}`)).Token
	w.want(http.StatusNotFound, "GET", v1+"/blocks/"+b.ID, other, nil, "Accept", eventStream)
	w.want(http.StatusNotFound, "GET", v1+"/blocks/"+b.ID, other, nil)
	w.want(http.StatusForbidden, "PATCH", v1+"/blocks/"+b.ID, w.viewer, `{"inputs": {"floor": {"value": 3}}}`)
}

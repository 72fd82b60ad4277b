package block_test

import (
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

func TestAViewerSeesNoButtonAndIsRefusedWhenItPressesAnyway(t *testing.T) {
	w := newTown(t)
	block := w.order("orders", w.define("Database", approved()), map[string]remuda.Value{"note": value("1")})
	it := w.claim()
	done(t, it.door.WriteState(t.Context(), "", []byte(`{"version":4,"serial":1,"lineage":"l"}`)))
	done(t, it.door.WriteState(t.Context(), "", []byte(`{"version":4,"serial":2,"lineage":"l"}`)))
	got(it.door.LockState(t.Context(), remuda.StateLock{ID: "l1"}))(t)
	viewer, stranger := w.browser(w.token("acme", remuda.RoleViewer)), w.browser(w.token("umbrella", remuda.RoleAdmin))
	page, run := "/blocks/"+block.ID, atRun(it)
	pressed := []string{
		page + "/plan", page + "/apply", page + "/destroy", page + "/purge", page + "/maintenance", page + "/unlock", page + "/states/1/roll-back",
		run + "/approve", run + "/reject", run + "/abort", run + "/finish",
	}
	for _, path := range []string{page, run} {
		text := viewer.sees(path)
		says(t, path, text, "orders")
		for _, action := range append(pressed, page+"/states/1", page+"/inputs") {
			lacks(t, path, text, `"`+action+`"`)
		}
	}
	if code, _ := viewer.see(page + "/states/1"); code != 403 {
		t.Errorf("to a viewer, the state is %d", code)
	}
	for _, action := range pressed {
		if code, text := viewer.send(action, map[string][]string{"status": {"succeeded"}, "script": {"true"}}); code != 403 {
			t.Errorf("%s of a viewer is %d: %s", action, code, text)
		}
		if code, text := stranger.send(action, map[string][]string{"status": {"succeeded"}, "script": {"true"}}); code != 404 {
			t.Errorf("%s of another organization is %d: %s", action, code, text)
		}
	}
	for _, path := range []string{page, run, page + "/states/1", page + "/maintenance", "/live" + page, "/live" + run} {
		if code, text := stranger.see(path); code != 404 || strings.Contains(text, "orders") {
			t.Errorf("%s is %d for another organization: %s", path, code, text)
		}
	}
	lacks(t, "the list of another organization", stranger.sees("/blocks"), "orders")
	if now := got(w.Builder.Block(t.Context(), block.ID))(t); now.Lifecycle != remuda.LifecycleActive || now.LatestRun != it.order.Run {
		t.Errorf("after all that, the block is %+v", now)
	}
}

func TestWhoMayNotSeeRunsIsToldWhy(t *testing.T) {
	w := newTown(t)
	closed := w.define("Database", approved(), func(d *remuda.Definition) { d.RunTransparency = false })
	block := w.order("orders", closed, map[string]remuda.Value{"note": value("1")})
	it := w.plans()
	member, operator := w.browser(w.token("acme", remuda.RoleMember)), w.browser(w.token("plat", remuda.RoleAdmin))
	text := member.sees("/blocks/" + block.ID)
	says(t, "the block", text, "What runs plan, do and print is for plat alone", "Its change is planned, and applied once somebody approved the plan.")
	lacks(t, "the block", text, it.order.Run)
	lacks(t, "the list", member.sees("/blocks"), it.order.Run)
	text = member.sees(atRun(it))
	says(t, "the run", text, "for plat alone", "waits for approval", "ready &lt;script&gt;")
	lacks(t, "the run", text, "rule.grown", "1 to add", "/approve", "/tasks/", "root")
	if code, _ := member.send(atRun(it)+"/approve", nil); code != 403 {
		t.Errorf("approving what one may not see is %d", code)
	}
	says(t, "the run for operators", operator.sees(atRun(it)), "rule.grown", atRun(it)+"/approve")
}

// A secret goes in as an input, comes back as an output, and lies in plan and state: no page says it, whoever asks.
func TestNoPageShowsASecret(t *testing.T) {
	w := newTown(t)
	database := w.define("Database", approved())
	taker := w.define("Application", tofu(func(v *remuda.Version) {
		v.Inputs = map[string]remuda.Input{"key": {Type: remuda.TypeString, Assignment: remuda.AssignOutput, Argument: &remuda.Value{Value: raw(database.ID + ".key")}}}
	}))
	block := w.order("orders", database, map[string]remuda.Value{"note": value("1"), "password": hidden(password)})
	child := w.order("shop", taker, nil, block.ID)
	plan := w.plans()
	got(w.Builder.ApproveRun(t.Context(), plan.order.Run))(t)
	it := w.claim()
	done(t, it.door.WriteState(t.Context(), "", []byte(`{"version":4,"serial":1,"lineage":"l","outputs":{"key":{"value":"`+password+`"}}}`)))
	w.finish(it, remuda.RunReport{Outputs: map[string]remuda.RunOutput{"address": stated("db"), "key": stated(password)}}, succeeded)
	w.succeed(nil)
	for _, token := range []string{w.AdminToken, w.token("plat", remuda.RoleAdmin), w.token("acme", remuda.RoleViewer)} {
		somebody := w.browser(token)
		for _, path := range []string{"/blocks", "/blocks/" + block.ID, "/blocks/" + child.ID, atRun(plan), atRun(it), "/runs/" + w.lastRun(child.ID).ID} {
			lacks(t, path, somebody.sees(path), password)
		}
		says(t, "the child", somebody.sees("/blocks/"+child.ID), `output <code>key</code> of <a href="/blocks/`+block.ID+`">orders</a>`, "secret, set")
	}
	lacks(t, "the log", w.Log.String(), password)
}

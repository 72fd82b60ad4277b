package block_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

// says fails the test unless a page has all of these.
func says(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %q:\n%s", what, want, text)
		}
	}
}

// lacks fails the test when a page has any of these.
func lacks(t *testing.T, what, text string, unwanted ...string) {
	t.Helper()
	for _, one := range unwanted {
		if strings.Contains(text, one) {
			t.Errorf("%s says %q:\n%s", what, one, text)
		}
	}
}

func TestARejectedPlanAndAStaleOneAreToldAsWhatTheyAre(t *testing.T) {
	w := newTown(t)
	block := w.order("orders", w.define("Database", approved()), map[string]remuda.Value{"note": value("1")})
	member := w.browser(w.token("acme", remuda.RoleMember))

	rejected := atRun(w.plans())
	code, text := member.send(rejected+"/reject", nil)
	if code != 200 {
		t.Fatalf("rejecting is %d: %s", code, text)
	}
	says(t, "the page", text, "The plan is rejected. Nothing of it is applied.", "The plan was rejected by member.")
	lacks(t, "the page", text, rejected+"/approve")
	code, text = member.send(rejected+"/approve", nil)
	if code != 409 {
		t.Errorf("approving what was rejected is %d", code)
	}
	says(t, "the refusal", text, "The plan of run 1 was rejected by member.")

	code, text = member.send("/blocks/"+block.ID+"/apply", nil)
	if code != 200 {
		t.Fatalf("having it applied is %d: %s", code, text)
	}
	says(t, "the page", text, "It is planned first.")
	stale := atRun(w.plans())
	says(t, "the page", member.sees(stale), stale+"/approve", "Exactly this plan is applied: 1 to add, 1 to change, 2 to destroy.")
	got(w.Builder.ChangeBlock(t.Context(), block.ID, remuda.BlockChange{Inputs: map[string]remuda.Value{"note": value("2")}}))(t)
	code, text = member.send(stale+"/approve", nil) // from a page that was open for long
	if code != 409 {
		t.Errorf("approving what is stale is %d", code)
	}
	says(t, "the refusal", text, "This plan is stale: something happened after it; have the block planned again.", `<span class="state state-over" title="Something happened after the plan was made">stale</span>`)
	lacks(t, "the page", member.sees(stale), stale+"/approve", stale+"/reject")

	without := w.claim()
	w.finish(without, remuda.RunReport{Changes: new(bool), Plan: &remuda.PlanSummary{}}, succeeded)
	says(t, "the page", member.sees(atRun(without)), "no changes", "What is there is as it was ordered.")
}

func atRun(it work) string { return "/runs/" + it.order.Run }

func TestARunIsAbortedFromItsPage(t *testing.T) {
	w := newTown(t)
	block := w.order("orders", w.define("Database", tofu()), nil)
	member := w.browser(w.token("acme", remuda.RoleMember))
	it := w.claim()
	code, text := member.send("/blocks/"+block.ID+"/plan", nil)
	if code != 200 {
		t.Fatalf("planning is %d: %s", code, text)
	}
	says(t, "the run behind another", text, "It waits until the run before it has ended.", "It is planned what an apply would change.")
	waits := "/runs/" + w.lastRun(block.ID).ID
	_, text = member.send(waits+"/abort", nil)
	says(t, "the page", text, "The run is aborted.", "Aborted by member.")
	_, text = member.send(atRun(it)+"/abort", nil)
	says(t, "the page", text, "The run is told to stop.")
	w.finish(it, remuda.RunReport{}, remuda.Result{State: remuda.Canceled})
	text = member.sees("/blocks/" + block.ID)
	says(t, "the block", text, `<span class="state state-over">aborted</span>`)
	code, text = member.send(atRun(it)+"/abort", nil)
	if code != 409 {
		t.Errorf("aborting what has ended is %d", code)
	}
	says(t, "the refusal", text, "Run 1 has ended already: it is aborted.")
}

func TestABlockIsDestroyedOrForgotten(t *testing.T) {
	w := newTown(t)
	database := w.define("Database", tofu())
	block, other := w.order("orders", database, nil), w.order("bills", database, nil)
	w.succeed(nil)
	w.succeed(nil)
	member := w.browser(w.token("acme", remuda.RoleMember))
	says(t, "the page", member.sees("/blocks/"+block.ID), "All that orders made is destroyed", "orders is forgotten at once")
	_, text := member.send("/blocks/"+block.ID+"/destroy", nil)
	says(t, "the page", text, "All that it made is destroyed; then the block is deleted.", "being deleted")
	w.succeed(nil)
	text = member.sees("/blocks/" + block.ID)
	says(t, "the page", text, `<span class="state state-over">deleted</span>`)
	lacks(t, "the page", text, "/destroy", "/purge", "/apply", "/inputs")
	_, text = member.send("/blocks/"+other.ID+"/purge", nil)
	says(t, "the page", text, "The block is forgotten. What it made stays where it is.", `<span class="state state-over">deleted</span>`)
	says(t, "the empty list", member.sees("/blocks"), "There are no building blocks yet.", `href="/definitions"`)
	says(t, "the list of what was deleted", member.sees("/blocks?state=deleted"), "orders", "bills")
}

func TestAMaintenanceRunIsForOperators(t *testing.T) {
	w := newTown(t)
	block := w.order("orders", w.define("Database", tofu()), nil)
	w.succeed(nil)
	operator, member := w.browser(w.token("plat", remuda.RoleAdmin)), w.browser(w.token("acme", remuda.RoleMember))
	at := "/blocks/" + block.ID + "/maintenance"
	says(t, "the page", operator.sees("/blocks/"+block.ID), at)
	says(t, "the form", operator.sees(at), "A maintenance run carries out a script")
	code, text := operator.send(at, url.Values{"script": {""}})
	if code != 422 {
		t.Errorf("without a script it is %d", code)
	}
	says(t, "the form", text, "A MAINTENANCE has a script, and nothing else has.")
	code, text = operator.send(at, url.Values{"script": {"tofu state rm " + attack}})
	if code != 200 {
		t.Fatalf("with a script it is %d: %s", code, text)
	}
	says(t, "the run", text, "Maintenance run 2 is queued.", "tofu state rm &lt;script&gt;")
	w.succeed(nil)
	lacks(t, "the page", member.sees("/blocks/"+block.ID), at)
	lacks(t, "the run", member.sees("/runs/"+w.lastRun(block.ID).ID), "tofu state rm")
	if code, text := member.see(at); code != 403 {
		t.Errorf("for a member of who ordered, the form is %d: %s", code, text)
	}
	if code, _ := member.send(at, url.Values{"script": {"true"}}); code != 403 {
		t.Errorf("and sending it is %d", code)
	}
}

// manual is a version that people carry out.
func manual() remuda.Version {
	return remuda.Version{Implementation: remuda.Blueprint{Type: remuda.BlueprintManual}, Approval: true, Inputs: map[string]remuda.Input{
		"floor": {Type: remuda.TypeInteger, Assignment: remuda.AssignUser},
		"note":  {Type: remuda.TypeString, Assignment: remuda.AssignUser, Optional: true},
		"sunny": {Type: remuda.TypeBoolean, Assignment: remuda.AssignUser, Optional: true},
		"pin":   {Type: remuda.TypeString, Assignment: remuda.AssignUser, Sensitive: true},
	}}
}

func TestWhoeverCarriesOutAManualRunGivesItsOutputsAndFinishesIt(t *testing.T) {
	w := newTown(t)
	block := w.order("desk", w.define("Desk", manual()), map[string]remuda.Value{"floor": value(3), "note": value("near the door"), "pin": hidden(password)})
	run := "/runs/" + w.lastRun(block.ID).ID
	operator, member := w.browser(w.token("plat", remuda.RoleAdmin)), w.browser(w.token("acme", remuda.RoleMember))
	says(t, "the block", operator.sees("/blocks/"+block.ID), `href="`+run+`"`, "Finish its run")
	text := member.sees(run)
	says(t, "the page", text, "It is carried out by hand: the operators of plat say how it ended.")
	lacks(t, "the page", text, run+"/finish")
	if code, _ := member.send(run+"/finish", url.Values{"status": {"succeeded"}}); code != 403 {
		t.Errorf("finished by who ordered, it is %d", code)
	}
	text = operator.sees(run)
	says(t, "the form", text, `name="output.floor" value="3"`, `value="near the door"`, "near the door", "secret; empty keeps what it is")
	code, text := operator.send(run+"/finish", url.Values{"status": {"succeeded"}, "output.floor": {"fourth"}, "output.note": {"far from it"}})
	if code != 422 {
		t.Errorf("with a floor that is no number it is %d", code)
	}
	says(t, "the form again", text, "<code>floor</code>", `value="fourth"`, `value="far from it"`)
	code, text = operator.send(run+"/finish", url.Values{
		"status": {"succeeded"}, "output.floor": {"4"}, "output.note": {"far from it"}, "output.sunny": {"true"}, "output.pin": {""},
	})
	if code != 200 {
		t.Fatalf("finishing is %d: %s", code, text)
	}
	says(t, "the page", text, "Run 1 is succeeded.")
	ended := got(w.Builder.Block(t.Context(), block.ID))(t)
	if string(ended.Outputs["floor"].Value) != "4" || string(ended.Outputs["note"].Value) != `"far from it"` || string(ended.Outputs["sunny"].Value) != "true" || ended.Outputs["pin"].Hash == "" {
		t.Errorf("its outputs are %+v", ended.Outputs)
	}
	got(w.Builder.RunBlock(t.Context(), block.ID, remuda.RunRequest{}))(t)
	code, text = operator.send("/runs/"+w.lastRun(block.ID).ID+"/finish", url.Values{"status": {"failed"}, "output.pin": {"another-secret"}})
	if code != 200 {
		t.Fatalf("finishing is %d: %s", code, text)
	}
	lacks(t, "the page", text, "another-secret")
	says(t, "the page", text, "Run 2 is failed.")
	runs := got(w.Builder.Runs(t.Context(), blocks.RunFilter{Block: block.ID}, blocks.Span{}))(t).Items
	if runs[0].Outputs["pin"].Hash == runs[1].Outputs["pin"].Hash {
		t.Error("the other secret was not taken")
	}
}

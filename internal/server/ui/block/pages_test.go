package block_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// attack is what somebody may write wherever a text is taken.
const attack = `<script>window.attacked = true</script><img src=x onerror="window.attacked = true">`

// password is a secret of the tests, which no page may show.
const password = "hunter2-hunter2"

func raw(v any) json.RawMessage { return value(v).Value }

// approved is a version whose changes are planned first.
func approved() remuda.Version {
	return tofu(func(v *remuda.Version) {
		v.Approval, v.DriftEvery = true, remuda.Duration(6*time.Hour)
		v.Inputs = map[string]remuda.Input{
			"note":     {Type: remuda.TypeString, Assignment: remuda.AssignUser},
			"password": {Type: remuda.TypeString, Assignment: remuda.AssignUser, Sensitive: true, Optional: true},
		}
		v.Outputs = map[string]remuda.Output{"address": {Type: remuda.TypeString}, "key": {Type: remuda.TypeString, Sensitive: true}}
	})
}

// proposal is what the played runner plans.
func proposal() remuda.RunReport {
	return remuda.RunReport{
		Changes: pointer(true), Messages: []remuda.StepMessage{{Step: "plan", Message: "ready " + attack}},
		Plan: &remuda.PlanSummary{Add: 1, Change: 1, Destroy: 2, Outputs: []string{"address"}, Resources: []remuda.ResourceChange{
			{
				Address: `db.new["` + attack + `"]`, Type: "db", Actions: []string{"create"}, Before: map[string]json.RawMessage{"id": raw(nil)},
				After: map[string]json.RawMessage{"note": raw(attack), "password": raw("(secret)"), "nothing": raw(nil)},
			},
			{
				Address: "rule.grown", Type: "rule", Actions: []string{"update"},
				Before: map[string]json.RawMessage{"size": raw(10), "policy": raw("allow\nold\nend\n")},
				After:  map[string]json.RawMessage{"size": raw(20), "policy": raw("allow\nnew\nend\n")},
			},
			{Address: "net.old", Type: "net", Actions: []string{"delete"}, Before: map[string]json.RawMessage{"cidr": raw("10.0.0.0/24")}},
			{Address: "net.moved", Type: "net", Actions: []string{"delete", "create"}, Before: map[string]json.RawMessage{"id": raw("n-1")}},
			{
				Address: "route.drifted", Type: "route", Actions: []string{"update"}, Drift: true,
				Before: map[string]json.RawMessage{"via": raw("a")}, After: map[string]json.RawMessage{"via": raw("b")},
			},
		}},
	}
}

// plans claims the next run, which makes a plan with changes.
func (w *town) plans() work {
	w.t.Helper()
	it := w.claim()
	done(w.t, it.door.SavePlan(w.t.Context(), []byte("the plan, with "+password)))
	w.finish(it, proposal(), succeeded)
	return it
}

// isGood holds a page to what holds of all of them, also on a phone.
func isGood(tab *browsertest.Tab) {
	tab.IsAccessible()
	tab.Do(chromedp.EmulateViewport(375, 800))
	tab.Until(`document.documentElement.scrollWidth <= 375`)
	tab.Do(chromedp.EmulateViewport(1280, 900))
	tab.IsSound()
}

// confirm presses a button that asks, and then the one that does it.
func confirm(tab *browsertest.Tab, id string) {
	tab.Until(`document.querySelector('button[commandfor="` + id + `"]') !== null`)
	browsertest.Evaluate[bool](tab, `document.querySelector('button[commandfor="`+id+`"]').click() || true`)
	tab.Until(`document.getElementById("` + id + `").open`)
	browsertest.Evaluate[bool](tab, `document.querySelector('#`+id+` form button').click() || true`)
}

// From the order to the outputs, all on pages that somebody has open: nobody reloads anything.
func TestAPlanIsReadApprovedAndAppliedWhileSomebodyLooks(t *testing.T) {
	w := newTown(t)
	block := w.order("orders", w.define("Database", approved()), map[string]remuda.Value{"note": value(attack), "password": hidden(password)})
	tab := w.Tab(t)
	tab.SignIn(w.token("acme", remuda.RoleMember))
	tab.Go("/blocks/" + block.ID)
	tab.UntilSays("Its run waits for a runner.")

	it := w.claim()
	tab.UntilSays("running")
	tab.Go("/runs/" + it.order.Run)
	tab.UntilSays("The plan is not made yet.")
	done(t, it.door.SavePlan(t.Context(), []byte("the plan")))
	done(t, it.door.Report(t.Context(), proposal()))
	tab.UntilSays("1 to add, 1 to change, 2 to destroy.")
	got(it.agent.Append(t.Context(), remuda.Chunk{Data: []byte("Planning " + attack + "\n")}))(t)
	tab.Until(`document.querySelector(".output-lines")?.textContent.includes("Planning <script>")`) // it is far below what is laid out
	plan := browsertest.Evaluate[string](tab, `[...document.querySelectorAll(".change")].map(e => e.innerText.replace(/\s+/g, " ")).join("\n")`)
	for _, want := range []string{
		`+ db.new["` + attack + `"] create id known after apply note "` + strings.ReplaceAll(attack, `"`, `\"`) + `" password sensitive, hidden`,
		"~ rule.grown update policy allow − old + new end size 10 → 20", `− net.old delete cidr "10.0.0.0/24"`,
		`−/+ net.moved replace id "n-1" → known after apply`, `~ route.drifted update via "a" → "b"`,
	} {
		if !strings.Contains(plan, want) {
			t.Errorf("the plan does not say %q but\n%s", want, plan)
		}
	}
	// What somebody folded away stays so when the page changes.
	tab.Press(".change summary")
	w.finish(it, remuda.RunReport{}, succeeded)
	tab.UntilSays("waits for approval")
	if browsertest.Evaluate[bool](tab, `document.querySelector(".change").open`) {
		t.Error("what was folded away is open again")
	}
	isGood(tab)

	confirm(tab, "approve")
	tab.UntilSays("The plan is approved: run 2 applies it.")
	apply := w.claim()
	tab.UntilSays("running")
	w.finish(apply, remuda.RunReport{
		Plan:    &remuda.PlanSummary{Add: 1, Change: 1, Destroy: 2},
		Outputs: map[string]remuda.RunOutput{"address": stated("db.example " + attack), "key": stated(password)},
	}, succeeded)
	tab.UntilSays("1 added, 1 changed, 2 destroyed.")
	tab.UntilSays("db.example")
	isGood(tab)
	tab.Go("/blocks/" + block.ID)
	tab.UntilSays("db.example")
	tab.UntilSays("secret, set")
	tab.UntilSays("looked for every 6h")
	isGood(tab)
	tab.Go("/blocks")
	tab.UntilSays("orders")
	isGood(tab)
	for _, path := range []string{"/blocks", "/blocks/" + block.ID, "/runs/" + it.order.Run, "/runs/" + apply.order.Run} {
		tab.Go(path)
		if browsertest.Evaluate[bool](tab, `!!window.attacked || document.querySelectorAll("img").length > 0`) {
			t.Errorf("what somebody wrote is carried out on %s", path)
		}
	}
}

func TestTheLockIsTakenAndTheStateRolledBack(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	block := w.order("orders", w.define("Database", tofu()), nil)
	it := w.claim()
	for _, serial := range []string{"1", "2"} {
		done(t, it.door.WriteState(ctx, "", []byte(`{"version":4,"serial":`+serial+`,"lineage":"l","outputs":{"key":{"value":"`+password+`"}},"resources":[]}`)))
	}
	got(it.door.LockState(ctx, remuda.StateLock{ID: "l1", Who: "agent@" + attack, Operation: "OperationTypeApply", Created: time.Now()}))(t)

	tab := w.Tab(t)
	tab.SignIn(w.token("plat", remuda.RoleAdmin))
	tab.Go("/blocks/" + block.ID)
	tab.UntilSays("The state is locked by run 1.")
	isGood(tab)
	confirm(tab, "unlock")
	tab.UntilSays("The lock is taken. What its holder writes from now on is refused.")
	tab.Until(`!document.getElementById("lock")`)
	if err := it.door.WriteState(ctx, "l1", []byte(`{"version":4,"serial":3,"lineage":"l"}`)); remuda.KindOf(err) != remuda.Conflict {
		t.Errorf("what the holder writes afterwards is %v", err)
	}
	operator := w.browser(w.token("plat", remuda.RoleAdmin))
	code, text := operator.send("/blocks/"+block.ID+"/states/1/roll-back", nil)
	if code != 409 || !strings.Contains(text, "Run 1 of the block is in progress; wait until it is done, or abort it.") {
		t.Errorf("rolling back beside a run is %d: %s", code, text)
	}
	w.finish(it, remuda.RunReport{}, succeeded)

	tab.Go("/blocks/" + block.ID)
	confirm(tab, "roll-back-1")
	tab.UntilSays("State 1 is the current one now, as state 3.")
	tab.Until(`document.querySelector("#state-3").innerText.includes("current")`)
	tab.IsSound()

	if text := operator.sees("/blocks/" + block.ID + "/states/3"); !strings.Contains(text, `"serial":3`) || !strings.Contains(text, password) {
		t.Errorf("downloaded, the state is %s", text)
	}
	if code, text := operator.see("/blocks/" + block.ID + "/states/9"); code != 404 {
		t.Errorf("a state that there is not is %d: %s", code, text)
	}
	// Somebody else was faster.
	code, text = operator.send("/blocks/"+block.ID+"/unlock", url.Values{"lock": {"l1"}})
	if code != 200 || !strings.Contains(text, "Nobody holds the lock any more.") {
		t.Errorf("a lock that nobody holds is %d: %s", code, text)
	}
}

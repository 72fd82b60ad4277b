package pool_test

import (
	"context"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// endless is a name that tries every layout.
const endless = "a_runner_whose_name_has_no_end_and_no_place_to_break_it_which_is_bad_on_a_phone"

// What becomes of a runner is seen on its page while that is open, and the lists are for every screen.
func TestARunnerIsWatchedPausedResumedAndDrained(t *testing.T) {
	site := ranch(t)
	token := classToken(t, site, "acme/linux")
	runner, ride := register(t, site, token.Token, func(r *remuda.Registration) { r.Name = endless })
	submit := func() string {
		submission := remuda.Submission{Organization: "acme", ResourceClass: "acme/linux", Name: "unit tests", Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "true"}}}}}
		return got(site.Admin.Submit(t.Context(), submission, ""))(t).Tasks[0].ID
	}
	tab := site.Tab(t)
	tab.SignIn(as(t, site, remuda.RoleAdmin))
	tab.Go("/runners/" + runner.ID)
	tab.UntilSays("It carries out nothing.")

	done := submit()
	claim := got(ride.Sync(t.Context(), remuda.Sync{Ready: true}))(t).Claims[0]
	tab.Until(`document.querySelector("#now tbody a")?.getAttribute("href") === "/tasks/` + done + `"`)
	tab.UntilSays("1 busy of 2")
	if _, err := ride.Finish(t.Context(), claim.ID, remuda.Result{State: remuda.Succeeded}, false); err != nil {
		t.Fatal(err)
	}
	tab.Until(`document.querySelector("#before tbody .state")?.textContent === "succeeded"`)
	tab.UntilSays("It carries out nothing.")
	submit()
	second := got(ride.Sync(t.Context(), remuda.Sync{Ready: true}))(t).Claims[0]
	keepRiding(t, ride, second.ID)
	tab.UntilSays("claimed")

	at := "/runners/" + runner.ID
	tab.Press(`form[action="` + at + `/pause"] button`)
	tab.UntilSays("is paused: it takes nothing new.")
	tab.UntilSays("Somebody paused it")
	tab.IsAccessible()
	tab.Press(`form[action="` + at + `/resume"] button`)
	tab.UntilSays("is resumed.")
	tab.Until(`document.querySelector("#content .state").textContent === "busy"`)
	tab.Press(`[commandfor=drain][command=show-modal]`)
	tab.Until(`document.querySelector("#drain").open`)
	tab.Press(`form[action="` + at + `/drain"] button`)
	tab.UntilSays("It drains: it takes nothing new")
	tab.Until(`!document.querySelector("#content form")`)
	if state := got(site.Admin.Runner(t.Context(), runner.ID))(t).State; state != remuda.RunnerDraining {
		t.Errorf("the runner is %s", state)
	}
	tab.IsSound()
}

// keepRiding has a runner give signs until the test ends.
func keepRiding(t *testing.T, ride *client.Runner, holding ...string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var riding sync.WaitGroup
	riding.Go(func() {
		for ctx.Err() == nil {
			if _, err := ride.Sync(ctx, remuda.Sync{Holding: holding, Ready: true}); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	t.Cleanup(func() {
		stop()
		riding.Wait()
	})
}

func TestEveryPageOfThePoolIsForEveryoneAndEveryScreen(t *testing.T) {
	site := ranch(t)
	runner, _ := register(t, site, classToken(t, site, "acme/linux").Token, func(r *remuda.Registration) { r.Name = endless })
	tab := site.Tab(t)
	tab.SignIn(as(t, site, remuda.RoleAdmin))
	for _, path := range []string{
		"/resource-classes", "/resource-classes/new", "/resource-classes/acme/linux", "/resource-classes/acme/linux/change",
		"/resource-classes/acme/linux/install", "/runners", "/runners?class=acme/linux", "/runners/" + runner.ID,
	} {
		tab.Go(path)
		tab.Until(`document.readyState === "complete" && !!document.querySelector("h1")`)
		look(t, tab)
	}
}

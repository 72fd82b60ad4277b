package overview_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// hostile is a name that would run if it were not text.
const hostile = `<script>document.title = "taken"</script><img src=x onerror="document.title='taken'">`

func submit(t *testing.T, site *browsertest.Site, class, name string) string {
	t.Helper()
	made, err := site.Admin.Submit(t.Context(), remuda.Submission{
		Name: name, Organization: "acme", ResourceClass: class, Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "true"}}}},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	return made.Tasks[0].ID
}

// fail has a runner carry out the next task of its class without success.
func fail(t *testing.T, site *browsertest.Site, runner, detail string) {
	t.Helper()
	door := site.Plane.AsRunner(runner)
	answer, err := door.Sync(t.Context(), remuda.Sync{Ready: true, Most: 1, Holding: []string{"00000000-0000-7000-8000-000000000000"}})
	if err != nil || len(answer.Claims) == 0 {
		t.Fatalf("claims %v: %v", answer.Claims, err)
	}
	claim := answer.Claims[len(answer.Claims)-1]
	if _, err := site.Plane.AsTask(claim.ID).Begin(t.Context(), remuda.Begin{Steps: []remuda.Step{{Name: "true", State: remuda.StepRunning}}}); err != nil {
		t.Fatal(err)
	}
	if err := door.Finish(t.Context(), claim.ID, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: detail}); err != nil {
		t.Fatal(err)
	}
}

func TestTheOverviewChangesWhileSomebodyLooks(t *testing.T) {
	site := browsertest.Open(t)
	tab := site.Tab(t)
	tab.SignIn(site.AdminToken)
	tab.Go("/")
	tab.UntilSays("Nothing is here yet.")
	tab.UntilSays("remuda org create acme")
	tab.IsAccessible()
	browsertest.Evaluate[bool](tab, `window.unchanged = true`) // gone if the page were loaded again

	ranch := site.Furnish(t)
	tab.UntilSays("Block shop database waits for an approval")
	tab.UntilSays("Block shop zone waits for inputs")
	tab.UntilSays("Runner gpu-1 ") // is in quarantine, and after half a minute silent
	tab.UntilSays("1 task waits in acme/arm")
	tab.UntilSays("no runner is connected for acme/arm")
	tab.Until(`document.getElementById("class-acme/arm").innerText.includes("no runner can claim")`)
	tab.Until(`document.querySelectorAll("figure canvas").length === 4`)
	tab.Until(`document.getElementById("failed-` + ranch.Failed + `").innerText.includes("ended with exit code 1")`)
	if to := browsertest.Evaluate[string](tab, `[...document.querySelectorAll(".needs a")].find(a => a.innerText.includes("shop database")).getAttribute("href")`); to != "/runs/"+ranch.Plan {
		t.Errorf("the approval leads to %s, not to the run whose plan waits", to)
	}
	tab.IsAccessible()

	tab.Press("#table-day summary")
	browsertest.Evaluate[bool](tab, `(() => { for (const c of document.querySelectorAll("figure canvas")) c.kept = true; return true })()`)
	tab.Until(`document.querySelector("#plots-day .sums").innerText === "15 tasks ended, 3 failed"`)
	submit(t, site, "acme/arm", "second")
	tab.UntilSays("2 tasks wait in acme/arm")
	tab.Until(`document.getElementById("class-acme/arm").querySelector("td.number").innerText === "2"`)
	last, failed := submit(t, site, "acme/linux", hostile), 0
	for state := remuda.Queued; state != remuda.Failed; failed++ { // others were queued before
		fail(t, site, ranch.Runner, hostile)
		task, err := site.Admin.Task(t.Context(), last)
		if err != nil {
			t.Fatal(err)
		}
		state = task.State
	}
	tab.Until(`[...document.querySelectorAll("section[aria-labelledby=failed] td.name a")].some(a => a.innerText.includes("<script>"))`)
	tab.Until(`[...document.querySelectorAll("section[aria-labelledby=failed] td.grow")].some(a => a.innerText.includes("<script>"))`)
	tab.Until(`document.querySelector("#plots-day .sums").innerText === "` + fmt.Sprintf("%d tasks ended, %d failed", 15+failed, 3+failed) + `"`)
	if browsertest.Evaluate[string](tab, `document.title`) != "Overview · Remuda" {
		t.Error("a task's name was carried out")
	}
	if !browsertest.Evaluate[bool](tab, `document.getElementById("table-day").open && [...document.querySelectorAll("figure canvas")].every(c => c.kept)`) {
		t.Error("what was unfolded or drawn was replaced")
	}

	if _, err := site.Builder.ApproveRun(t.Context(), ranch.Plan); err != nil {
		t.Fatal(err)
	}
	tab.Until(`!document.body.innerText.includes("waits for an approval")`)
	if !browsertest.Evaluate[bool](tab, `window.unchanged`) {
		t.Error("the page was loaded again")
	}
	for _, width := range []int64{browsertest.Narrow, browsertest.Wide} {
		tab.Look(width, width == browsertest.Narrow)
		tab.Until(`document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll("figure.plot")].every(
			f => Math.abs(f.querySelector(".uplot").offsetWidth - f.clientWidth) < 2) && document.getAnimations().length === 0`) // colours have changed
		tab.IsAccessible()
	}
	tab.IsSound()
}

// read is the overview as somebody gets it who has a token, without JavaScript.
func read(t *testing.T, site *browsertest.Site, token string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	answer, err := browser.PostForm(site.URL+"/sign-in", url.Values{"token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || answer.Request.URL.Path != "/" {
		t.Fatalf("%s answered %d: %v", answer.Request.URL, answer.StatusCode, err)
	}
	browser.CloseIdleConnections()
	return string(text)
}

func TestTheOverviewShowsEachOrganizationItsOwn(t *testing.T) {
	site := browsertest.Open(t)
	site.Furnish(t)
	submit(t, site, "acme/linux", hostile)
	if _, err := site.Admin.CreateOrganization(t.Context(), remuda.Organization{Name: "rodeo"}); err != nil {
		t.Fatal(err)
	}
	token := func(organization string, role remuda.Role) string {
		return site.Token(t, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "n", Organization: organization, Role: role}).Token
	}
	acme, platform := read(t, site, token("acme", remuda.RoleViewer)), read(t, site, token("platform", remuda.RoleViewer))
	for _, c := range []struct {
		who, page string
		has, not  []string
	}{
		{"acme", acme, []string{"acme/linux", "acme/gpu", "gpu-1", "end to end", "shop zone"}, []string{"platform/tofu", "tofu-1", "<script>document"}},
		{"platform", platform, []string{"platform/tofu", "1 idle"}, []string{"acme/linux", "gpu-1", "end to end", "nightly"}},
		{"a viewer of rodeo", read(t, site, token("rodeo", remuda.RoleViewer)), []string{"There is no resource class that your organization may use."}, []string{"acme", "remuda org create", "Make a resource class"}},
		{"an admin of rodeo", read(t, site, token("rodeo", remuda.RoleAdmin)), []string{"Make a resource class"}, []string{"remuda org create", "platform/tofu"}},
	} {
		for _, text := range c.has {
			if !strings.Contains(c.page, text) {
				t.Errorf("%s is not shown %q", c.who, text)
			}
		}
		_, main, _ := strings.Cut(c.page, "<main")
		for _, text := range c.not {
			if strings.Contains(strings.ReplaceAll(main, "such as <code>acme/linux</code>", ""), text) {
				t.Errorf("%s is shown %q", c.who, text)
			}
		}
	}
}

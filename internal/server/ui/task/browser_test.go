package task_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// fits fails the test when a phone would have to scroll the page sideways.
func fits(t *testing.T, tab *browsertest.Tab) {
	t.Helper()
	resize(tab, 375)
	tab.Until(`innerWidth === 375`)
	if wide := browsertest.Evaluate[int](tab, `document.documentElement.scrollWidth`); wide > 375 {
		t.Errorf("%s is %d wide on a phone", browsertest.Evaluate[string](tab, `location.href`), wide)
	}
	resize(tab, 1280)
	tab.Until(`innerWidth === 1280`)
}

func resize(tab *browsertest.Tab, width int64) {
	tab.Do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetDeviceMetricsOverride,
			emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1})
		return err
	}))
}

func TestATaskIsFollowedFromTheFormToItsEnd(t *testing.T) {
	r := newRanch(t)
	tab := r.Tab(t)
	tab.SignIn(r.member)
	tab.Go("/tasks/new")
	tab.UntilSays("Resource class")
	tab.IsAccessible()
	fits(t, tab)
	tab.Do(chromedp.SendKeys(`input[name=name]`, "hello"), chromedp.SendKeys(`textarea[name=command]`, "echo hello"))
	tab.Press(`main button[type=submit]`)
	tab.UntilSays("Why it waits")
	tab.UntilSays("no runner")
	tab.IsAccessible()
	fits(t, tab)
	address := browsertest.Evaluate[string](tab, `location.pathname`)

	w := r.register("web-1")
	c := w.claim()
	w.begin(c, "build", "test")
	tab.Until(`document.querySelector("#headline .state").textContent === "running" && !document.getElementById("why")`)
	tab.UntilSays("web-1")
	tab.Until(`document.querySelectorAll("#waterfall tbody tr").length === 4`)
	// It grows by itself: the end of the axis is the present.
	last := `document.querySelector("#waterfall .tick.last").textContent`
	seen := browsertest.Evaluate[string](tab, last)
	tab.Until(last + ` !== ` + strconv.Quote(seen))
	tab.Until(`document.querySelector("#waterfall .bar-running").getAttribute("width") !== "0.40%"`)
	tab.IsAccessible()
	fits(t, tab)

	now, code := time.Now(), 3
	w.step(c, remuda.Step{Number: 0, Name: "build", State: remuda.StepSucceeded, StartedAt: &now, EndedAt: &now})
	w.step(c, remuda.Step{Number: 1, Name: "test", State: remuda.StepFailed, StartedAt: &now, EndedAt: &now, ExitCode: &code, Detail: "it exited"})
	tab.UntilSays("exit code 3")
	tab.Until(`!!document.querySelector('#waterfall a[href="#s1"]')`)
	w.finish(c, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "step 2 (test) exited with code 3"})
	tab.UntilSays("A step failed.")
	tab.UntilSays("step 2 (test) exited with code 3")
	tab.Until(`document.querySelector("#headline .state").textContent === "failed" && !document.querySelector("#waterfall[data-origin]")`)
	tab.IsAccessible()

	tab.Press(`form[action="` + address + `/retry"] button`)
	tab.Until(`location.pathname !== "` + address + `" && location.pathname.startsWith("/tasks/")`)
	tab.UntilSays("The task was submitted once more")
	tab.UntilSays("Retry of")
	c = w.claim()
	w.begin(c, "build")
	tab.Until(`document.querySelector("#headline .state").textContent === "running"`)
	tab.Press(`button[command=show-modal][commandfor=cancel]`)
	tab.Until(`document.getElementById("cancel").open`)
	tab.UntilSays("has 10s for that")
	tab.IsAccessible()
	tab.Press(`#cancel form button`)
	tab.UntilSays("The task is being cancelled: its runner ends it.")
	tab.UntilSays("being cancelled: its runner ends it")
	tab.Until(`!document.getElementById("cancel")`)
	w.finish(c, remuda.Result{State: remuda.Canceled})
	tab.Until(`document.querySelector("#headline .state").textContent === "canceled"`)
	tab.UntilSays("cancelled by u-member")
	tab.IsSound()
}

func TestManyAreCancelledAtOnceFromAListThatChangesMeanwhile(t *testing.T) {
	r := newRanch(t)
	tab := r.Tab(t)
	tab.SignIn(r.member)
	tasks := r.submit("many", func(s *remuda.Submission) { s.Parallelism = 5 })
	r.submit("left alone")
	tab.Go("/tasks")
	tab.Until(`document.querySelectorAll("#tasks tr").length === 6`)
	tab.IsAccessible()
	fits(t, tab)

	// The filter makes a short address, which shows the same when it is loaded again.
	tab.Do(chromedp.SendKeys(`input[name=search]`, "man"))
	tab.Press(`#filters input[value=queued]`)
	tab.Until(`document.querySelectorAll("#tasks tr").length === 5 && location.search !== ""`)
	if got := browsertest.Evaluate[string](tab, `location.search`); got != "?state=queued&search=man" {
		t.Errorf("the filter's address is %s", got)
	}
	tab.Do(chromedp.Reload())
	tab.Until(`document.querySelectorAll("#tasks tr").length === 5 && document.querySelector("#filters input[value=queued]").checked`)
	tab.Until(`document.querySelector("input[name=search]").value === "man"`)
	tab.Press(`#filters input[value=queued]`)
	tab.Until(`location.search === "?search=man"`)
	tab.Until(`document.querySelectorAll("#tasks tr").length === 5`)

	// What is checked stays so, in its row, while tasks come and change.
	tab.Press(`#all`)
	tab.UntilSays("5 chosen")
	w := r.register("web-1")
	c := w.claim()
	w.begin(c, "one")
	w.finish(c, remuda.Result{State: remuda.Succeeded})
	r.submit("many more")
	tab.Until(`document.querySelectorAll("#tasks tr").length === 6 && document.getElementById("task-` + c.Task.ID + `").innerText.includes("succeeded")`)
	for _, task := range tasks {
		if !browsertest.Evaluate[bool](tab, `document.querySelector("#task-`+task.ID+` input").checked`) {
			t.Errorf("task %d is not chosen any more", task.Index)
		}
	}
	if got := browsertest.Evaluate[int](tab, `document.querySelectorAll("#tasks input:checked").length`); got != 5 {
		t.Errorf("%d tasks are chosen", got)
	}

	tab.Press(`button[formaction="/tasks/cancel"]`)
	tab.UntilSays("Cancel 5 tasks?")
	tab.IsAccessible()
	fits(t, tab)
	tab.Press(`main form button[type=submit]`)
	tab.UntilSays("4 tasks were cancelled.")
	tab.UntilSays("1 was not:")
	tab.UntilSays("has ended already: its state is succeeded")
	tab.IsAccessible()
	tab.Press(`main a[href="/tasks?search=man"]`)
	tab.Until(`document.querySelectorAll("#tasks .state-over").length === 4`)
	for _, task := range tasks {
		if want, got := remuda.Canceled, r.task(task.ID).State; task.ID != c.Task.ID && got != want {
			t.Errorf("task %d is %s", task.Index, got)
		}
	}
	tab.IsSound()
}

package task_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

func TestTheListShowsWhatItsAddressAsksFor(t *testing.T) {
	r := newRanch(t)
	w := r.register("web-1")
	r.submit("failing")
	c := w.claim()
	w.begin(c, "one")
	w.finish(c, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonTimeout, Detail: "it took too long"})
	r.submit("going on")
	w.claim()
	waits := r.submit("waiting", func(s *remuda.Submission) { s.Project = "app"; s.Parallelism = 2 })
	r.submit("of others", func(s *remuda.Submission) { s.Organization, s.ResourceClass = "beta", "beta/linux" })
	admin := r.visitor(r.AdminToken)
	for query, want := range map[string]string{
		"":                               "of others,waiting,waiting,going on,failing",
		"state=failed":                   "failing",
		"state=failed&state=running":     "going on,failing",
		"state=queued&organization=acme": "waiting,waiting",
		"class=beta/linux":               "of others",
		"project=app&organization=acme":  "waiting,waiting",
		"job=" + waits[0].JobID:          "waiting,waiting",
		"search=ING":                     "waiting,waiting,going on,failing",
		"since=1h&state=failed":          "failing",
		"since=0s":                       "",
		"cursor=" + waits[0].ID + "&state=failed": "failing",
	} {
		code, text := admin.see("/tasks?" + query)
		if got := strings.Join(names(text), ","); code != 200 || got != want {
			t.Errorf("%s is answered %d with %q, want %q", query, code, got, want)
		}
	}
	member := r.visitor(r.member)
	member.want(200, "/tasks", "!of others", "web-1", "timeout", "2 of 2", "acme/app, by root", `name="task"`, `href="/tasks/new"`)
}

var rowName = regexp.MustCompile(`<a href="/tasks/[0-9a-f-]{36}">([^<]*)</a>`)

// names are those of the tasks that a list shows.
func names(text string) []string {
	var all []string
	for _, found := range rowName.FindAllStringSubmatch(text, -1) {
		all = append(all, found[1])
	}
	return all
}

func TestAFilterThatMakesNoSenseIsSaidBesideIt(t *testing.T) {
	r := newRanch(t)
	r.submit("one")
	admin, member := r.visitor(r.AdminToken), r.visitor(r.member)
	admin.want(422, "/tasks?state=lost", "no state &#34;lost&#34;", `id="filters"`)
	admin.want(422, "/tasks?since=yesterday", "expected a duration", `id="filters"`)
	admin.want(422, "/tasks?project=app", "name its organization", `value="app"`)
	admin.want(422, "/tasks?search="+strings.Repeat("x", 201), "at most 200", `id="filters"`)
	admin.want(404, "/tasks?class=acme/nothing", "acme/nothing", `id="filters"`)
	member.want(404, "/tasks?class=beta/linux", "beta/linux", "!one</a>")
	member.want(404, "/tasks?organization=beta", "!one</a>")
	member.want(200, "/tasks?search=nothing+like+it", "No task is like that", "!one</a>")
}

func TestAnEmptyListSaysHowToBegin(t *testing.T) {
	r := newRanch(t)
	r.visitor(r.member).want(200, "/tasks", "No task has been submitted yet", "remuda task submit", `href="/tasks/new"`)
	r.visitor(r.viewer).want(200, "/tasks", "No task has been submitted yet", "!/tasks/new")
}

func TestALongListHasPages(t *testing.T) {
	r := newRanch(t)
	r.submit("first")
	r.submit("many", func(s *remuda.Submission) { s.Parallelism = 50 })
	member := r.visitor(r.member)
	text := member.want(200, "/tasks?class=acme%2Flinux", "Next page", "!To the first page", "!first</a>")
	if got := len(names(text)); got != 50 {
		t.Errorf("a page has %d tasks", got)
	}
	next := regexp.MustCompile(`href="(/tasks[^"]*cursor=[^"]*)"`).FindStringSubmatch(text)
	if next == nil {
		t.Fatal("no address of the next page")
	}
	member.want(200, strings.ReplaceAll(next[1], "&amp;", "&"), "first</a>", "!many</a>", "To the first page", "!Next page")
	var ids []string
	for _, one := range regexp.MustCompile(`name="task" value="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		ids = append(ids, one[1])
	}
	code, _ := member.post("/tasks/cancel", url.Values{"task": append(ids, "one-more")})
	if code != 422 {
		t.Errorf("51 at once are answered %d", code)
	}
	if got := r.task(ids[0]).State; got != remuda.Queued {
		t.Errorf("a request that was refused made a task %s", got)
	}
}

func TestAScriptInAnyTextStaysText(t *testing.T) {
	const script = `<script>alert("x")</script>`
	r := newRanch(t)
	w := r.register("<script>runner</script>")
	task := r.submit(script, func(s *remuda.Submission) {
		s.Concurrency = &remuda.Concurrency{Group: script}
		s.Source = remuda.Source{Repository: "javascript:alert(1)", Ref: script}
		s.Job.Environment = map[string]string{script: script}
		s.Job.Steps = []remuda.JobStep{{Run: &remuda.Run{Name: script, Command: script, Shell: script, WorkingDirectory: script}}, {Checkout: &remuda.Checkout{Name: script, Path: script}}}
	})[0]
	c := w.claim()
	w.begin(c, script)
	w.step(c, remuda.Step{Number: 0, Name: script, State: remuda.StepFailed, Detail: script})
	w.finish(c, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: script})
	member := r.visitor(r.member)
	for _, path := range []string{
		"/tasks", "/tasks?search=" + url.QueryEscape(script), "/tasks?state=" + url.QueryEscape(script), "/tasks/" + task.ID,
		"/tasks/" + task.ID + "/job", "/tasks/cancel?task=" + task.ID + "&from=" + url.QueryEscape("search="+script),
	} {
		_, text := member.see(path)
		if !strings.Contains(text, "&lt;script&gt;") || strings.Contains(text, "<script>") || strings.Contains(text, `href="javascript:`) {
			t.Errorf("%s says %s", path, text)
		}
	}
	code, text := member.post("/tasks/new", url.Values{"class": {script}, "name": {script}, "command": {script}})
	if code != 422 || strings.Contains(text, "<script>") || !strings.Contains(text, "&lt;script&gt;") {
		t.Errorf("the form is answered %d %s", code, text)
	}
	code, text = member.post("/tasks/cancel", url.Values{"task": {task.ID, r.submit("good")[0].ID}})
	if code != 200 || strings.Contains(text, "<script>") || !strings.Contains(text, "&lt;script&gt;") {
		t.Errorf("what was not done is told with %d %s", code, text)
	}
}

func TestAViewerSeesNoButtonsAndIsRefused(t *testing.T) {
	r := newRanch(t)
	waits := r.submit("waits")[0].ID
	over := r.submit("over")[0].ID
	must(t)(r.Admin.CancelTask(t.Context(), over))
	viewer := r.visitor(r.viewer)
	viewer.want(200, "/tasks", "waits", "!New task", "!Cancel", "!Retry", `!type="checkbox" name="task"`)
	viewer.want(200, "/tasks/"+waits, "Why it waits", "!>Cancel", "!/cancel")
	viewer.want(200, "/tasks/"+over, "cancelled by root", "!>Retry", "!/retry")
	viewer.want(403, "/tasks/new", "needs the role member")
	viewer.want(403, "/tasks/cancel?task="+waits, "needs the role member")
	for path, form := range map[string]url.Values{
		"/tasks/" + waits + "/cancel": {}, "/tasks/" + over + "/retry": {},
		"/tasks/cancel": {"task": {waits, over}}, "/tasks/retry": {"task": {over}},
		"/tasks/new": {"class": {"acme/linux"}, "command": {"true"}},
	} {
		if code, text := viewer.post(path, form); code != 403 {
			t.Errorf("POST %s of a viewer is answered %d %s", path, code, text)
		}
	}
	if got := r.task(waits).State; got != remuda.Queued {
		t.Errorf("a viewer made a task %s", got)
	}
}

func TestAnotherOrganizationsTaskIsNotThere(t *testing.T) {
	r := newRanch(t)
	id := r.submit("secret plan")[0].ID
	stranger := r.visitor(r.stranger)
	for _, path := range []string{"/tasks/" + id, "/tasks/" + id + "/job", "/tasks/cancel?task=" + id, "/tasks/nothing", "/tasks/" + id + "?attempt=1"} {
		stranger.want(404, path, "!secret plan")
	}
	for path, form := range map[string]url.Values{
		"/tasks/" + id + "/cancel": {}, "/tasks/" + id + "/retry": {}, "/tasks/cancel": {"task": {id}},
	} {
		if code, text := stranger.post(path, form); code != 404 || strings.Contains(text, "secret plan") {
			t.Errorf("POST %s of a stranger is answered %d %s", path, code, text)
		}
	}
	own := r.submit("own", func(s *remuda.Submission) { s.Organization, s.ResourceClass = "beta", "beta/linux" })[0].ID
	code, text := stranger.post("/tasks/cancel", url.Values{"task": {id, own}})
	if code != 200 || strings.Contains(text, "secret plan") || !strings.Contains(text, "1 task was cancelled") {
		t.Errorf("of its own and another's is told %d %s", code, text)
	}
	if got := r.task(id).State; got != remuda.Queued {
		t.Errorf("a stranger made a task %s", got)
	}
}

func TestWhatIsDoneLeadsBackToTheListAndNowhereElse(t *testing.T) {
	r := newRanch(t)
	member := r.visitor(r.member)
	id := r.submit("one")[0].ID
	member.want(422, "/tasks/cancel", "No task was chosen")
	member.want(200, "/tasks/retry?task="+id+"&task="+id+"&from=state%3Dqueued", "Retry 1 task?", `href="/tasks?state=queued"`)
	member.want(200, "/tasks/retry?task="+id+"&from=%3Bhttps://evil.example", `href="/tasks"`, `!href="https`)
	for from, want := range map[string]string{"state=queued": "/tasks?state=queued", "//evil.example": "/tasks", "": "/tasks", "%zz": "/tasks"} {
		id := r.submit("one")[0].ID
		answer, err := member.http.PostForm(r.URL+"/tasks/cancel", url.Values{"task": {id}, "from": {from}})
		done(t, err)
		_ = answer.Body.Close()
		if got := answer.Request.URL.RequestURI(); got != want {
			t.Errorf("from %q it leads to %s, want %s", from, got, want)
		}
	}
	if code, text := member.post("/tasks/retry", url.Values{"task": {id}}); code != 409 || !strings.Contains(text, "has not ended") {
		t.Errorf("retrying what has not ended is answered %d %s", code, text)
	}
	if code, text := member.post("/tasks/retry", url.Values{"task": {id, r.submit("two")[0].ID}}); code != 409 || !strings.Contains(text, "Done with none of them") {
		t.Errorf("retrying two that have not ended is answered %d %s", code, text)
	}
	must(t)(r.Admin.CancelTask(t.Context(), id))
	if code, text := member.post("/tasks/retry", url.Values{"task": {id}}); code != 200 || !strings.Contains(text, "1 task was submitted once more.") {
		t.Errorf("retrying what has ended is answered %d %s", code, text)
	}
}

func TestTheFormSaysWhatIsWrongAndKeepsWhatWasTyped(t *testing.T) {
	r := newRanch(t)
	member := r.visitor(r.member)
	member.want(200, "/tasks/new?class=acme/linux", `value="acme/linux" selected`, "!beta/linux")
	for _, form := range []url.Values{
		{"class": {"acme/linux"}, "name": {"kept"}, "command": {" "}},
		{"class": {"acme/none"}, "name": {"kept"}, "command": {"kept"}},
		{"class": {"acme/linux"}, "name": {"kept" + strings.Repeat("x", 200)}, "command": {"kept"}},
	} {
		code, text := member.post("/tasks/new", form)
		if code != 422 || !strings.Contains(text, `role="alert"`) || !strings.Contains(text, "kept") {
			t.Errorf("%v is answered %d %s", form, code, text)
		}
	}
	code, text := member.post("/tasks/new", url.Values{"class": {"acme/linux"}, "command": {"echo one\necho two"}})
	if code != 200 || !strings.Contains(text, "echo one\necho two") || !strings.Contains(text, "Why it waits") {
		t.Errorf("a good form is answered %d %s", code, text)
	}
}

func TestATaskTellsWhoWhenAndOfWhichJobItIs(t *testing.T) {
	r := newRanch(t)
	w := r.register("web-1")
	tasks := r.submit("shards", func(s *remuda.Submission) {
		s.Parallelism, s.Priority, s.Capabilities, s.RetryInterrupted = 3, 7, []string{"job"}, true
		s.Source = remuda.Source{Repository: "https://github.com/acme/app.git", Ref: "main"}
	})
	c := w.claim()
	w.begin(c, "one", "two")
	done(t, w.Plane.AsRunner(w.id).Return(t.Context(), c.ID, remuda.Return{Detail: "the disk is full"}))
	w.holding = nil
	id := c.Task.ID
	member := r.visitor(r.member)
	member.want(200, "/tasks/"+id, "of 3", "the disk is full", "returned", `href="https://github.com/acme/app.git"`, "web-1", `href="/runners/`+w.id+`"`, "by root",
		`id="other-`+tasks[1].ID+`"`, `id="other-`+tasks[2].ID+`"`, fmt.Sprintf(`!id="other-%s"`, id), `href="/tasks?job=`+tasks[0].JobID+`"`, "Needs a runner with")
	for c = w.claim(); c.Task.ID != id; {
		c = w.claim()
	}
	member.want(200, "/tasks/"+id+"?attempt=1", "Attempt 2", `href="#s1"`)
	member.want(404, "/tasks/"+id+"?attempt=9", "has no attempt")
	must(t)(r.Admin.CancelTask(t.Context(), tasks[2].ID))
	again, err := r.Admin.RetryTask(t.Context(), tasks[2].ID)
	done(t, err)
	member.want(200, "/tasks/"+again.ID, "Retry of", `href="/tasks/`+tasks[2].ID+`"`)
	member.want(200, "/tasks/"+tasks[2].ID, "Retried by", `href="/tasks/`+again.ID+`"`, "cancelled by root")
}

package control_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestASubmissionThatSaysLittleGetsTheDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		job := got(r.user(remuda.RoleMember).Submit(t.Context(), remuda.Submission{ResourceClass: "acme/linux", Job: hello().Job}, ""))(t)
		task := r.task(job.Tasks[0].ID)
		now := time.Now().UTC()
		want := remuda.Task{
			ID: task.ID, JobID: job.ID, Name: "acme/linux", Organization: "acme", Project: "default", SubmittedBy: "u-member",
			ResourceClass: "acme/linux", Implementation: "job", Total: 1, State: remuda.Queued, Timeout: remuda.Duration(time.Hour),
			QueueTimeout: remuda.Duration(24 * time.Hour), LostAfter: remuda.Duration(10 * time.Minute), CancelGrace: remuda.Duration(10 * time.Second),
			MaxAttempts: 3, SubmittedAt: now, Job: hello().Job,
		}
		same(t, "task", want, task)
		want.Job = nil
		same(t, "answer", remuda.JobSubmitted{ID: job.ID, Name: "acme/linux", Tasks: []remuda.Task{want}}, job)
	})
}

func TestASubmissionKeepsWhatItSays(t *testing.T) {
	r := newRanch(t)
	r.settle("other")
	submission := with(func(s *remuda.Submission) {
		s.Source = remuda.Source{Repository: "https://example.com/a.git", Ref: "main"}
		s.Project, s.Timeout, s.QueueTimeout, s.LostAfter, s.CancelGrace = "p", 1e9, 2e9, remuda.Duration(40*time.Second), 3e9
		s.MaxAttempts, s.RetryInterrupted, s.Priority = 7, true, -5
	})
	task := r.task(r.submit(submission))
	if task.Source != submission.Source || task.Project != "p" || task.Timeout != 1e9 || task.QueueTimeout != 2e9 || task.LostAfter.String() != "40s" ||
		task.CancelGrace != 3e9 || task.MaxAttempts != 7 || !task.RetryInterrupted || task.Priority != -5 || task.SubmittedBy != "root" {
		t.Errorf("it is %+v", task)
	}
	got(r.admin.ChangeResourceClass(t.Context(), "acme/linux", control.ResourceClassChange{LostAfter: pointer(remuda.Duration(time.Minute))}))(t)
	same(t, "the class's patience", "1m", r.task(r.submit(hello())).LostAfter.String())
	same(t, "its own patience", "40s", r.task(r.submit(submission)).LostAfter.String())
}

func TestASubmissionThatBreaksARuleQueuesNothing(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	step := func(s remuda.JobStep) func(*remuda.Submission) {
		return func(into *remuda.Submission) {
			into.Job = &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "true"}}, s}}
		}
	}
	run := remuda.Run{Command: "true"}
	for what, c := range map[string]struct {
		change func(*remuda.Submission)
		kind   remuda.Kind
		says   string
	}{
		"no job":               {func(s *remuda.Submission) { s.Job = nil }, remuda.Invalid, "at least one step"},
		"no step":              {func(s *remuda.Submission) { s.Job = &remuda.Job{} }, remuda.Invalid, "at least one step"},
		"a step of nothing":    {step(remuda.JobStep{}), remuda.Invalid, "steps[1]"},
		"a step of two things": {step(remuda.JobStep{Run: &run, Checkout: &remuda.Checkout{}}), remuda.Invalid, "steps[1]"},
		"an empty command":     {step(remuda.JobStep{Run: &remuda.Run{}}), remuda.Invalid, "has a command"},
		"an unknown when":      {step(remuda.JobStep{Run: &remuda.Run{Command: "x", When: "later"}}), remuda.Invalid, "on_fail"},
		"checkout of nothing":  {step(remuda.JobStep{Checkout: &remuda.Checkout{}}), remuda.Invalid, "source.repository"},
		"a long name":          {func(s *remuda.Submission) { s.Name = strings.Repeat("n", 201) }, remuda.Invalid, "200"},
		"a long repository":    {func(s *remuda.Submission) { s.Source.Repository = strings.Repeat("n", 2049) }, remuda.Invalid, "2048"},
		"a long ref":           {func(s *remuda.Submission) { s.Source.Ref = strings.Repeat("n", 1025) }, remuda.Invalid, "1024"},
		"a secret's name": {func(s *remuda.Submission) {
			s.Secrets = map[string]remuda.Secret{"a-b": remuda.NewSecret("long enough")}
		},
			remuda.Invalid, "environment variable"},
		"a negative timeout":   {func(s *remuda.Submission) { s.Timeout = -1 }, remuda.Invalid, "negative"},
		"a long timeout":       {func(s *remuda.Submission) { s.Timeout = remuda.Duration(8 * 24 * time.Hour) }, remuda.Invalid, "7d"},
		"a long queue_timeout": {func(s *remuda.Submission) { s.QueueTimeout = remuda.Duration(8 * 24 * time.Hour) }, remuda.Invalid, "7d"},
		"a short lost_after":   {func(s *remuda.Submission) { s.LostAfter = remuda.Duration(29 * time.Second) }, remuda.Invalid, "30s"},
		"a long cancel_grace":  {func(s *remuda.Submission) { s.CancelGrace = remuda.Duration(11 * time.Minute) }, remuda.Invalid, "10m"},
		"eleven attempts":      {func(s *remuda.Submission) { s.MaxAttempts = 11 }, remuda.Invalid, "max_attempts"},
		"negative attempts":    {func(s *remuda.Submission) { s.MaxAttempts = -1 }, remuda.Invalid, "max_attempts"},
		"too parallel":         {func(s *remuda.Submission) { s.Parallelism = 257 }, remuda.Invalid, "parallelism"},
		"less than one":        {func(s *remuda.Submission) { s.Parallelism = -1 }, remuda.Invalid, "parallelism"},
		"a great priority":     {func(s *remuda.Submission) { s.Priority = 101 }, remuda.Invalid, "priority"},
		"an unknown class":     {func(s *remuda.Submission) { s.ResourceClass = "acme/none" }, remuda.NotFound, "acme/none"},
		"no class":             {func(s *remuda.Submission) { s.ResourceClass = "" }, remuda.NotFound, "resource class"},
		"an unknown owner":     {func(s *remuda.Submission) { s.Organization = "nobody" }, remuda.NotFound, "nobody"},
		"a project of no name": {func(s *remuda.Submission) { s.Project = "-" }, remuda.Invalid, "project"},
		"a fork, not built":    {func(s *remuda.Submission) { s.Source.Fork = true }, remuda.Forbidden, "builds_forks"},
		"an idempotency key":   {func(s *remuda.Submission) { s.Name = "key" }, remuda.Invalid, "200 bytes"},
		"a fork with a secret": {func(s *remuda.Submission) { s.Source.Fork = true }, remuda.Forbidden, "forks"},
		"many secrets, one bad": {func(s *remuda.Submission) {
			s.Secrets = map[string]remuda.Secret{"A": remuda.NewSecret("good"), "1": remuda.NewSecret("good")}
		}, remuda.Invalid, "letters"},
	} {
		t.Run(what, func(t *testing.T) {
			key := ""
			if what == "an idempotency key" {
				key = strings.Repeat("k", 201)
			}
			_, err := r.admin.Submit(ctx, with(c.change), key)
			wantKind(t, err, c.kind)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("it is told %q, which does not say %q", err, c.says)
			}
		})
	}
	if tasks := got(r.admin.Tasks(ctx, control.TaskFilter{}, control.PageQuery{}))(t).Items; len(tasks) != 0 {
		t.Errorf("queued are %+v", tasks)
	}
	if projects := got(r.admin.Projects(ctx, "acme", control.PageQuery{}))(t).Items; len(projects) != 0 {
		t.Errorf("a refused submission made %+v", projects)
	}
}

func TestAParallelJobIsTasksThatKnowTheirIndex(t *testing.T) {
	r := newRanch(t)
	job := got(r.admin.Submit(t.Context(), with(func(s *remuda.Submission) { s.Parallelism = 256 }), ""))(t)
	if len(job.Tasks) != 256 {
		t.Fatalf("%d tasks", len(job.Tasks))
	}
	for i, task := range job.Tasks {
		if task.Index != i || task.Total != 256 || task.JobID != job.ID {
			t.Fatalf("task %d is %d of %d", i, task.Index, task.Total)
		}
	}
	h := r.register(2)
	answer := must(t, h.Sync, t.Context(), remuda.Sync{Ready: true})
	for i, claim := range answer.Claims {
		if claim.Task.Index != i || claim.Task.Total != 256 {
			t.Errorf("claim %d is of %d of %d", i, claim.Task.Index, claim.Task.Total)
		}
	}
	byJob := got(r.admin.Tasks(t.Context(), control.TaskFilter{JobID: job.ID}, control.PageQuery{Limit: 500}))(t)
	same(t, "of the job", 256, len(byJob.Items))
}

func TestAnIdempotencyKeyIsItsSubmittersAndForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx, member := t.Context(), r.user(remuda.RoleMember)
		first := got(r.admin.Submit(ctx, hello(), "k"))(t)
		last := r.lastEvent()
		same(t, "again", first.ID, got(r.admin.Submit(ctx, hello(), "k"))(t).ID)
		same(t, "events of the second time", []string(nil), r.events(control.EventFilter{After: last}))
		if got(member.Submit(ctx, hello(), "k"))(t).ID == first.ID {
			t.Error("another submitter's key is the same")
		}
		if got(r.admin.Submit(ctx, hello(), "l"))(t).ID == first.ID {
			t.Error("another key is the same")
		}
		other := with(func(s *remuda.Submission) { s.Secrets = map[string]remuda.Secret{"A": remuda.NewSecret("one one")} })
		wantKind(t, second(r.admin.Submit(ctx, other, "k")), remuda.Conflict)
		got(r.admin.Submit(ctx, other, "m"))(t)
		other.Secrets["A"] = remuda.NewSecret("two two")
		wantKind(t, second(r.admin.Submit(ctx, other, "m")), remuda.Conflict)
		task := first.Tasks[0].ID
		must(t, r.admin.CancelTask, ctx, task)
		must(t, r.admin.RetryTask, ctx, task)
		again := got(r.admin.Submit(ctx, hello(), "k"))(t)
		if len(again.Tasks) != 1 || again.Tasks[0].State != remuda.Canceled {
			t.Errorf("after a retry it is answered with %+v", again.Tasks)
		}
		time.Sleep(24*time.Hour - time.Minute)
		stop := r.run()
		time.Sleep(59 * time.Second)
		same(t, "again, a day later", first.ID, got(r.admin.Submit(ctx, hello(), "k"))(t).ID)
		time.Sleep(2 * time.Minute)
		stop()
		if got(r.admin.Submit(ctx, hello(), "k"))(t).ID == first.ID {
			t.Error("the key is remembered for longer than a day")
		}
	})
}

func TestForksNeedTheProjectAndTheClassAndGetNoSecret(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	fork := with(func(s *remuda.Submission) {
		s.Project, s.Source, s.Secrets = "p", remuda.Source{Fork: true}, map[string]remuda.Secret{"A": remuda.NewSecret("fork-secret")}
	})
	own := with(func(s *remuda.Submission) {
		s.Project, s.Secrets = "p", map[string]remuda.Secret{"A": remuda.NewSecret("own-secret")}
	})
	must(t, r.admin.CreateProject, ctx, remuda.Project{Organization: "acme", Name: "p"})
	for _, c := range []struct {
		visibility  string
		builds      bool
		allow       bool
		fork, owner bool // whether each is taken
	}{
		{"private", false, false, false, true},
		{"private", true, false, true, true},
		{"public", false, false, false, true},
		{"public", true, false, false, false}, // anybody's code could come to machines that people host
		{"public", true, true, true, true},
	} {
		got(r.admin.ChangeProject(ctx, "acme", "p", control.ProjectChange{Visibility: &c.visibility, BuildsForks: &c.builds}))(t)
		got(r.admin.ChangeResourceClass(ctx, "acme/linux", control.ResourceClassChange{AllowForks: &c.allow}))(t)
		for submission, taken := range map[*remuda.Submission]bool{&fork: c.fork, &own: c.owner} {
			_, err := r.admin.Submit(ctx, *submission, "")
			if taken {
				done(t, err)
			} else {
				wantKind(t, err, remuda.Forbidden)
			}
		}
	}
	h := r.register(64)
	for _, claim := range must(t, h.Sync, ctx, remuda.Sync{Ready: true}).Claims {
		secrets := r.secretsOf(h, claim)
		if want := map[bool]string{true: "", false: "own-secret"}[claim.Task.Source.Fork]; secrets["A"] != want {
			t.Errorf("fork %v gets %q", claim.Task.Source.Fork, secrets["A"])
		}
		done(t, h.Finish(ctx, claim.ID, succeeded))
		if claim.Task.Source.Fork {
			again := must(t, r.admin.RetryTask, ctx, claim.Task.ID)
			if !again.Source.Fork {
				t.Error("a retry of a fork's task is no fork's any more")
			}
		}
	}
}

func TestAClassThatStopsTakingForksKeepsWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		must(t, r.admin.CreateProject, ctx, remuda.Project{Organization: "acme", Name: "p", Visibility: "public", BuildsForks: true})
		allow := func(yes bool) {
			got(r.admin.ChangeResourceClass(ctx, "acme/linux", control.ResourceClassChange{AllowForks: &yes}))(t)
		}
		allow(true)
		task := r.submit(with(func(s *remuda.Submission) { s.Project = "p" }))
		allow(false)
		open := r.sync(r.register(1), remuda.Sync{Ready: true})
		held(t, open)
		if why := must(t, r.admin.Why, ctx, task); !strings.Contains(why.Reasons[0], "refuses forks") {
			t.Errorf("why: %v", why.Reasons)
		}
		allow(true)
		if answer := answered(t, open); len(answer.Claims) != 1 {
			t.Errorf("answered is %+v", answer)
		}
	})
}

func TestATaskThatNoRunnerTakesFailsAfterItsQueueTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		r.run()
		task := r.submit(with(func(s *remuda.Submission) { s.QueueTimeout = remuda.Duration(time.Minute) }))
		time.Sleep(59 * time.Second)
		r.wantState(task, remuda.Queued)
		time.Sleep(3 * time.Second)
		failed := r.wantState(task, remuda.Failed)
		if failed.Reason != remuda.ReasonTimeout || !strings.Contains(failed.Detail, "queue_timeout of 1m") || failed.EndedAt == nil || failed.StartedAt != nil {
			t.Errorf("it is %+v", failed)
		}
		held(t, r.sync(r.register(1), remuda.Sync{Ready: true}))
		if class := must(t, r.admin.ResourceClass, t.Context(), "acme/linux"); class.Queued != 0 {
			t.Errorf("%d are counted as queued", class.Queued)
		}
	})
}

func TestTasksAreFoundByWhenTheyWereSubmitted(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	count := func(since time.Time) int {
		found, err := r.admin.Tasks(ctx, control.TaskFilter{Since: since}, control.PageQuery{})
		done(t, err)
		return len(found.Items)
	}
	got(r.admin.Submit(ctx, remuda.Submission{ResourceClass: "acme/linux", Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "true"}}}}}, ""))(t)
	for since, want := range map[time.Time]int{{}: 1, time.Now().Add(-time.Hour): 1, time.Now().Add(time.Hour): 0, time.Unix(0, 0): 1} {
		same(t, "since "+since.String(), want, count(since))
	}
}

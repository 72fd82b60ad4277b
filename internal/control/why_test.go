package control_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// says has a runner with capabilities say something of itself.
func (r *ranch) says(s remuda.Sync, capabilities ...string) horse {
	r.t.Helper()
	h := r.capable(capabilities...)
	ctx, cut := cutContext(r.t)
	answers := r.syncUntil(ctx, h, s)
	cut()
	<-answers
	return h
}

func TestWhyRunnersDoNotTakeATask(t *testing.T) {
	ready := remuda.Sync{Ready: true}
	busy := func(r *ranch, n int) {
		for range n {
			r.submit(hello())
			r.claim(r.register(1))
		}
	}
	paused := func(r *ranch, n int) {
		for range n {
			got(r.admin.PauseRunner(r.t.Context(), r.register(1).id, true))(r.t)
		}
	}
	docker := needing("docker")
	for what, c := range map[string]struct {
		lead func(*ranch)
		task remuda.Submission
		want string
	}{
		"one is busy":   {func(r *ranch) { busy(r, 1) }, hello(), "the only runner of acme/linux is busy"},
		"all are busy":  {func(r *ranch) { busy(r, 3) }, hello(), "all 3 runners of acme/linux are busy"},
		"one is paused": {func(r *ranch) { paused(r, 1) }, hello(), "the only runner of acme/linux is paused"},
		"one is draining": {func(r *ranch) { must(r.t, r.admin.DrainRunner, r.t.Context(), r.register(1).id) }, hello(),
			"the only runner of acme/linux is draining"},
		"different things": {func(r *ranch) { busy(r, 2); paused(r, 1); r.says(remuda.Sync{Reason: "the disk is full"}) }, hello(),
			"none of the 4 runners of acme/linux can take it: 2 are busy, 1 is not ready (the disk is full), 1 is paused"},
		"too many different things": {func(r *ranch) {
			busy(r, 2)
			for i := range 4 {
				r.says(remuda.Sync{Reason: fmt.Sprintf("fault %d", i)})
			}
		}, hello(), "none of the 6 runners of acme/linux can take it: 2 are busy, 1 is not ready (fault 0), 1 is not ready (fault 1), 2 cannot for other reasons"},
		"quarantine": {func(r *ranch) { r.says(remuda.Sync{Quarantined: true, Reason: "no agent"}) }, hello(),
			"the only runner of acme/linux is in quarantine (no agent)"},
		"one lacks what it needs":  {func(r *ranch) { r.says(ready, "job") }, docker, "the only runner of acme/linux lacks docker"},
		"all lack what it needs":   {func(r *ranch) { r.says(ready); r.says(ready); r.says(ready); busy(r, 1) }, docker, "all 4 runners lack docker"},
		"two things are lacking":   {func(r *ranch) { r.says(ready); r.says(ready) }, needing("gpu", "docker"), "all 2 runners lack docker and gpu"},
		"who has it is not ready":  {func(r *ranch) { r.says(ready); r.says(remuda.Sync{}, "docker") }, docker, "none of the 2 runners of acme/linux can take it: 1 is not ready, 1 lacks docker"},
		"one was there":            {func(r *ranch) { r.register(1); time.Sleep(time.Hour) }, hello(), "no runner is connected for acme/linux; 1 was, and is silent now"},
		"several were there":       {func(r *ranch) { r.register(1); r.register(1); time.Sleep(time.Hour) }, hello(), "no runner is connected for acme/linux; 2 were, and are silent now"},
		"some are silent":          {func(r *ranch) { r.register(1); time.Sleep(time.Hour); paused(r, 2) }, hello(), "all 2 runners of acme/linux are paused; 1 more is silent"},
		"more are silent":          {func(r *ranch) { r.register(1); r.register(1); time.Sleep(time.Hour); paused(r, 1) }, hello(), "the only runner of acme/linux is paused; 2 more are silent"},
		"it was there long ago":    {func(r *ranch) { r.register(1); time.Sleep(13 * time.Hour) }, hello(), "no runner is connected for acme/linux"},
		"one that is free is busy": {func(r *ranch) { paused(r, 2); r.says(remuda.Sync{Ready: true}) }, hello(), "a runner is taking it now"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRanch(t)
				c.lead(r)
				why := must(t, r.admin.Why, t.Context(), r.submit(c.task))
				same(t, "why", c.want, why.Reasons[0])
			})
		})
	}
}

func TestWhyATaskWaitsForItsGroup(t *testing.T) {
	for _, c := range []struct {
		running int
		says    func(ids []string) string
	}{
		{1, func(ids []string) string { return "waits for deploy: task " + ids[0] + " of job number 0 runs" }},
		{2, func(ids []string) string {
			return "waits for deploy: task " + ids[0] + " of job number 0 and task " + ids[1] + " of job number 1 run"
		}},
		{5, func(ids []string) string {
			return "waits for deploy: task " + ids[0] + " of job number 0, task " + ids[1] + " of job number 1, task " + ids[2] + " of job number 2 and 2 others run"
		}},
	} {
		t.Run(fmt.Sprint(c.running), func(t *testing.T) {
			r := newRanch(t)
			var ids []string
			for i := range c.running {
				s := inGroup("", c.running)
				s.Name = fmt.Sprintf("number %d", i)
				ids = append(ids, r.submit(s))
			}
			h := r.register(20)
			same(t, "claims", c.running, len(must(t, h.Sync, t.Context(), remuda.Sync{Ready: true}).Claims))
			task := r.submit(inGroup("", c.running))
			same(t, "why", []string{c.says(ids)}, must(t, r.admin.Why, t.Context(), task).Reasons)
			// One that is open says nothing of its group.
			r.submit(inGroup("", c.running+1))
			same(t, "why, when there is room", []string{"a runner is taking it now"}, must(t, r.admin.Why, t.Context(), task).Reasons)
		})
	}
}

func TestWhyATaskWaitsForOthersAndForLimits(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	h := r.register(5)
	r.queue(2)
	same(t, "claims", 2, len(must(t, h.Sync, ctx, remuda.Sync{Ready: true}).Claims))
	got(r.admin.ChangeProject(ctx, "acme", "default", control.ProjectChange{TaskLimit: pointer(2)}))(t)
	for ahead := range 3 {
		why := must(t, r.admin.Why, ctx, r.submit(hello())).Reasons
		expected := []string{"project default is at its limit of 2 running tasks"}
		if ahead > 0 {
			expected = append(expected, fmt.Sprintf("%d ahead of it in acme/linux", ahead))
		}
		same(t, "why", expected, why)
	}
	for range 4 {
		r.submit(with(func(s *remuda.Submission) { s.Parallelism = 256 }))
	}
	why := must(t, r.admin.Why, ctx, r.submit(hello())).Reasons
	same(t, "why when many are ahead", "more than 1000 ahead of it in acme/linux", why[len(why)-1])
}

func TestATaskThatHasEndedSaysSoWhenItIsCancelled(t *testing.T) {
	r := newRanch(t)
	task := r.submit(hello())
	must(t, r.admin.CancelTask, t.Context(), task)
	_, err := r.admin.CancelTask(t.Context(), task)
	wantKind(t, err, remuda.Conflict)
	if !strings.Contains(err.Error(), "task "+task+" has ended already: its state is canceled") {
		t.Errorf("it is told %q", err)
	}
}

func TestWhyATaskWaitsForItsTurn(t *testing.T) {
	r := newRanch(t)
	of := func(project string) string {
		return r.submit(with(func(s *remuda.Submission) { s.Project = project }))
	}
	of("one")
	second, last := func(id string) string { // what is said beside the runners that are missing
		return must(t, r.admin.Why, t.Context(), id).Reasons[1]
	}, of("two")
	same(t, "beside one other", "1 other project takes turns with its own in acme/linux", second(last))
	of("three")
	same(t, "beside two others", "1 ahead of it in acme/linux, and 2 other projects take turns with its own", second(of("two")))
}

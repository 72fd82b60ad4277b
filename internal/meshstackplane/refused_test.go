package meshstackplane_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/meshstackplane"
)

// answers refuses the first requests of a path with these statuses, one after the other.
func answers(part string, statuses ...int) func(http.ResponseWriter, heard, int) bool {
	return func(w http.ResponseWriter, h heard, nth int) bool {
		if !strings.Contains(h.Path, part) || nth > len(statuses) {
			return false
		}
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(statuses[nth-1])
		_ = json.NewEncoder(w).Encode(m{"detail": "not now"})
		return true
	}
}

func TestAFreeRunnerWaitsOutWhatIsWrongWithMeshStack(t *testing.T) {
	v := newVendor(t)
	v.refuse = answers("/create", 429, 503, 502, 409, 401, 404)
	h := v.hire(newPlace(t))
	v.offer(v.run(runUUID, "run-token-1"))
	h.begin(h.task(h.claim()))
	// The one 401 was an access token that had ended: it signed in again, and asked again.
	if v.logins != 2 {
		t.Errorf("it signed in %d times", v.logins)
	}
}

func TestAnAccessTokenIsRenewedBeforeItEnds(t *testing.T) {
	v := newVendor(t)
	v.refuse = func(w http.ResponseWriter, h heard, _ int) bool {
		if h.Path != "/api/login" {
			return false
		}
		v.logins++
		_ = json.NewEncoder(w).Encode(m{"access_token": "short", "token_type": "bearer", "expires_in": 1})
		return true
	}
	h := v.hire(newPlace(t))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := h.plane.Sync(ctx, remuda.Sync{Ready: true})
		for err == nil {
			_, err = h.plane.Sync(ctx, remuda.Sync{Ready: true})
		}
		ended <- err
	}()
	v.await("the third login", func(heard) bool { return v.logins >= 3 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the last sync is answered %v", err)
	}
}

func TestAnIdleRunnerWhoseKeyIsRefusedIsToldSo(t *testing.T) {
	v := newVendor(t)
	v.refuse = answers("/api/login", 401, 401, 401)
	h := v.hire(newPlace(t))
	if err := h.plane.Check(t.Context()); !errors.Is(err, remuda.Unauthenticated) || !strings.Contains(err.Error(), "not now") {
		t.Errorf("the check says %v", err)
	}
	said := remuda.Sync{Ready: true}
	_, err := h.plane.Sync(t.Context(), said) // the first is answered at once
	if err == nil {
		_, err = h.plane.Sync(t.Context(), said)
	}
	if !errors.Is(err, remuda.Unauthenticated) {
		t.Errorf("it is answered %v", err)
	}
}

func TestARunGoesOnWhileReportsAreRefused(t *testing.T) {
	v := newVendor(t)
	h := v.hire(newPlace(t))
	v.offer(v.run(runUUID, "run-token-1"))
	claim := h.claim()
	task := h.task(claim)
	h.begin(task)
	v.set(func() { v.refuse = answers("/status/source/remuda", 200, 429, 503, 401) })
	h.print(task, 1, "applying\n")
	v.await("a report after three that were refused", func(h heard) bool {
		return v.counts["PATCH "+h.Path] >= 5
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if answer, err := h.plane.Sync(ctx, remuda.Sync{Holding: []string{claim.ID}}); err == nil && len(answer.Lost)+len(answer.Cancel) > 0 {
		t.Errorf("the runner is told %+v", answer)
	}
	// The last word is tried by the runner's loop, which is told what came in its way.
	v.set(func() { v.refuse, v.counts = answers("/status/source/remuda", 503), map[string]int{} })
	if err := h.finish(claim.ID, remuda.Result{State: remuda.Succeeded}); !errors.Is(err, remuda.Unavailable) {
		t.Errorf("a last word that does not arrive is answered %v", err)
	}
	h.ok(h.finish(claim.ID, remuda.Result{State: remuda.Succeeded}))
}

func TestARunThatMeshStackKnowsNoMoreIsEnded(t *testing.T) {
	for name, statuses := range map[string][]int{
		"it is not there":      {410},
		"it is nobody's":       {404},
		"its token has ended":  {401, 401, 401, 401, 401},
		"its token is refused": {403, 403, 403, 403, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t)
			p := newPlace(t)
			h := v.hire(p)
			v.offer(v.run(runUUID, "run-token-1"))
			claim := h.claim()
			task := h.task(claim)
			h.begin(task)
			v.set(func() { v.refuse, v.counts = answers("/status/source/remuda", statuses...), map[string]int{} })
			h.print(task, 1, "applying\n")
			answer := remuda.SyncAnswer{}
			for end := time.Now().Add(2 * time.Minute); len(answer.Lost) == 0 && time.Now().Before(end); {
				var err error
				answer, err = h.plane.Sync(t.Context(), remuda.Sync{Holding: []string{claim.ID}})
				h.ok(err)
			}
			if len(answer.Lost) != 1 || answer.Lost[0] != claim.ID {
				t.Fatalf("the runner is told %+v", answer)
			}
			if err := task.Steps(t.Context(), nil); !errors.Is(err, remuda.Gone) {
				t.Errorf("its agent is answered %v", err)
			}
			if left := p.files(t); left != "" {
				t.Errorf("there is left %s", left)
			}
		})
	}
}

func TestARunnerAsksForNoMoreRunsThanItHasSlots(t *testing.T) {
	v := newVendor(t)
	h := v.hire(newPlace(t))
	v.offer(v.run(runUUID, "a"), v.run(runUUID, "a"), v.run("5d1f0b51-0000-4000-8000-00000000bbbb", "b"), v.run("5d1f0b51-0000-4000-8000-00000000dddd", "c"))
	one := h.claim()
	// It is given again until it has begun: that is the same claim.
	two := h.claim(one.ID)
	if two.Task.ID == one.Task.ID {
		t.Fatal("one run was claimed twice")
	}
	h.begin(h.task(one))
	h.begin(h.task(two))
	asked := v.many(http.MethodPost, "forRunnerUuid="+poolID)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if answer, err := h.plane.Sync(ctx, remuda.Sync{Ready: true, Holding: []string{one.ID, two.ID}}); err == nil {
		t.Errorf("with both slots taken, it is answered %+v", answer)
	}
	if again := v.many(http.MethodPost, "forRunnerUuid="+poolID); again != asked {
		t.Errorf("with both slots taken, it asked %d times", again-asked)
	}
	h.succeed(h.task(one), one)
	if three := h.claim(two.ID); three.Task.ID != "5d1f0b51-0000-4000-8000-00000000dddd" {
		t.Errorf("the third is %+v", three.Task)
	}
	// Nor does one that drains ask.
	if answer, err := h.plane.Sync(t.Context(), remuda.Sync{Holding: []string{two.ID}, Draining: true}); err != nil || len(answer.Lost) > 0 {
		t.Errorf("draining is answered %+v (%v)", answer, err)
	}
}

func TestNoTokenTravelsInClear(t *testing.T) {
	v := newVendor(t)
	p := newPlace(t)
	for _, address := range []string{"http://meshstack.example.com", "ftp://x", "meshstack.example.com", "https://me@meshstack.example.com", ""} {
		_, err := meshstackplane.New(meshstackplane.Options{URL: address, Key: p.key, Dir: p.dir, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			t.Errorf("%q is taken for an address", address)
		}
	}
	h := v.hire(p)
	v.offer(v.run(runUUID, "run-token-1", func(run m) {
		run["_links"].(m)["updateSource"] = m{"href": "http://elsewhere.example.com/{sourceId}"}
	}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for {
		answer, err := h.plane.Sync(ctx, remuda.Sync{Ready: true})
		if len(answer.Claims) > 0 {
			t.Fatal("a run is taken whose token would travel in clear")
		}
		if err != nil {
			break
		}
	}
}

// The agent speaks to a meshStack's claim as it does to a native one: by the client of the native API.
func TestAnAgentBehindItsSocketSpeaksTheNativeAPI(t *testing.T) {
	v := newVendor(t)
	h := v.hire(newPlace(t))
	v.offer(v.run(runUUID, "run-token-1"))
	claim := h.claim()
	socket := httptest.NewServer(h.task(claim))
	defer socket.Close()
	native, err := client.New(socket.URL, client.Options{})
	h.ok(err)
	defer native.CloseIdle()
	var task interface {
		agent.Plane
		agent.Runs
	} = native.Task(claim.ID, "")
	ctx := t.Context()
	_, err = task.Begin(ctx, remuda.Begin{Steps: steps(remuda.StepPending, remuda.StepPending, remuda.StepPending)})
	h.ok(err)
	h.ok(task.Steps(ctx, steps(remuda.StepRunning, remuda.StepPending, remuda.StepPending)))
	state, err := task.Append(ctx, remuda.Chunk{Step: 0, Source: 9, Data: []byte("hello\n")})
	if err != nil || state.Length != 6 || state.Source != 9 {
		t.Errorf("a chunk is answered %+v (%v)", state, err)
	}
	if again, err := task.Append(ctx, remuda.Chunk{Step: 0, Source: 9, Data: []byte("hello\n")}); err != nil || again != state {
		t.Errorf("the same chunk is answered %+v (%v)", again, err)
	}
	if closed, err := task.CloseStream(ctx, 0, remuda.StreamClose{Length: 6}); err != nil || !closed.Closed {
		t.Errorf("the end of a stream is answered %+v (%v)", closed, err)
	}
	if held, err := task.Stream(ctx, 0); err != nil || !held.Closed {
		t.Errorf("a stream is %+v (%v)", held, err)
	}
	if _, err := task.State(ctx); !errors.Is(err, remuda.NotFound) {
		t.Errorf("no state is answered %v", err)
	}
	_, err = task.LockState(ctx, remuda.StateLock{ID: "lock-1", Who: "me"})
	h.ok(err)
	if holder, err := task.LockState(ctx, remuda.StateLock{ID: "lock-2"}); !errors.Is(err, remuda.Conflict) || holder.Who != "me" {
		t.Errorf("a lock that is held is answered %+v (%v)", holder, err)
	}
	h.ok(task.WriteState(ctx, "lock-1", []byte(`{}`)))
	if text, err := task.State(ctx); err != nil || string(text) != `{}` {
		t.Errorf("the state is %s (%v)", text, err)
	}
	if holder, err := task.UnlockState(ctx, "other"); !errors.Is(err, remuda.Conflict) || holder.ID != "lock-1" {
		t.Errorf("another lock's release is answered %+v (%v)", holder, err)
	}
	_, err = task.UnlockState(ctx, "lock-1")
	h.ok(err)
	h.ok(task.DeleteState(ctx, "lock-1"))
	h.ok(task.SavePlan(ctx, []byte("plan")))
	if _, err := task.SavedPlan(ctx); !errors.Is(err, remuda.NotFound) {
		t.Errorf("no plan is answered %v", err)
	}
	h.ok(task.ReportRun(ctx, remuda.RunReport{Messages: []remuda.StepMessage{{Step: "sources", Message: "hi"}}}))
	if _, err := task.Append(ctx, remuda.Chunk{Step: 100_000}); !errors.Is(err, remuda.Invalid) {
		t.Errorf("a step that cannot be is answered %v", err)
	}
	other := native.Task("another-claim", "")
	if _, err := other.Stream(ctx, 0); !errors.Is(err, remuda.NotFound) {
		t.Errorf("another claim is answered %v", err)
	}
	for _, path := range []string{"/api/v1/runners", "/api/v1/claims/" + claim.ID + "/finish"} {
		answer, err := http.Post(socket.URL+path, "application/json", strings.NewReader("{}"))
		h.ok(err)
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s is answered %d", path, answer.StatusCode)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	h.ok(h.finish(claim.ID, remuda.Result{State: remuda.Succeeded}))
	if err := task.Steps(ctx, nil); !errors.Is(err, remuda.Gone) {
		t.Errorf("when it has ended, it is answered %v", err)
	}
}

func TestOfALongLogBeginningAndEndAreToldEachTextTheBeginningOfTheNext(t *testing.T) {
	v := newVendor(t)
	h := v.hire(newPlace(t))
	v.offer(v.run(runUUID, "run-token-1"))
	claim := h.claim()
	task := h.task(claim)
	h.begin(task)
	piece := strings.Repeat("ä long line of output\n", 20_000)
	h.print(task, 1, "first\n")
	for range 8 {
		h.print(task, 1, piece)
	}
	h.print(task, 1, "last\n")
	h.ok(task.Steps(t.Context(), steps(remuda.StepSucceeded, remuda.StepFailed, remuda.StepSkipped)))
	h.ok(h.finish(claim.ID, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "execute_tf: no"}))
	before := ""
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, h := range v.heard {
		if h.Method != http.MethodPatch {
			continue
		}
		text, _ := h.json["steps"].([]any)[1].(m)["systemMessage"].(string)
		if !strings.HasPrefix(text, before) {
			t.Errorf("a report of %d bytes does not begin with the one before, of %d", len(text), len(before))
		}
		before = text
	}
	if len(before) > 3<<20 || !strings.HasPrefix(before, "first\n") || !strings.HasSuffix(before, "last\n") || !strings.Contains(before, "bytes are left out") {
		t.Errorf("%d bytes are told, which begin with %.20q and end with %.20q", len(before), before, before[max(0, len(before)-20):])
	}
}

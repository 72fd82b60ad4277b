package simulation

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/store"
)

// rodeo is a control plane in real time, at which several clients pull at once.
type rodeo struct {
	t       *testing.T
	planes  []*control.Plane
	began   time.Time
	runners []string
	class   string
	limits  limits
	lenient bool // calls may fail: the store is broken

	mu      sync.Mutex
	history []porcupine.Operation
	tasks   []string
	claims  []held // of all runners, ended ones too
}

// held is a claim and whose it is.
type held struct {
	id, runner string
}

// TestCallsHaveAnOrder records what several clients ask of a store at once, and looks whether there is an order of
// these calls in which a simple sequential machine gives the same answers.
func TestCallsHaveAnOrder(t *testing.T) {
	for _, d := range []struct {
		name    string
		address func(testing.TB) string
		rounds  int
	}{
		{"sqlite", func(t testing.TB) string { return t.TempDir() }, 20},
		{"postgres", postgrestest.Fresh, 20},
	} {
		t.Run(d.name, func(t *testing.T) {
			held := openTwice(t, d.address(t))
			seen := map[string]int{}
			for round := range uint64(d.rounds) {
				r := newRodeo(t, held, round)
				r.limits.beside = d.name == "postgres"
				r.pull(round)
				if result, _ := r.check(); result != porcupine.Ok {
					t.Fatalf("round %d: %d calls have no order (%s)\n%s", round, len(r.history), result, r.tell())
				}
				r.count(seen)
			}
			t.Log(seen)
			for _, what := range []string{"claims", "beside each other", "finish", "finish: gone", "finish: conflict", "return", "return: gone", "cancel", "cancel: conflict"} {
				if seen[what] == 0 {
					t.Errorf("no history has this: %s", what)
				}
			}
		})
	}
}

// TestABrokenOrderIsSeen breaks the store on purpose: the histories that it then makes have no order.
func TestABrokenOrderIsSeen(t *testing.T) {
	postgres := func(t testing.TB) string { return postgrestest.Fresh(t) }
	sqlite := func(t testing.TB) string { return t.TempDir() }
	for _, m := range []struct {
		name    string
		address func(testing.TB) string
		store   func(control.Store) control.Store
	}{
		{name: "claims are decided beside each other", address: postgres, store: besides()},
		{name: "a claim finds nothing now and then", address: postgres, store: absentMinded},
		{name: "limits are ignored", store: mutationsOfClaims()[0].store},
		{name: "a task that runs is offered again", store: mutationsOfClaims()[1].store},
		{name: "every claim is said to be live", store: mutationsOfEnds()[0].store},
		{name: "a cancelled task is forgotten to be", store: spoils{movable: func(t *control.TaskRow) { t.CancelRequested = false }}.store()},
		{name: "an end is not counted", store: spoils{
			count: func(_ control.TaskRow, queued, running int) (int, int) { return queued, max(0, running) },
		}.store()},
	} {
		t.Run(m.name, func(t *testing.T) {
			if m.address == nil {
				m.address = sqlite
			}
			held := openTwice(t, m.address(t))
			broken := [2]control.Store{m.store(held[0]), m.store(held[1])}
			for round := range uint64(50) {
				r := newRodeo(t, broken, round)
				r.lenient = true
				r.pull(round)
				if result, _ := r.check(); result == porcupine.Illegal {
					return
				}
			}
			t.Error("50 histories of a broken store all have an order")
		})
	}
}

// openTwice opens a store for each of two planes: on PostgreSQL one each, as on two machines.
func openTwice(t *testing.T, address string) (held [2]control.Store) {
	t.Helper()
	for i := range held {
		if i > 0 && !strings.Contains(address, "://") {
			held[i] = held[0]
			break
		}
		opened, err := store.Open(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := opened.Close(); err != nil {
				t.Error(err)
			}
		})
		held[i] = opened
	}
	return held
}

// besides makes stores in which a claim is decided by what was committed, without the lock that keeps other claims away.
// Two that look for tasks have both looked before either goes on: without that, few of them are beside each other.
func besides() func(control.Store) control.Store {
	meeting := make(chan struct{})
	return func(below control.Store) control.Store { return besideStore{below, meeting} }
}

type besideStore struct {
	control.Store
	meeting chan struct{}
}

// Write carries out a transition in which claims are decided beside each other.
func (b besideStore) Write(ctx context.Context, _ control.Scope, transition func(control.Tx) error) error {
	return b.Store.Write(ctx, control.Beside, func(t control.Tx) error { return transition(besideTx{t, b}) })
}

type besideTx struct {
	control.Tx
	store besideStore
}

// Claimable waits until another has looked, too, unless there is none for a while.
func (t besideTx) Claimable(ctx context.Context, classes, capabilities []string, most int) (found []control.TaskRow, err error) {
	err = t.store.Store.Read(ctx, func(v control.View) error {
		found, err = v.Claimable(ctx, classes, capabilities, most)
		return err
	})
	select {
	case t.store.meeting <- struct{}{}:
	case <-t.store.meeting:
	case <-time.After(20 * time.Millisecond):
	}
	return found, err
}

// newRodeo makes an organization with a class of its own, two projects and three runners of two slots, on two planes.
func newRodeo(t *testing.T, held [2]control.Store, round uint64) *rodeo {
	t.Helper()
	keys, err := vault.Open(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rodeo{t: t, began: time.Now(), limits: limits{organization: 4, projects: map[string]int{"red": 2, "blue": 0}, attempts: 3, slots: 2}}
	for i := range held {
		r.planes = append(r.planes, control.New(control.Options{Store: held[i], Keys: keys, Log: slog.New(slog.DiscardHandler)}))
	}
	ctx := t.Context()
	name := "org-" + strconv.FormatUint(round, 10)
	admin := r.admin(0)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = admin.CreateOrganization(ctx, remuda.Organization{Name: name, TaskLimit: r.limits.organization})
	check(err)
	_, err = admin.ClaimNamespace(ctx, name, name)
	check(err)
	for project, limit := range r.limits.projects {
		_, err = admin.CreateProject(ctx, remuda.Project{Organization: name, Name: project, TaskLimit: limit})
		check(err)
	}
	r.class = name + "/linux"
	_, err = admin.CreateResourceClass(ctx, remuda.ResourceClass{Name: r.class})
	check(err)
	token, err := admin.CreateToken(ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "t", ResourceClass: r.class})
	check(err)
	for range 3 {
		registered, err := r.planes[0].Register(ctx, remuda.Registration{
			Name: "r", Slots: r.limits.slots, PublicKey: settled.key.Public(), Tokens: []remuda.Secret{remuda.NewSecret(token.Token)},
		}, "")
		check(err)
		r.runners = append(r.runners, registered.ID)
	}
	return r
}

func (r *rodeo) admin(n int) control.UserDoor {
	return r.planes[n%len(r.planes)].AsUser(control.User{Name: "root", Admin: true})
}

// pull lets three runners and four others call at once. The number of calls is what the checker can bear.
func (r *rodeo) pull(round uint64) {
	var all sync.WaitGroup
	for n, runner := range r.runners {
		all.Go(func() { r.claimsNow(n, runner, stream(round, "runner", strconv.Itoa(n))) })
	}
	for n := range 4 {
		all.Go(func() { r.meddleNow(len(r.runners)+n, stream(round, "other", strconv.Itoa(n))) })
	}
	all.Wait()
}

// do records one call.
func (r *rodeo) do(client int, asked any, call func() any) {
	began := time.Since(r.began).Nanoseconds()
	answer := call()
	ended := time.Since(r.began).Nanoseconds()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, porcupine.Operation{ClientId: client, Input: asked, Call: began, Output: answer, Return: ended})
}

// claimsNow syncs, and ends what came with it.
func (r *rodeo) claimsNow(client int, runner string, draw *rand.Rand) {
	const nobodys = "00000000-0000-7000-8000-000000000000" // is answered at once, as lost
	door := r.planes[draw.IntN(2)].AsRunner(runner)
	var mine []string
	for range 6 {
		r.do(client, syncCall{runner}, func() any {
			answer, err := door.Sync(r.t.Context(), remuda.Sync{Ready: true, Holding: append([]string{nobodys}, mine...)})
			r.expect(err)
			var got syncAnswer
			for _, claim := range answer.Claims {
				got.claims = append(got.claims, given{claim.Task.ID, claim.ID, claim.Attempt})
				mine = append(mine, claim.ID)
				r.note(claim.ID, runner)
			}
			return got
		})
		r.end(client, draw)
	}
}

// meddleNow submits, cancels, and ends the claims of any runner.
func (r *rodeo) meddleNow(client int, draw *rand.Rand) {
	for range 8 {
		switch draw.IntN(4) {
		case 0:
			r.submit(client, draw)
		case 1:
			r.cancel(client, draw)
		default:
			r.end(client, draw)
		}
	}
}

func (r *rodeo) submit(client int, draw *rand.Rand) {
	project := one(draw, []string{"red", "blue"})
	r.do(client, submitCall{project}, func() any {
		job, err := r.admin(draw.IntN(2)).Submit(r.t.Context(), remuda.Submission{
			ResourceClass: r.class, Project: project, MaxAttempts: r.limits.attempts, Parallelism: 2,
			Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "true"}}}},
		}, "")
		r.expect(err)
		var got submitAnswer
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, task := range job.Tasks {
			got.tasks = append(got.tasks, task.ID)
			r.tasks = append(r.tasks, task.ID)
		}
		return got
	})
}

func (r *rodeo) cancel(client int, draw *rand.Rand) {
	r.mu.Lock()
	if len(r.tasks) == 0 {
		r.mu.Unlock()
		r.submit(client, draw)
		return
	}
	task := one(draw, r.tasks)
	r.mu.Unlock()
	r.do(client, cancelCall{task}, func() any {
		_, err := r.admin(draw.IntN(2)).CancelTask(r.t.Context(), task)
		return kindOf(err)
	})
}

// end finishes or returns a claim, maybe one that has ended.
func (r *rodeo) end(client int, draw *rand.Rand) {
	r.mu.Lock()
	if len(r.claims) == 0 {
		r.mu.Unlock()
		r.submit(client, draw)
		return
	}
	claim := r.claims[len(r.claims)-1-draw.IntN(min(len(r.claims), 4))]
	r.mu.Unlock()
	door := r.planes[draw.IntN(2)].AsRunner(claim.runner)
	switch draw.IntN(5) {
	case 0, 1:
		why := remuda.Return{Detail: "no", Draining: draw.IntN(2) == 0}
		r.do(client, returnCall{claim.id, why.Draining}, func() any { return kindOf(door.Return(r.t.Context(), claim.id, why)) })
	case 2:
		r.do(client, finishCall{claim.id, remuda.Failed}, func() any {
			return kindOf(door.Finish(r.t.Context(), claim.id, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep}))
		})
	default:
		r.do(client, finishCall{claim.id, remuda.Succeeded}, func() any {
			return kindOf(door.Finish(r.t.Context(), claim.id, remuda.Result{State: remuda.Succeeded}))
		})
	}
}

func (r *rodeo) note(claim, runner string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.claims = append(r.claims, held{claim, runner})
}

func (r *rodeo) expect(err error) {
	if err != nil && !r.lenient {
		r.t.Error(err)
	}
}

// kindOf is how a call went: empty when well.
func kindOf(err error) remuda.Kind {
	if err == nil {
		return ""
	}
	return remuda.KindOf(err)
}

// check looks for an order.
func (r *rodeo) check() (porcupine.CheckResult, porcupine.LinearizationInfo) {
	return porcupine.CheckOperationsVerbose(machine(r.limits), r.history, 20*time.Second)
}

// tell writes the history to a page, if REMUDA_HISTORY names its place.
func (r *rodeo) tell() string {
	text := ""
	for _, op := range r.history {
		text += machine(r.limits).DescribeOperation(op.Input, op.Output) + "\n"
	}
	if path := os.Getenv("REMUDA_HISTORY"); path != "" {
		_, info := r.check()
		if err := porcupine.VisualizePath(machine(r.limits), info, path); err != nil {
			r.t.Error(err)
		}
	}
	return text
}

// count tells what the history shows.
func (r *rodeo) count(seen map[string]int) {
	outcome := func(what string, answer any) {
		if kind := answer.(remuda.Kind); kind != "" {
			what += ": " + string(kind)
		}
		seen[what]++
	}
	for n, op := range r.history {
		switch op.Input.(type) {
		case syncCall:
			seen["claims"] += len(op.Output.(syncAnswer).claims)
		case finishCall:
			outcome("finish", op.Output)
		case returnCall:
			outcome("return", op.Output)
		case cancelCall:
			outcome("cancel", op.Output)
		}
		for _, other := range r.history[:n] {
			if other.Call < op.Return && op.Call < other.Return {
				seen["beside each other"]++
			}
		}
	}
}

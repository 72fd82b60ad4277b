package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/store"
)

// ranch is a control plane on a real store, with an organization acme that owns the class acme/linux.
type ranch struct {
	t     testing.TB
	dir   string
	store *store.Store
	keys  control.Keys
	log   *diary
	plane *control.Plane
	admin control.UserDoor // of the instance
	token string           // class token of acme/linux
	hears bool             // what other planes tell

	address string // of the store
}

func newRanch(t testing.TB) *ranch {
	t.Helper()
	r := &ranch{t: t, dir: t.TempDir(), log: &diary{}, token: settled.token}
	if err := os.CopyFS(r.dir, os.DirFS(settled.dir)); err != nil {
		t.Fatal(err)
	}
	address := r.dir
	if overPostgres() {
		address = postgrestest.Copy(t, settledPostgres(t))
		r.token = settled.postgresToken
	}
	var err error
	r.address = address
	if r.store, err = store.Open(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
	if r.keys, err = vault.Open(filepath.Join(r.dir, "key")); err != nil {
		t.Fatal(err)
	}
	r.restart(control.Options{})
	return r
}

// overPostgres says whether the tests run over PostgreSQL instead of SQLite.
func overPostgres() bool { return os.Getenv("REMUDA_TEST_DATABASE") == "postgres" }

// settledPostgres is a database that is settled as the data folder is.
func settledPostgres(t testing.TB) string {
	t.Helper()
	settled.once.Do(func() {
		address := postgrestest.Fresh(t)
		token, err := settle(context.Background(), address, settled.dir)
		done(t, err)
		settled.postgres, settled.postgresToken = address, token
	})
	return settled.postgres
}

// deaf hears no other planes: time in a bubble stands still while someone listens to a connection.
type deaf struct{ control.Store }

func (deaf) Listen(context.Context, func(string, int)) error { return nil }

// restart puts a new plane on the same store.
func (r *ranch) restart(o control.Options) {
	if o.Store == nil {
		o.Store = r.store
	}
	if overPostgres() && !r.hears {
		o.Store = deaf{o.Store}
	}
	o.Keys, o.Log = r.keys, slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.plane = control.New(o)
	r.admin = r.plane.AsUser(control.User{Name: "root", Admin: true})
}

// diary keeps what is logged.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

func must[A, B any](t testing.TB, call func(context.Context, A) (B, error), ctx context.Context, a A) B {
	t.Helper()
	b, err := call(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// done fails the test unless all went well.
func done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got is a value that was made without an error.
func got[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func pointer[T any](value T) *T { return &value }

func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// run sweeps beside the test until it ends or stop is called.
func (r *ranch) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	plane := r.plane
	go func() { ended <- plane.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(stop)
	return stop
}

// user is the door of someone of acme.
func (r *ranch) user(role remuda.Role) control.UserDoor { return r.userOf("acme", role) }

func (r *ranch) userOf(organization string, role remuda.Role) control.UserDoor {
	r.t.Helper()
	token := must(r.t, r.admin.CreateToken, r.t.Context(), remuda.Token{
		Kind: remuda.OrganizationToken, Nickname: "u-" + string(role), Organization: organization, Role: role,
	})
	principal := must(r.t, r.plane.Authenticate, r.t.Context(), token.Token)
	return r.plane.AsUser(*principal.User)
}

// settle makes another organization with a namespace and a class, both called as it is.
func (r *ranch) settle(name string) {
	r.t.Helper()
	ctx := r.t.Context()
	must(r.t, r.admin.CreateOrganization, ctx, remuda.Organization{Name: name})
	got(r.admin.ClaimNamespace(ctx, name, name))(r.t)
	must(r.t, r.admin.CreateResourceClass, ctx, remuda.ResourceClass{Name: name + "/" + name})
}

func hello() remuda.Submission {
	return remuda.Submission{
		Name: "hello", ResourceClass: "acme/linux",
		Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "echo hello"}}}},
	}
}

// with is hello, changed.
func with(change func(*remuda.Submission)) remuda.Submission {
	s := hello()
	change(&s)
	return s
}

// submit queues one task and gives its id.
func (r *ranch) submit(s remuda.Submission) string {
	r.t.Helper()
	return got(r.admin.Submit(r.t.Context(), s, ""))(r.t).Tasks[0].ID
}

// horse is a registered runner that answers for itself, without a loop.
type horse struct {
	control.RunnerDoor
	id  string
	key *seal.Key
}

func (r *ranch) register(slots int) horse { return r.registerWith(slots, r.token) }

func (r *ranch) registerWith(slots int, tokens ...string) horse {
	r.t.Helper()
	key, err := seal.NewKey()
	done(r.t, err)
	registration := remuda.Registration{Name: "horse", Slots: slots, PublicKey: key.Public()}
	for _, token := range tokens {
		registration.Tokens = append(registration.Tokens, remuda.NewSecret(token))
	}
	registered := got(r.plane.Register(r.t.Context(), registration, "127.0.0.1"))(r.t)
	principal := must(r.t, r.plane.Authenticate, r.t.Context(), registered.Token)
	return horse{r.plane.AsRunner(principal.Runner), registered.ID, key}
}

// claim syncs once and gives the only claim of the answer.
func (r *ranch) claim(h horse, holding ...string) remuda.Claim {
	r.t.Helper()
	answer := must(r.t, h.Sync, r.t.Context(), remuda.Sync{Ready: true, Holding: holding})
	if len(answer.Claims) != 1 {
		r.t.Fatalf("claims = %d, want 1", len(answer.Claims))
	}
	return answer.Claims[0]
}

// begin has the claim's agent begin with one step.
func (r *ranch) begin(c remuda.Claim) control.TaskDoor {
	r.t.Helper()
	agent := r.plane.AsTask(c.ID)
	must(r.t, agent.Begin, r.t.Context(), remuda.Begin{Steps: []remuda.Step{{Name: "echo", State: remuda.StepRunning}}})
	return agent
}

// print has an agent append to its first step.
func (r *ranch) print(agent control.TaskDoor, offset int64, text string) remuda.StreamState {
	r.t.Helper()
	return must(r.t, agent.Append, r.t.Context(), remuda.Chunk{Offset: offset, Source: offset + int64(len(text)), Data: []byte(text)})
}

// lead takes a new task to where an agent carries it out.
func (r *ranch) lead(s remuda.Submission) (task string, h horse, c remuda.Claim, agent control.TaskDoor) {
	r.t.Helper()
	task = r.submit(s)
	h = r.register(1)
	c = r.claim(h)
	return task, h, c, r.begin(c)
}

var succeeded = remuda.Result{State: remuda.Succeeded}

// sync asks in a goroutine of its own; the answer comes through the channel. For tests in a bubble: when it returns,
// the request is held or answered.
func (r *ranch) sync(h horse, s remuda.Sync) <-chan remuda.SyncAnswer {
	return r.syncUntil(r.t.Context(), h, s)
}

func (r *ranch) syncUntil(ctx context.Context, h horse, s remuda.Sync) <-chan remuda.SyncAnswer {
	answers := make(chan remuda.SyncAnswer, 1)
	go func() {
		defer close(answers)
		answer, err := h.Sync(ctx, s)
		if err != nil && ctx.Err() == nil {
			r.t.Error(err)
		}
		answers <- answer
	}()
	synctest.Wait()
	return answers
}

// answered is what a held sync was answered by now.
func answered(t testing.TB, answers <-chan remuda.SyncAnswer) remuda.SyncAnswer {
	t.Helper()
	synctest.Wait()
	select {
	case answer := <-answers:
		return answer
	default:
		t.Fatal("the sync is still held")
		return remuda.SyncAnswer{}
	}
}

// held fails the test if a sync was answered.
func held(t testing.TB, answers <-chan remuda.SyncAnswer) {
	t.Helper()
	synctest.Wait()
	select {
	case answer := <-answers:
		t.Fatalf("the sync was answered %+v", answer)
	default:
	}
}

func (r *ranch) task(id string) remuda.Task {
	r.t.Helper()
	return must(r.t, r.admin.Task, r.t.Context(), id)
}

func (r *ranch) runner(h horse) remuda.Runner {
	r.t.Helper()
	return must(r.t, r.admin.Runner, r.t.Context(), h.id)
}

func (r *ranch) wantState(id string, want remuda.State) remuda.Task {
	r.t.Helper()
	task := r.task(id)
	if task.State != want {
		r.t.Fatalf("task is %s (%s: %s), want %s", task.State, task.Reason, task.Detail, want)
	}
	return task
}

func wantKind(t testing.TB, err error, want remuda.Kind) {
	t.Helper()
	if err == nil || remuda.KindOf(err) != want {
		t.Fatalf("error = %v (%s), want %s", err, remuda.KindOf(err), want)
	}
}

// events are those after an id, as "type subject actor".
func (r *ranch) events(f control.EventFilter) (told []string) {
	r.t.Helper()
	f.Limit = 1000
	for _, e := range must(r.t, r.admin.Events, r.t.Context(), f) {
		told = append(told, fmt.Sprintf("%s %s %s", e.Type, e.Subject, e.Actor))
	}
	return told
}

// lastEvent is the id of the newest event.
func (r *ranch) lastEvent() int64 {
	r.t.Helper()
	last := int64(0)
	for {
		events := must(r.t, r.admin.Events, r.t.Context(), control.EventFilter{After: last, Limit: 1000})
		if len(events) == 0 {
			return last
		}
		last = events[len(events)-1].ID
	}
}

// secretsOf opens what only the runner may read.
func (r *ranch) secretsOf(h horse, c remuda.Claim) (secrets map[string]string) {
	r.t.Helper()
	if len(c.Sealed) == 0 {
		return nil
	}
	plain, err := h.key.Open([]byte(c.ID), c.Sealed)
	done(r.t, err)
	done(r.t, json.Unmarshal(plain, &secrets))
	return secrets
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

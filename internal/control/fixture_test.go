package control_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/store"
)

// ranch is a control plane on a real store, with an organization acme that owns the class acme/linux.
type ranch struct {
	t     testing.TB
	plane *control.Plane
	admin control.UserDoor
	token string // class token of acme/linux
}

func newRanch(t testing.TB) *ranch {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := vault.Open(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	plane := control.New(control.Options{Store: s, Keys: keys, Log: slog.New(slog.DiscardHandler)})
	r := &ranch{t: t, plane: plane, admin: plane.AsUser(control.User{Name: "root", Admin: true})}
	ctx := t.Context()
	must(t, r.admin.CreateOrganization, ctx, remuda.Organization{Name: "acme"})
	if _, err := r.admin.ClaimNamespace(ctx, "acme", "acme"); err != nil {
		t.Fatal(err)
	}
	must(t, r.admin.CreateResourceClass, ctx, remuda.ResourceClass{Name: "acme/linux"})
	r.token = must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "test", ResourceClass: "acme/linux"}).Token
	return r
}

func must[A, B any](t testing.TB, call func(context.Context, A) (B, error), ctx context.Context, a A) B {
	t.Helper()
	b, err := call(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run sweeps beside the test until it ends.
func (r *ranch) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.plane.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	})
}

// user is the door of someone of acme.
func (r *ranch) user(role remuda.Role) control.UserDoor {
	r.t.Helper()
	token := must(r.t, r.admin.CreateToken, r.t.Context(), remuda.Token{
		Kind: remuda.OrganizationToken, Nickname: "u-" + string(role), Organization: "acme", Role: role,
	})
	principal := must(r.t, r.plane.Authenticate, r.t.Context(), token.Token)
	return r.plane.AsUser(*principal.User)
}

func hello() remuda.Submission {
	return remuda.Submission{
		Name: "hello", ResourceClass: "acme/linux",
		Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "echo hello"}}}},
	}
}

// submit queues one task and gives its id.
func (r *ranch) submit(s remuda.Submission) string {
	r.t.Helper()
	job, err := r.admin.Submit(r.t.Context(), s, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return job.Tasks[0].ID
}

// horse is a registered runner that answers for itself, without a loop.
type horse struct {
	control.RunnerDoor
	id  string
	key *seal.Key
}

func (r *ranch) register(slots int) horse {
	r.t.Helper()
	key, err := seal.NewKey()
	if err != nil {
		r.t.Fatal(err)
	}
	registered, err := r.plane.Register(r.t.Context(), remuda.Registration{
		Tokens: []remuda.Secret{remuda.NewSecret(r.token)}, Name: "horse", Slots: slots, PublicKey: key.Public(),
	}, "127.0.0.1")
	if err != nil {
		r.t.Fatal(err)
	}
	principal := must(r.t, r.plane.Authenticate, r.t.Context(), registered.Token)
	return horse{r.plane.AsRunner(principal.Runner), registered.ID, key}
}

// claim syncs once and gives the only claim of the answer.
func (r *ranch) claim(h horse) remuda.Claim {
	r.t.Helper()
	answer := must(r.t, h.Sync, r.t.Context(), remuda.Sync{Ready: true})
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

func (r *ranch) task(id string) remuda.Task {
	r.t.Helper()
	return must(r.t, r.admin.Task, r.t.Context(), id)
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

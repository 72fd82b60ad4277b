package runner

import (
	"context"
	"net/http"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// ControlPlane is all that a runner asks for. Its methods heed their context; their errors carry a remuda.Kind.
type ControlPlane interface {
	// Sync is held open by the control plane until there is anything to say.
	Sync(ctx context.Context, said remuda.Sync) (remuda.SyncAnswer, error)
	// Finish says how a claim's task ended. Repeated with the same result it answers as the first time. With next, the
	// answer may bring what the runner is to carry out in its place, or in that of others that ended at the same time, as
	// a sync would; should the answer be lost, the next sync brings it.
	Finish(ctx context.Context, claimID string, result remuda.Result, next bool) ([]remuda.Claim, error)
	// Return hands a claim back whose task could not be carried out.
	Return(ctx context.Context, claimID string, why remuda.Return) error
	// Goodbye says that the runner is gone for good.
	Goodbye(ctx context.Context) error
	// Task speaks for one claim with its task token.
	Task(claimID, token string) TaskPlane
}

// TaskPlane is what may be said for one claim: by the runner itself after its agent, through the methods; by the agent,
// through the handler, which passes on the claim's own calls alone and adds the token that the agent never has.
type TaskPlane interface {
	agent.Plane
	http.Handler
}

// Executor is where tasks run. Its methods may be called from several goroutines at once.
type Executor interface {
	// Execute carries out a claim's task: it starts an agent, or adopts the one that an earlier runner started. It
	// returns when nothing of the task runs any more, its output is sent, and its folder is clean.
	//
	// An error is not a result: it says that the task could not be carried out here. When ctx ends, its cause says
	// why, see Ends: the task gets TERM, after the claim's CancelGrace KILL, and the result tells how it ended; or the
	// runner stops, and Execute leaves the task alone if a successor can adopt it, and returns an error at once.
	//
	// The result is kept until Forget, so that a runner that dies before the control plane acknowledged it leaves it
	// to its successor: Execute for the same claim then returns it again.
	Execute(ctx context.Context, w Work) (remuda.Result, error)
	// Left are the claims of which an earlier runner left something here: a task that runs, or its result.
	Left(ctx context.Context) ([]string, error)
	// Forget kills what runs of a claim and removes what is left of it. A claim of which nothing is here is no error.
	Forget(ctx context.Context, claimID string) error
}

// Work is what an Executor needs to carry out a claim.
type Work struct {
	Claim   remuda.Claim
	Secrets map[string]string // in clear: never in arguments, environments or logs
	Plane   TaskPlane
}

// Speaker is a ControlPlane but for the type of its tasks, as clients have it that do not know this package.
type Speaker[T TaskPlane] interface {
	Sync(ctx context.Context, said remuda.Sync) (remuda.SyncAnswer, error)
	Finish(ctx context.Context, claimID string, result remuda.Result, next bool) ([]remuda.Claim, error)
	Return(ctx context.Context, claimID string, why remuda.Return) error
	Goodbye(ctx context.Context) error
	Task(claimID, token string) T
}

// Plane makes a ControlPlane of a client.
func Plane[T TaskPlane](s Speaker[T]) ControlPlane { return plane[T]{s} }

type plane[T TaskPlane] struct{ Speaker[T] }

func (p plane[T]) Task(claimID, token string) TaskPlane { return p.Speaker.Task(claimID, token) }

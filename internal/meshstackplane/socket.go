package meshstackplane

import (
	"crypto/md5" //nolint:gosec // it finds what broke on the way, as the protocol has it; it keeps nobody out
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/remuda-dev/remuda"
)

// The bounds of what an agent may send at once, those of the native API.
const (
	mostReport = 8 << 20
	mostState  = 17 << 20
)

func sumOf(data []byte) string {
	sum := md5.Sum(data) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// routes are the native calls that a claim's agent makes through its socket.
func (t *task) routes() *http.ServeMux {
	mux := http.NewServeMux()
	at := func(method, path string, serve http.HandlerFunc) {
		mux.HandleFunc(method+" /api/v1/claims/"+t.id+path, serve)
	}
	at("POST", "/begin", take(mostReport, func(r *http.Request, in remuda.Begin) (any, error) { return t.Begin(r.Context(), in) }))
	at("PUT", "/steps", take(mostReport, func(r *http.Request, in struct{ Steps []remuda.Step }) (any, error) {
		return nothing{}, t.Steps(r.Context(), in.Steps)
	}))
	at("GET", "/steps/{step}/output", bytesIn(0, func(r *http.Request, _ []byte) (any, error) {
		step, err := stepOf(r)
		if err != nil {
			return nil, err
		}
		return t.Stream(r.Context(), step)
	}))
	at("POST", "/steps/{step}/output", bytesIn(mostReport, t.serveAppend))
	at("POST", "/steps/{step}/output/close", take(mostReport, func(r *http.Request, in remuda.StreamClose) (any, error) {
		step, err := stepOf(r)
		if err != nil {
			return nil, err
		}
		return t.CloseStream(r.Context(), step, in)
	}))
	at("PUT", "/run", take(mostReport, func(r *http.Request, in remuda.RunReport) (any, error) {
		return nothing{}, t.ReportRun(r.Context(), in)
	}))
	at("GET", "/state", bytesIn(0, func(r *http.Request, _ []byte) (any, error) { return t.State(r.Context()) }))
	at("POST", "/state", bytesIn(mostState, func(r *http.Request, state []byte) (any, error) {
		return nothing{}, t.WriteState(r.Context(), r.URL.Query().Get("lock"), state)
	}))
	at("DELETE", "/state", bytesIn(0, func(r *http.Request, _ []byte) (any, error) {
		return nothing{}, t.DeleteState(r.Context(), r.URL.Query().Get("lock"))
	}))
	at("PUT", "/state/lock", take(mostReport, func(r *http.Request, in remuda.StateLock) (any, error) {
		holder, err := t.LockState(r.Context(), in)
		return holderOr(http.StatusLocked, holder, err)
	}))
	at("DELETE", "/state/lock", bytesIn(0, func(r *http.Request, _ []byte) (any, error) {
		holder, err := t.UnlockState(r.Context(), r.URL.Query().Get("id"))
		return holderOr(http.StatusConflict, holder, err)
	}))
	at("GET", "/run-token", bytesIn(0, func(r *http.Request, _ []byte) (any, error) { return t.RunToken(r.Context()) }))
	at("GET", "/plan", bytesIn(0, func(r *http.Request, _ []byte) (any, error) { return t.SavedPlan(r.Context()) }))
	at("PUT", "/plan", bytesIn(mostState, func(r *http.Request, plan []byte) (any, error) { return nothing{}, t.SavePlan(r.Context(), plan) }))
	return mux
}

// ServeHTTP implements runner.TaskPlane.
func (t *task) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := t.mux.Handler(r); pattern == "" {
		refuse(w, remuda.Fail(remuda.NotFound, "only the calls of this claim's task-agent go through this socket"))
		return
	}
	t.mux.ServeHTTP(w, r)
}

func (t *task) serveAppend(r *http.Request, data []byte) (any, error) {
	step, err := stepOf(r)
	if err != nil {
		return nil, err
	}
	chunk := remuda.Chunk{Step: step, Data: data}
	for name, into := range map[string]*int64{"offset": &chunk.Offset, "source": &chunk.Source} {
		if *into, err = strconv.ParseInt(r.URL.Query().Get(name), 10, 64); err != nil || *into < 0 {
			return nil, remuda.Fail(remuda.Invalid, name+" is a number of bytes")
		}
	}
	return t.Append(r.Context(), chunk)
}

func stepOf(r *http.Request) (int, error) {
	step, err := strconv.Atoi(r.PathValue("step"))
	if err != nil || step < 0 || step >= mostStep {
		return 0, remuda.Fail(remuda.Invalid, "a run has no such step")
	}
	return step, nil
}

// nothing is an answer without anything to say.
type nothing struct{}

// lockedBy is the answer to who wants a lock that somebody else holds.
type lockedBy struct {
	status int
	holder remuda.StateLock
}

func holderOr(status int, holder remuda.StateLock, err error) (any, error) {
	if errors.Is(err, remuda.Conflict) {
		return lockedBy{status, holder}, nil
	}
	return holder, err
}

// take serves a call whose body is JSON.
func take[T any](most int64, serve func(*http.Request, T) (any, error)) http.HandlerFunc {
	return bytesIn(most, func(r *http.Request, body []byte) (any, error) {
		var in T
		if json.Unmarshal(body, &in) != nil {
			return nil, remuda.Fail(remuda.Invalid, "the body is not what this call takes")
		}
		return serve(r, in)
	})
}

// bytesIn serves a call whose body is what it is.
func bytesIn(most int64, serve func(*http.Request, []byte) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			refuse(w, remuda.Fail(remuda.TooLarge, "this is too large"))
			return
		case err != nil:
			return // The agent went away while it spoke: nothing has changed.
		}
		given, err := serve(r, body)
		if err != nil {
			refuse(w, err)
			return
		}
		switch given := given.(type) {
		case []byte:
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(given) // Nobody is left to tell.
		case lockedBy:
			answerJSON(w, given.status, "application/json", given.holder)
		default:
			answerJSON(w, http.StatusOK, "application/json", given)
		}
	}
}

func answerJSON(w http.ResponseWriter, status int, media string, words any) {
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(words) // Nobody is left to tell.
}

// refuse says what went wrong, as the agent's client reads it.
func refuse(w http.ResponseWriter, err error) {
	kind := remuda.KindOf(err)
	if kind == remuda.Internal {
		kind = remuda.Unavailable // The machine's disk, mostly: it may pass.
	}
	status := map[remuda.Kind]int{
		remuda.Invalid: http.StatusBadRequest, remuda.Unauthenticated: http.StatusUnauthorized, remuda.Forbidden: http.StatusForbidden,
		remuda.NotFound: http.StatusNotFound, remuda.Conflict: http.StatusConflict, remuda.Gone: http.StatusGone,
		remuda.TooLarge: http.StatusRequestEntityTooLarge, remuda.Limited: http.StatusTooManyRequests,
	}[kind]
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	if asked := askedFor(err); asked > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(asked.Seconds())+1))
	}
	answerJSON(w, status, "application/problem+json", map[string]any{"status": status, "kind": kind, "detail": err.Error()})
}

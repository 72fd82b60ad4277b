package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/remuda-dev/remuda"
)

// State is the current state of the run's block; remuda.NotFound when it has none.
func (t *Task) State(ctx context.Context) ([]byte, error) {
	return t.bytes(ctx, path("claims", t.claimID, "state"))
}

// WriteState keeps a new version of it. lock is the id of the lock that the run holds, empty when it took none.
func (t *Task) WriteState(ctx context.Context, lock string, state []byte) error {
	in := call{method: http.MethodPost, path: path("claims", t.claimID, "state"), query: given("lock", lock), raw: append([]byte{}, state...)}
	_, err := t.orHolder(ctx, in)
	return err
}

// DeleteState leaves the block without a state.
func (t *Task) DeleteState(ctx context.Context, lock string) error {
	_, err := t.orHolder(ctx, call{method: http.MethodDelete, path: path("claims", t.claimID, "state"), query: given("lock", lock)})
	return err
}

// LockState takes the state's lock; when somebody else holds it, remuda.Conflict and who it is.
func (t *Task) LockState(ctx context.Context, lock remuda.StateLock) (holder remuda.StateLock, err error) {
	holder, err = t.orHolder(ctx, call{method: http.MethodPut, path: path("claims", t.claimID, "state", "lock"), body: lock})
	if err == nil {
		holder = lock
	}
	return holder, err
}

// UnlockState gives it back; remuda.Conflict and who holds it when the id is another one.
func (t *Task) UnlockState(ctx context.Context, id string) (holder remuda.StateLock, err error) {
	return t.orHolder(ctx, call{method: http.MethodDelete, path: path("claims", t.claimID, "state", "lock"), query: given("id", id)})
}

// SavePlan keeps the plan of a DETECT.
func (t *Task) SavePlan(ctx context.Context, plan []byte) error {
	return t.door.do(ctx, call{method: http.MethodPut, path: path("claims", t.claimID, "plan"), raw: append([]byte{}, plan...)}, nil)
}

// SavedPlan is the plan that an APPLY is to apply; remuda.NotFound when it is to make its own.
func (t *Task) SavedPlan(ctx context.Context) ([]byte, error) {
	return t.bytes(ctx, path("claims", t.claimID, "plan"))
}

// ReportRun says what the run planned, did and gives; what the report does not carry stays as it was.
func (t *Task) ReportRun(ctx context.Context, report remuda.RunReport) error {
	return t.door.do(ctx, call{method: http.MethodPut, path: path("claims", t.claimID, "run"), body: report}, nil)
}

// RunToken is what something that the run sets going reports by; remuda.Forbidden when the run is to end by itself.
func (t *Task) RunToken(ctx context.Context) (token remuda.RunToken, err error) {
	err = t.door.do(ctx, call{method: http.MethodGet, path: path("claims", t.claimID, "run-token")}, &token)
	return token, err
}

// given is a query of one parameter, which is left out when it is empty.
func given(name, value string) url.Values {
	if value == "" {
		return nil
	}
	return url.Values{name: {value}}
}

// bytes reads an answer that is not JSON of our words.
func (t *Task) bytes(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, t.door.client.timeout, errSlow)
	defer cancel()
	answer, err := t.door.send(ctx, call{method: http.MethodGet, path: path, accept: "application/json, application/octet-stream"})
	if err != nil {
		return nil, err
	}
	defer discard(answer.Body)
	data, err := io.ReadAll(io.LimitReader(answer.Body, largestAnswer+1))
	if err != nil {
		return nil, t.door.unreachable(ctx, err)
	}
	if len(data) > largestAnswer {
		return nil, fmt.Errorf("the answer of %s is over %d MiB", t.door.client.base, largestAnswer>>20)
	}
	return data, nil
}

// orHolder makes a call that is refused with who holds the lock, when somebody else does.
func (t *Task) orHolder(ctx context.Context, in call) (holder remuda.StateLock, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, t.door.client.timeout, errSlow)
	defer cancel()
	request, err := t.door.request(ctx, in)
	if err != nil {
		return holder, err
	}
	answer, err := t.door.client.http.Do(request)
	if err != nil {
		return holder, t.door.unreachable(ctx, err)
	}
	defer discard(answer.Body)
	if answer.StatusCode >= 200 && answer.StatusCode <= 299 {
		return holder, nil
	}
	media, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	if answer.StatusCode != http.StatusLocked && answer.StatusCode != http.StatusConflict || media != "application/json" {
		return holder, problem(answer)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&holder); err != nil {
		return holder, errors.Join(remuda.Fail(remuda.Conflict, "the state is locked by somebody else"), err)
	}
	return holder, remuda.Fail(remuda.Conflict, "the state is locked by "+holder.Who+" (lock "+holder.ID+"); wait until it is done")
}

// largestState bounds what an agent may send as a state or plan: those have 16 MiB.
const largestState = 17 << 20

// runRoute is where a request about the run of a building block may go, or nothing.
func (t *Task) runRoute(method, rest string) string {
	allowed := map[string][]string{
		"state":      {http.MethodGet, http.MethodPost, http.MethodDelete},
		"state/lock": {http.MethodPut, http.MethodDelete},
		"plan":       {http.MethodGet, http.MethodPut},
		"run":        {http.MethodPut},
		"run-token":  {http.MethodGet},
	}[rest]
	for _, one := range allowed {
		if one == method {
			return path(append([]string{"claims", t.claimID}, strings.Split(rest, "/")...)...)
		}
	}
	return ""
}

package server

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the protocol has it
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/seal"
)

const bucketVersion = `{"resource_class": "acme/linux", "implementation": {"type": "opentofu", "opentofu": {"version": "1.10.10", "files": {"main.tf": "# nothing"}}}}`

// run orders a building block and has a machine claim and begin its run. The agent speaks through its runner's socket,
// without a token.
func (w *town) run() (block string, m machine, l lease, agent *client.Task) {
	w.t.Helper()
	d := read[remuda.Definition](w.t, w.want(201, "POST", v1+"/definitions", w.admin, `{"name": "Bucket", "organization": "acme"}`))
	w.want(200, "PUT", v1+"/definitions/"+d.ID+"/versions/1", w.admin, bucketVersion)
	w.want(200, "POST", v1+"/definitions/"+d.ID+"/versions/1/release", w.admin, nil)
	b := read[remuda.Block](w.t, w.want(201, "POST", v1+"/blocks", w.admin, `{"name": "uploads", "organization": "acme", "definition": "`+d.ID+`"}`))

	key, err := seal.NewKey()
	w.fine(err)
	public, err := json.Marshal(key.Public())
	w.fine(err)
	registered := read[remuda.Registered](w.t, w.want(201, "POST", v1+"/runners", "",
		fmt.Sprintf(`{"tokens": [%q], "name": "tofu", "capabilities": ["opentofu"], "public_key": %s}`, w.class, public)))
	m = machine{registered.ID, registered.Token, key}
	l = w.claimNext(m)
	w.begin(l)
	return b.ID, m, l, w.socket(l)
}

// socket is the agent's side of its runner's socket.
func (w *town) socket(l lease) *client.Task {
	w.t.Helper()
	outside, err := client.New(w.url, client.Options{})
	w.fine(err)
	socket := filepath.Join(w.t.TempDir(), "s")
	listener, err := new(net.ListenConfig).Listen(w.t.Context(), "unix", socket)
	w.fine(err)
	runner := httptest.NewUnstartedServer(outside.Task(l.ID, l.token))
	runner.Listener = listener
	runner.Start()
	inside := client.Unix(socket)
	w.t.Cleanup(func() {
		inside.CloseIdle()
		runner.Close()
		outside.CloseIdle()
	})
	return inside.Task(l.ID, "")
}

// tofuState is a state as OpenTofu writes it.
func tofuState(serial int, more string) []byte {
	return fmt.Appendf(nil, `{"version": 4, "serial": %d, "lineage": "8c4b2a9e", "outputs": {}, "more": %q}`, serial, more)
}

func TestAnAgentKeepsItsBlocksStateThroughItsSocket(t *testing.T) {
	w := newTown(t)
	_, m, l, agent := w.run()
	ctx := t.Context()
	_, err := agent.State(ctx)
	wantError(t, err, remuda.NotFound)

	large := tofuState(1, strings.Repeat("x", 15<<20))
	done(t, agent.WriteState(ctx, "", large))
	read, err := agent.State(ctx)
	if done(t, err); !bytes.Equal(read, large) {
		t.Errorf("the state came back with %d bytes, want the %d that were written", len(read), len(large))
	}
	wantError(t, agent.WriteState(ctx, "", tofuState(2, strings.Repeat("x", 17<<20))), remuda.TooLarge)
	wantError(t, agent.WriteState(ctx, "", []byte("no state")), remuda.Invalid)
	wantError(t, agent.WriteState(ctx, "", tofuState(1, "older")), remuda.Conflict)

	_, err = agent.LockState(ctx, remuda.StateLock{ID: "l1", Who: "me@host", Operation: "OperationTypeApply"})
	done(t, err)
	holder, err := agent.LockState(ctx, remuda.StateLock{ID: "l2"})
	if wantError(t, err, remuda.Conflict); holder.ID != "l1" || holder.Who != "me@host" || holder.Operation != "OperationTypeApply" {
		t.Errorf("the holder is %+v", holder)
	}
	holder, err = agent.UnlockState(ctx, "l2")
	if wantError(t, err, remuda.Conflict); holder.ID != "l1" {
		t.Errorf("the holder is %+v", holder)
	}
	err = agent.WriteState(ctx, "", tofuState(2, ""))
	if wantError(t, err, remuda.Conflict); !strings.Contains(err.Error(), "me@host") {
		t.Errorf("a write without the lock is answered %q", err)
	}
	done(t, agent.WriteState(ctx, "l1", tofuState(2, "")))
	_, err = agent.UnlockState(ctx, "l1")
	done(t, err)
	done(t, agent.DeleteState(ctx, ""))
	wantError(t, second(agent.State(ctx)), remuda.NotFound)
	wantError(t, second(agent.SavedPlan(ctx)), remuda.NotFound)
	wantError(t, agent.SavePlan(ctx, []byte("plan")), remuda.Conflict) // of an APPLY
	done(t, agent.ReportRun(ctx, remuda.RunReport{Outputs: map[string]remuda.RunOutput{"a": {Type: remuda.TypeString, Value: []byte(`"b"`)}}}))

	w.finish(m, l, `{"state": "succeeded"}`)
	wantError(t, agent.WriteState(ctx, "", tofuState(3, "")), remuda.Gone)
}

func second[T any](_ T, err error) error { return err }

func wantError(t testing.TB, err error, want remuda.Kind) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error = %v, want %s", err, want)
	}
}

func TestALockThatIsHeldIsAnsweredInOpenTofusWords(t *testing.T) {
	w := newTown(t)
	block, _, l, _ := w.run()
	claim := v1 + "/claims/" + l.ID
	w.want(204, "PUT", claim+"/state/lock", l.token, `{"ID": "l1", "Who": "me@host", "Created": "2026-08-01T10:00:00Z", "Unheard": 1}`)
	for _, refused := range []got{
		w.want(423, "PUT", claim+"/state/lock", l.token, `{"ID": "l2"}`),
		w.want(423, "POST", claim+"/state?lock=l2", l.token, tofuState(1, "")),
		w.want(423, "DELETE", claim+"/state", l.token, nil),
		w.want(409, "DELETE", claim+"/state/lock?id=l2", l.token, nil),
	} {
		lock := read[map[string]any](t, refused)
		if lock["ID"] != "l1" || lock["Who"] != "me@host" || refused.header.Get("Content-Type") != "application/json" {
			t.Errorf("refused with %s", refused)
		}
	}
	w.want(204, "POST", claim+"/state?lock=l1", l.token, tofuState(1, ""))
	sum := func(state []byte) string {
		digest := md5.Sum(state) //nolint:gosec // as above
		return base64.StdEncoding.EncodeToString(digest[:])
	}
	w.want(400, "POST", claim+"/state?lock=l1", l.token, tofuState(2, "broken"), "Content-MD5", sum(tofuState(2, "whole")))
	w.want(204, "POST", claim+"/state?lock=l1", l.token, tofuState(2, "whole"), "Content-MD5", sum(tofuState(2, "whole")))
	shown := w.want(200, "GET", claim+"/state", l.token, nil)
	if shown.header.Get("Content-MD5") != sum(tofuState(2, "whole")) || shown.header.Get("Content-Type") != "application/json" {
		t.Errorf("the state is shown with %v", shown.header)
	}
	w.want(204, "DELETE", v1+"/blocks/"+block+"/lock?id=l1", w.admin, nil)
	w.want(409, "POST", claim+"/state?lock=l1", l.token, tofuState(3, ""))
}

func TestAPIKeysAreMadeByHTTPAndWrongOnesAreCounted(t *testing.T) {
	w := newTown(t)
	made := read[remuda.Token](t, w.want(201, "POST", v1+"/tokens", w.admin,
		`{"kind": "api-key", "nickname": "provider", "organization": "acme", "permissions": ["BUILDINGBLOCK_LIST"], "expires_in": "1h"}`))
	if made.ExpiresAt == nil || made.Token == "" || len(made.Permissions) != 1 {
		t.Errorf("made is %+v", made)
	}
	w.want(200, "GET", v1+"/blocks", made.Token, nil)
	w.want(403, "GET", v1+"/definitions", made.Token, nil)
	w.want(403, "GET", v1+"/tasks", made.Token, nil)
	w.want(400, "POST", v1+"/tokens", w.admin, `{"kind": "api-key", "nickname": "n", "organization": "acme", "permissions": ["BUILDINGBLOCK_LIST"], "expires_in": "1h", "expires_at": "2030-01-01T00:00:00Z"}`)
	misspelt := w.want(422, "POST", v1+"/tokens", w.admin, `{"kind": "api-key", "nickname": "n", "organization": "acme", "permissions": ["BUILDINGBLOCK_LIST", "TENANT_LSIT"]}`)
	if p := read[Problem](t, misspelt); len(p.Errors) != 1 || p.Errors[0].Location != "body.permissions[1]" || !strings.Contains(p.Detail, "TENANT_LIST") {
		t.Errorf("a misspelt permission is answered %s", misspelt)
	}

	request := func() *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/login", nil)
		r.RemoteAddr = "192.0.2.7:1234"
		return r
	}
	token, expires, err := w.server.Login(request(), made.ID, made.Token)
	if done(t, err); expires.Hours() > 1 || expires <= 0 {
		t.Errorf("logged in for %s", expires)
	}
	w.want(200, "GET", v1+"/blocks", token, nil)
	for n := 0; ; n++ {
		_, _, err := w.server.Login(request(), made.ID, fmt.Sprintf("rmd_key_%d", n))
		if err == nil || n > 2*wrongBurst {
			t.Fatalf("after %d wrong secrets: %v", n, err)
		}
		if problemOf(err).Kind == remuda.Limited {
			break
		}
	}
	_, _, err = w.server.Login(request(), made.ID, made.Token) // which was good before
	done(t, err)
	w.want(204, "DELETE", v1+"/tokens/"+made.ID, w.admin, nil)
	w.want(401, "GET", v1+"/blocks", token, nil)
}

// stateBackend is OpenTofu's http backend in front of an agent's calls.
type stateBackend struct{ of atomic.Pointer[client.Task] }

func (b *stateBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	agent := b.of.Load()
	body, err := io.ReadAll(r.Body)
	ctx := r.Context()
	var lock remuda.StateLock
	var holder remuda.StateLock
	held := http.StatusLocked
	switch {
	case err != nil:
	case r.Method == http.MethodGet:
		body, err = agent.State(ctx)
		if errors.Is(err, remuda.NotFound) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if err == nil {
			_, _ = w.Write(body)
			return
		}
	case r.Method == http.MethodPost:
		err = agent.WriteState(ctx, r.URL.Query().Get("ID"), body)
	case r.Method == http.MethodDelete:
		err = agent.DeleteState(ctx, r.URL.Query().Get("ID"))
	case r.Method == "LOCK":
		_ = json.Unmarshal(body, &lock)
		holder, err = agent.LockState(ctx, lock)
	case r.Method == "UNLOCK":
		_ = json.Unmarshal(body, &lock)
		holder, err = agent.UnlockState(ctx, lock.ID)
		held = http.StatusConflict
	}
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, remuda.Conflict) && holder.ID != "":
		w.WriteHeader(held)
		_ = json.NewEncoder(w).Encode(holder)
	default:
		http.Error(w, err.Error(), problemOf(err).Status)
	}
}

// realTofu is OpenTofu as 'make tools' builds it.
func realTofu(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	done(t, err)
	program := filepath.Join(cache, "remuda", "tools", "opentofu-1.10.10", "tofu")
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("there is no OpenTofu at %s: make tools", program)
		}
		t.Skipf("NOT TRIED WITH THE REAL OPENTOFU: %s is not there; build it with 'make tools'", program)
	}
	return program
}

func TestTheRealOpenTofuKeepsItsStateHere(t *testing.T) {
	program := realTofu(t)
	w := newTown(t)
	w.settling()
	block, m, l, agent := w.run()
	carrier := &stateBackend{}
	carrier.of.Store(agent)
	backend := httptest.NewServer(carrier)
	t.Cleanup(backend.Close)
	dir := t.TempDir()
	module := `
variable "size" { default = 1 }
resource "terraform_data" "it" { input = var.size }
output "size" { value = terraform_data.it.output }
terraform {
  backend "http" {}
}
`
	done(t, os.WriteFile(filepath.Join(dir, "main.tf"), []byte(module), 0o600))
	tofu := func(want int, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		command := exec.CommandContext(ctx, program, args...) //nolint:gosec // the arguments are this test's
		command.Dir = dir
		command.Env = []string{
			"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1", "TF_HTTP_ADDRESS=" + backend.URL,
			"TF_HTTP_LOCK_ADDRESS=" + backend.URL, "TF_HTTP_UNLOCK_ADDRESS=" + backend.URL, "TF_HTTP_RETRY_MAX=0",
		}
		said, err := command.CombinedOutput()
		if code := command.ProcessState.ExitCode(); code != want {
			t.Fatalf("tofu %v ended with %d (%v), want %d:\n%s", args, code, err, want, said)
		}
		return string(said)
	}
	tofu(0, "init", "-input=false")
	tofu(0, "apply", "-auto-approve", "-input=false")
	tofu(0, "apply", "-auto-approve", "-input=false", "-var", "size=2")
	if said := tofu(0, "plan", "-detailed-exitcode", "-input=false", "-var", "size=2"); !strings.Contains(said, "No changes") {
		t.Errorf("after its apply, tofu plans:\n%s", said)
	}

	// What another one holds is refused in its words, and taken away by its id.
	_, err := agent.LockState(t.Context(), remuda.StateLock{ID: "11111111-2222-3333-4444-555555555555", Who: "somebody@else", Operation: "OperationTypeApply"})
	done(t, err)
	if said := tofu(1, "apply", "-auto-approve", "-input=false"); !strings.Contains(said, "somebody@else") {
		t.Errorf("a state that is locked is refused with:\n%s", said)
	}
	tofu(0, "force-unlock", "-force", "11111111-2222-3333-4444-555555555555")

	// State surgery: pulled, changed by hand, pushed; forced when it is older.
	pulled := tofu(0, "state", "pull")
	done(t, os.WriteFile(filepath.Join(dir, "old.json"), []byte(pulled), 0o600))
	tofu(0, "apply", "-auto-approve", "-input=false", "-var", "size=3")
	if said := tofu(1, "state", "push", "old.json"); !strings.Contains(said, "serial") {
		t.Errorf("an older state is refused with:\n%s", said)
	}
	tofu(0, "state", "push", "-force", "old.json")
	if said := tofu(0, "output", "size"); strings.Trim(said, "\"\n") != "2" {
		t.Errorf("after the push, the output is %s", said)
	}
	tofu(0, "state", "rm", "terraform_data.it")
	states := read[remuda.Page[remuda.BlockState]](t, w.want(200, "GET", v1+"/blocks/"+block+"/states", w.admin, nil)).Items
	for i := 1; i < len(states); i++ {
		if states[i].Lineage != states[0].Lineage || states[i-1].Number != states[i].Number+1 {
			t.Errorf("the states are %+v", states)
		}
	}

	// Rolled back when the run is over, the next run's tofu goes on from there and finds what is missing.
	w.finish(m, l, `{"state": "succeeded"}`)
	w.want(201, "POST", fmt.Sprintf("%s/blocks/%s/states/%d/rollback", v1, block, states[len(states)-1].Number), w.admin, nil)
	w.want(201, "POST", v1+"/blocks/"+block+"/runs", w.admin, `{}`)
	next := w.claimNext(m)
	w.begin(next)
	carrier.of.Store(w.socket(next))
	if said := tofu(0, "output", "size"); strings.Trim(said, "\"\n") != "1" {
		t.Errorf("rolled back, the output is %s", said)
	}
	tofu(0, "apply", "-auto-approve", "-input=false", "-var", "size=4")
	tofu(0, "destroy", "-auto-approve", "-input=false")
}

// fine fails the test unless all went well.
func (w *town) fine(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/store"
	"github.com/remuda-dev/remuda/internal/storetest"
)

const v1 = "/api/v1"

// town is a control plane over a real store, served over real HTTP, with an organization acme that owns acme/linux.
type town struct {
	t      testing.TB
	store  *store.Store
	plane  *control.Plane
	server *Server
	url    string
	http   *http.Client
	log    *journal

	admin, viewer, class string // tokens
}

func newTown(t testing.TB, adjust ...func(*Server)) *town {
	t.Helper()
	return townWith(t, control.Options{}, adjust...)
}

// townWith is newTown of a plane with these options, but for its store and keys.
func townWith(t testing.TB, o control.Options, adjust ...func(*Server)) *town {
	t.Helper()
	dir := storetest.Folder(t)
	kept, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kept.Close() }) // A test may have closed it.
	keys, err := vault.Open(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	log := &journal{}
	logger := o.Log
	if logger == nil {
		logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	w := &town{t: t, store: kept, log: log}
	o.Store, o.Keys, o.Log = kept, keys, logger
	w.plane = control.New(o)
	rules := blocks.New(blocks.Options{Plane: w.plane, Store: kept, Keys: keys, Log: logger})
	w.server = New(Options{Plane: w.plane, Blocks: rules, Log: logger, Version: "0.0.1"})
	for _, change := range adjust {
		change(w.server)
	}
	listener := httptest.NewUnstartedServer(nil)
	listener.Config = w.server.HTTP()
	listener.Start()
	t.Cleanup(func() {
		w.server.Close()
		listener.Close()
	})
	w.url, w.http = listener.URL, listener.Client()

	door := w.plane.AsUser(control.User{Name: "root", Admin: true})
	made, err := door.CreateToken(t.Context(), remuda.Token{Kind: remuda.AdminToken, Nickname: "root"})
	if err != nil {
		t.Fatal(err)
	}
	w.admin = made.Token
	w.want(201, "POST", v1+"/organizations", w.admin, `{"name": "acme", "vcs_name": "Acme"}`)
	w.want(201, "POST", v1+"/namespaces", w.admin, `{"name": "acme", "organization": "acme"}`)
	w.want(201, "POST", v1+"/resource-classes", w.admin, `{"name": "acme/linux"}`)
	w.class = read[remuda.Token](t, w.want(201, "POST", v1+"/tokens", w.admin, `{"kind": "class", "nickname": "machines", "resource_class": "acme/linux"}`)).Token
	w.viewer = read[remuda.Token](t, w.want(201, "POST", v1+"/tokens", w.admin, `{"kind": "organization", "nickname": "guest", "organization": "acme", "role": "viewer"}`)).Token
	return w
}

// journal is a log that a test can read while others write.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// reply is an answer that was read to its end.
type got struct {
	status int
	header http.Header
	body   []byte
}

func (g got) String() string { return fmt.Sprintf("%d %s", g.status, g.body) }

// ask makes one request. body is JSON text, bytes, or nil.
func (w *town) ask(method, path, token string, body any, headers ...string) got {
	w.t.Helper()
	answer := w.open(w.t.Context(), method, path, token, body, headers...)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return got{answer.StatusCode, answer.Header, text}
}

// open makes a request whose answer is read as it comes.
func (w *town) open(ctx context.Context, method, path, token string, body any, headers ...string) *http.Response {
	w.t.Helper()
	var sent io.Reader
	content := jsonType
	switch b := body.(type) {
	case nil:
	case string:
		sent = strings.NewReader(b)
	case []byte:
		sent, content = bytes.NewReader(b), rawContent
	}
	request, err := http.NewRequestWithContext(ctx, method, w.url+path, sent)
	if err != nil {
		w.t.Fatal(err)
	}
	if body != nil {
		request.Header.Set("Content-Type", content)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := w.http.Do(request)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer
}

// want is ask for an answer of a known status.
func (w *town) want(status int, method, path, token string, body any, headers ...string) got {
	w.t.Helper()
	answer := w.ask(method, path, token, body, headers...)
	if answer.status != status {
		w.t.Fatalf("%s %s answered %s, want %d", method, path, answer, status)
	}
	return answer
}

func read[T any](t testing.TB, g got) T {
	t.Helper()
	var value T
	if err := json.Unmarshal(g.body, &value); err != nil {
		t.Fatalf("read %s: %v", g, err)
	}
	return value
}

// machine is a registered runner.
type machine struct {
	id, token string
	key       *seal.Key
}

func (w *town) register(name string) machine {
	w.t.Helper()
	key, err := seal.NewKey()
	if err != nil {
		w.t.Fatal(err)
	}
	public, err := json.Marshal(key.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	body := fmt.Sprintf(`{"tokens": [%q], "name": %q, "slots": 8, "capabilities": ["job"], "public_key": %s}`, w.class, name, public)
	registered := read[remuda.Registered](w.t, w.want(201, "POST", v1+"/runners", "", body))
	return machine{registered.ID, registered.Token, key}
}

// lease is a claim with its task token.
type lease struct {
	remuda.Claim
	token string
}

const helloJob = `{"name": "hello", "resource_class": "acme/linux", "job": {"steps": [{"run": {"command": "echo hello"}}]}}`

// claim submits a job and has m claim its one task.
func (w *town) claim(m machine) lease {
	w.t.Helper()
	w.want(201, "POST", v1+"/tasks", w.admin, helloJob)
	return w.claimNext(m)
}

func (w *town) claimNext(m machine, holding ...string) lease {
	w.t.Helper()
	held, err := json.Marshal(holding)
	if err != nil {
		w.t.Fatal(err)
	}
	answer := read[remuda.SyncAnswer](w.t, w.want(200, "POST", v1+"/runners/"+m.id+"/sync", m.token, fmt.Sprintf(`{"holding": %s, "ready": true}`, held)))
	if len(answer.Claims) != 1 {
		w.t.Fatalf("sync gave %d claims, want 1", len(answer.Claims))
	}
	return lease{answer.Claims[0], answer.Claims[0].Token}
}

// begin has the lease's agent begin with two steps.
func (w *town) begin(l lease) {
	w.t.Helper()
	w.want(200, "POST", v1+"/claims/"+l.ID+"/begin", l.token,
		`{"steps": [{"number": 0, "name": "one", "state": "running"}, {"number": 1, "name": "two", "state": "pending"}]}`)
}

// print appends to a step's output.
func (w *town) print(l lease, step int, offset int64, text string) {
	w.t.Helper()
	w.want(200, "POST", fmt.Sprintf("%s/claims/%s/steps/%d/output?offset=%d&source=%d", v1, l.ID, step, offset, offset+int64(len(text))), l.token, []byte(text))
}

func (w *town) finish(m machine, l lease, result string) {
	w.t.Helper()
	w.want(204, "POST", v1+"/claims/"+l.ID+"/finish", m.token, result)
}

// withoutSigns takes out of answers what changes by itself.
var withoutSigns = regexp.MustCompile(`"(last_seen_at|last_sign_at|last_used_at)":"[^"]*",?`)

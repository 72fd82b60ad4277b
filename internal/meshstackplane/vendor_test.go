package meshstackplane_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/meshstackplane"
	"github.com/remuda-dev/remuda/internal/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	poolID  = "5d1f0b51-0000-4000-8000-000000000001"
	runUUID = "5d1f0b51-0000-4000-8000-00000000aaaa"
	keyName = "5d1f0b51-0000-4000-8000-00000000cccc"
)

type m = map[string]any

// heard is a request that the vendor got.
type heard struct {
	Method  string   `json:"method"`
	Path    string   `json:"path"`
	Headers []string `json:"headers"`
	Body    any      `json:"body,omitempty"`
	json    m
}

// vendor plays meshStack: it answers by its script, and remembers what it heard.
type vendor struct {
	t      *testing.T
	server *httptest.Server
	pool   *rsa.PrivateKey

	mu      sync.Mutex
	heard   []heard
	changed chan struct{} // closed and replaced with each request
	logins  int
	runs    []m // to be claimed, the first first
	state   []byte
	lock    m
	// refuse answers in the vendor's stead, when it is true.
	refuse func(w http.ResponseWriter, h heard, nth int) bool
	counts map[string]int // of requests by method and path
	abort  bool           // reports are answered that the run was aborted
	plan   []byte
}

func newVendor(t *testing.T) *vendor {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	v := &vendor{t: t, pool: key, changed: make(chan struct{}), counts: map[string]int{}}
	v.server = httptest.NewServer(v)
	t.Cleanup(v.server.Close)
	return v
}

func (v *vendor) public() []byte {
	der, err := x509.MarshalPKIXPublicKey(&v.pool.PublicKey)
	if err != nil {
		v.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func (v *vendor) sealed(text string) string {
	sealed, err := seal.ToRSA(v.public(), []byte(text))
	if err != nil {
		v.t.Fatal(err)
	}
	return sealed
}

// run is one that can be claimed.
func (v *vendor) run(uuid, token string, change ...func(m)) m {
	self := v.server.URL + "/api/meshobjects/meshbuildingblockruns/" + uuid
	run := m{
		"apiVersion": "v1", "kind": "meshBuildingBlockRun", "status": "PENDING", "metadata": m{"uuid": uuid}, "unknown": true,
		"spec": m{
			"runNumber": 3, "behavior": "APPLY", "runToken": token,
			"trigger": m{"reason": "MANUAL_EXECUTION", "author": m{"identifier": "ann", "type": "User", "displayName": "Ann", "username": "ann", "email": nil}},
			"buildingBlock": m{"uuid": "block-1", "spec": m{
				"displayName": "logs", "workspaceIdentifier": "acme", "projectIdentifier": "shop", "fullPlatformIdentifier": nil,
				"inputs": []m{
					{"key": "name", "value": "x", "type": "STRING", "isSensitive": false, "isEnvironment": false},
					{"key": "sizes", "value": `["a"]`, "type": "MULTI_SELECT", "isSensitive": false, "isEnvironment": true},
					{"key": "token", "value": v.sealed("a-secret-token"), "type": "STRING", "isSensitive": true, "isEnvironment": false},
					{"key": "none", "value": nil, "type": "STRING", "isSensitive": true, "isEnvironment": false},
				},
				"parentBuildingBlocks": []m{{"buildingBlockUuid": "parent-1", "definitionUuid": "definition-0"}},
			}},
			"buildingBlockDefinition": m{"uuid": "definition-1", "spec": m{"workspaceIdentifier": "plat", "version": 2, "implementation": m{
				"type": "TERRAFORM", "terraformVersion": "1.10.10", "repositoryUrl": "git@example.com:x.git", "repositoryPath": "/modules/a/", "refName": "main",
				"sshPrivateKey": v.sealed("a-private-key"), "knownHost": m{"host": "example.com", "keyType": "ssh-ed25519", "keyValue": "AAAA"},
				"async": false, "useMeshHttpBackendFallback": true, "preRunScript": "true",
			}}},
		},
		"_links": m{
			"self": m{"href": self}, "registerSource": m{"href": self + "/status/source"},
			"updateSource":     m{"href": self + "/status/source/{sourceId}", "templated": true},
			"meshstackBaseUrl": m{"href": v.server.URL},
		},
	}
	for _, change := range change {
		change(run)
	}
	return run
}

// offer puts runs there to be claimed.
func (v *vendor) offer(runs ...m) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.runs = append(v.runs, runs...)
}

func (v *vendor) set(how func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	how()
}

var told = []string{"Accept", "Authorization", "Content-Type", "X-Block-Runner-Node-Id", "X-Meshcloud-Runner-Name", "X-Meshcloud-Runner-Version"}

// ServeHTTP implements http.Handler.
func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	h := heard{Method: r.Method, Path: r.URL.RequestURI()}
	for _, name := range told {
		if value := r.Header.Get(name); value != "" {
			h.Headers = append(h.Headers, name+": "+value)
		}
	}
	if len(body) > 0 && json.Unmarshal(body, &h.json) == nil {
		h.Body = h.json
	} else if len(body) > 0 {
		h.Body = string(body)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.heard = append(v.heard, h)
	defer func() {
		close(v.changed)
		v.changed = make(chan struct{})
	}()
	what := r.Method + " " + r.URL.Path
	v.counts[what]++
	if v.refuse != nil && v.refuse(w, h, v.counts[what]) {
		return
	}
	v.answer(w, r, body)
}

func (v *vendor) answer(w http.ResponseWriter, r *http.Request, body []byte) {
	path := r.URL.Path
	switch {
	case path == "/api/login":
		v.logins++
		_ = json.NewEncoder(w).Encode(m{"access_token": fmt.Sprintf("access-%d", v.logins), "token_type": "bearer", "expires_in": 3600})
	case strings.HasSuffix(path, "/create"):
		if len(v.runs) == 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		run := v.runs[0]
		v.runs = v.runs[1:]
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(run)
	case strings.HasSuffix(path, "/status/source"):
		w.WriteHeader(http.StatusCreated)
	case strings.Contains(path, "/status/source/"):
		_ = json.NewEncoder(w).Encode(m{"runAborted": v.abort})
	case strings.HasSuffix(path, "/plan"):
		_, _ = w.Write(v.plan)
	case strings.HasPrefix(path, "/api/meshobjects/meshbuildingblockrunners/"):
		_ = json.NewEncoder(w).Encode(m{"spec": m{"publicKey": string(v.public())}})
	case strings.HasPrefix(path, "/api/terraform/state/"):
		v.backend(w, r, body)
	default:
		w.WriteHeader(http.StatusTeapot)
	}
}

// backend is the state of one block.
func (v *vendor) backend(w http.ResponseWriter, r *http.Request, body []byte) {
	var said m
	_ = json.Unmarshal(body, &said)
	switch r.Method {
	case http.MethodGet:
		if v.state == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(v.state)
	case http.MethodPost:
		v.state = body
	case http.MethodDelete:
		v.state = nil
	case "LOCK":
		if v.lock != nil && v.lock["ID"] != said["ID"] {
			w.WriteHeader(http.StatusLocked)
			_ = json.NewEncoder(w).Encode(v.lock)
			return
		}
		v.lock = said
	case "UNLOCK":
		if v.lock != nil && said != nil && v.lock["ID"] != said["ID"] {
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(v.lock)
			return
		}
		v.lock = nil
	}
}

// await gives the first request that fits, once it was made.
func (v *vendor) await(what string, fits func(heard) bool) heard {
	v.t.Helper()
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	for {
		v.mu.Lock()
		for _, h := range v.heard {
			if fits(h) {
				v.mu.Unlock()
				return h
			}
		}
		changed := v.changed
		v.mu.Unlock()
		select {
		case <-changed:
		case <-late.C:
			v.t.Fatalf("no request was %s; there were %d", what, len(v.heard))
		}
	}
}

// reported fits a report of a status.
func reported(status string) func(heard) bool {
	return func(h heard) bool { return h.Method == http.MethodPatch && h.json["status"] == status }
}

// many is how often a request was made.
func (v *vendor) many(method, suffix string) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, h := range v.heard {
		if h.Method == method && strings.HasSuffix(h.Path, suffix) {
			n++
		}
	}
	return n
}

// place is a runner's folder, and what stays there.
type place struct {
	dir string
	key *seal.Key
}

func newPlace(t *testing.T) place {
	t.Helper()
	key, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return place{filepath.Join(t.TempDir(), "meshstack"), key}
}

// serve gives the vendor as a control plane, with what a runner has beside its loop.
func (v *vendor) serve(p place, change ...func(*meshstackplane.Options)) *meshstackplane.Plane {
	v.t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(v.pool)})
	opens, err := seal.ParseRSAKey(text)
	if err != nil {
		v.t.Fatal(err)
	}
	transport := &http.Transport{}
	v.t.Cleanup(transport.CloseIdleConnections)
	o := meshstackplane.Options{
		URL: v.server.URL + "/", Pool: poolID, ClientID: keyName, ClientSecret: remuda.NewSecret("the-client-secret"), Opens: opens, Key: p.key, Dir: p.dir,
		Node: "node-1", Name: "horse", Version: "1.2.3", Slots: 2, Poll: 20 * time.Millisecond, Beat: 200 * time.Millisecond, Transport: transport,
		Log: slog.New(slog.NewTextHandler(v.t.Output(), nil)),
	}
	for _, change := range change {
		change(&o)
	}
	plane, err := meshstackplane.New(o)
	if err != nil {
		v.t.Fatal(err)
	}
	return plane
}

// files are all that lies in a place.
func (p place) files(t *testing.T) (all string) {
	t.Helper()
	err := filepath.WalkDir(p.dir, func(path string, entry os.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		all += path + "\n" + string(data) + "\n"
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

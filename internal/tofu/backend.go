package tofu

import (
	"context"
	"crypto/md5" //nolint:gosec // it finds what broke on the way, as the protocol has it; it keeps nobody out
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// backend serves one block's state to the tofu of one run: the protocol of OpenTofu's http backend, on a port of the
// loopback alone, to whoever knows the password that is in tofu's environment.
type backend struct {
	plane    agent.Runs
	task     *agent.Task
	address  string
	password string
	server   *http.Server
	serving  sync.WaitGroup

	mu     sync.Mutex
	masked map[string]bool
	last   []byte // the state as it was read or written last
}

// username is any word: the password decides.
const username = "run"

// serve starts to serve the state. The caller closes it.
func serve(plane agent.Runs, task *agent.Task) (*backend, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the state: %w", err)
	}
	b := &backend{plane: plane, task: task, password: rand.Text(), masked: map[string]bool{}}
	b.address = "http://" + listener.Addr().String() + "/"
	if err := task.Mask(b.password); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	b.server = &http.Server{Handler: b, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	b.serving.Go(func() { _ = b.server.Serve(listener) })
	return b, nil
}

// close ends all requests, and returns when none is being served any more.
func (b *backend) close() {
	_ = b.server.Close()
	b.serving.Wait()
}

// environment tells tofu where the state is, and how it is let in.
func (b *backend) environment() map[string]string {
	return map[string]string{
		"TF_HTTP_ADDRESS":        b.address,
		"TF_HTTP_LOCK_ADDRESS":   b.address,
		"TF_HTTP_UNLOCK_ADDRESS": b.address,
		"TF_HTTP_LOCK_METHOD":    "LOCK",
		"TF_HTTP_UNLOCK_METHOD":  "UNLOCK",
		"TF_HTTP_USERNAME":       username,
		"TF_HTTP_PASSWORD":       b.password,
	}
}

// mostState bounds a state, as the control plane does.
const mostState = 16 << 20

// ServeHTTP answers tofu.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, password, _ := r.BasicAuth()
	if subtle.ConstantTimeCompare([]byte(password), []byte(b.password)) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="state"`)
		http.Error(w, "not this run's password", http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostState))
	if err != nil {
		http.Error(w, fmt.Sprintf("a state has at most %d MiB", mostState>>20), http.StatusRequestEntityTooLarge)
		return
	}
	lock := r.URL.Query().Get("ID")
	switch r.Method {
	case http.MethodGet:
		b.read(w, r)
	case http.MethodPost:
		b.write(w, r, lock, body)
	case http.MethodDelete:
		b.answer(w, b.plane.DeleteState(r.Context(), lock))
	case "LOCK":
		b.lock(w, r, body)
	case "UNLOCK":
		b.unlock(w, r, body)
	default:
		http.Error(w, "GET, POST, DELETE, LOCK and UNLOCK are what a state knows", http.StatusMethodNotAllowed)
	}
}

func (b *backend) read(w http.ResponseWriter, r *http.Request) {
	state, err := b.plane.State(r.Context())
	if errors.Is(err, remuda.NotFound) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if err != nil {
		b.answer(w, err)
		return
	}
	b.keep(state)
	sum := md5.Sum(state) //nolint:gosec // as above
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	_, _ = w.Write(state)
}

func (b *backend) write(w http.ResponseWriter, r *http.Request, lock string, state []byte) {
	sum := md5.Sum(state) //nolint:gosec // as above
	if want := r.Header.Get("Content-MD5"); want != "" && want != base64.StdEncoding.EncodeToString(sum[:]) {
		http.Error(w, "the state broke on its way", http.StatusBadRequest)
		return
	}
	b.keep(state)
	b.answer(w, b.plane.WriteState(r.Context(), lock, state))
}

func (b *backend) lock(w http.ResponseWriter, r *http.Request, body []byte) {
	var lock remuda.StateLock
	if json.Unmarshal(body, &lock) != nil || lock.ID == "" {
		http.Error(w, "a lock has an ID", http.StatusBadRequest)
		return
	}
	b.held(w, http.StatusLocked)(b.plane.LockState(r.Context(), lock))
}

func (b *backend) unlock(w http.ResponseWriter, r *http.Request, body []byte) {
	var lock remuda.StateLock
	_ = json.Unmarshal(body, &lock) // tofu force-unlock sends none
	b.held(w, http.StatusConflict)(b.plane.UnlockState(r.Context(), lock.ID))
}

// held answers with who holds the lock when somebody else does.
func (b *backend) held(w http.ResponseWriter, status int) func(holder remuda.StateLock, err error) {
	return func(holder remuda.StateLock, err error) {
		if !errors.Is(err, remuda.Conflict) {
			b.answer(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(holder)
	}
}

// answer says how a call went. Tofu prints the body of a refusal.
func (b *backend) answer(w http.ResponseWriter, err error) {
	status := map[remuda.Kind]int{
		remuda.Conflict: http.StatusConflict,
		remuda.Gone:     http.StatusGone,
		remuda.Invalid:  http.StatusBadRequest,
		remuda.TooLarge: http.StatusRequestEntityTooLarge,
	}[remuda.KindOf(err)]
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case status == 0:
		http.Error(w, "the control plane did not take it", http.StatusInternalServerError)
	default:
		http.Error(w, err.Error(), status)
	}
}

// keep remembers the state, and hides its secret outputs in all that is printed from now on. One secret too many to
// hide is no reason to lose a state: tofu itself does not print them.
func (b *backend) keep(state []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = state
	outputs, _ := outputsOf(state)
	for _, output := range outputs {
		if !output.Sensitive {
			continue
		}
		for _, secret := range secretsIn(output.Value) {
			if b.masked[secret] {
				continue
			}
			b.masked[secret] = true
			if err := b.task.Mask(secret); err != nil {
				b.task.Log.Warn("a secret output is not hidden in what the run prints", "error", err)
			}
		}
	}
}

// state is the block's state as tofu read or wrote it last.
func (b *backend) state() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

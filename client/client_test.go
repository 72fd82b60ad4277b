package client_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// serve gives a client of a server that answers with handler.
func serve(t *testing.T, handler http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

func answer(w http.ResponseWriter, status int, body string) {
	kind := "application/json"
	if status >= 400 {
		kind = "application/problem+json"
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func TestAProblemBecomesTheErrorThatTheServerMeant(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		retry  string
		want   remuda.Error
	}{
		"kind, detail, fields": {
			status: 422,
			body:   `{"type":"about:blank","title":"Unprocessable","status":422,"kind":"invalid","detail":"name is empty","errors":[{"location":"body.name","message":"is empty","value":""}]}`,
			want:   remuda.Error{Kind: remuda.Invalid, Detail: "name is empty", Fields: []remuda.Field{{Location: "body.name", Message: "is empty"}}},
		},
		"the kind is stronger than the status": {
			status: 400,
			body:   `{"kind":"gone","detail":"the claim has ended"}`,
			want:   remuda.Error{Kind: remuda.Gone, Detail: "the claim has ended"},
		},
		"an unknown kind leaves it to the status": {
			status: 409,
			body:   `{"kind":"brand-new","title":"Conflict"}`,
			want:   remuda.Error{Kind: remuda.Conflict, Detail: "Conflict"},
		},
		"how long to wait": {
			status: 429, retry: "7",
			body: `{"kind":"limited","detail":"too often"}`,
			want: remuda.Error{Kind: remuda.Limited, Detail: "too often", Retry: 7 * time.Second},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if test.retry != "" {
					w.Header().Set("Retry-After", test.retry)
				}
				answer(w, test.status, test.body)
			})
			_, err := c.Runner("r1", "secret").Finish(t.Context(), "c1", remuda.Result{State: remuda.Succeeded}, false)
			var got *remuda.Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v, which is no *remuda.Error", err)
			}
			if diff := cmp.Diff(test.want, *got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAProxysPageIsUnavailable(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<h1>Bad Gateway</h1>")
	})
	err := c.Runner("r1", "secret").Goodbye(t.Context())
	if !errors.Is(err, remuda.Unavailable) || strings.Contains(err.Error(), "<h1>") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsAreRevealedToTheServerAlone(t *testing.T) {
	var got map[string]any
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		answer(w, http.StatusCreated, `{"id":"j1"}`)
	})
	submission := remuda.Submission{
		Name:          "hello",
		ResourceClass: "local/default",
		Timeout:       remuda.Duration(90 * time.Second),
		Secrets:       map[string]remuda.Secret{"KEY": remuda.NewSecret("hunter2")},
	}
	if _, err := c.User("token").Submit(t.Context(), submission, ""); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"name": "hello", "resource_class": "local/default", "timeout": "1m30s", "secrets": map[string]any{"KEY": "hunter2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("submission: -want +got:\n%s", diff)
	}
	registration := remuda.Registration{Name: "herd-1", Tokens: []remuda.Secret{remuda.NewSecret("rmd_cls_x")}}
	if _, err := c.Register(t.Context(), registration); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"rmd_cls_x"}, got["tokens"]); diff != "" {
		t.Errorf("registration: -want +got:\n%s", diff)
	}
}

func TestARedirectToAnotherHostIsNotFollowed(t *testing.T) {
	var reached atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer other.Close()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	_, err := c.User("token").WhoAmI(t.Context())
	if err == nil || !strings.Contains(err.Error(), "redirect") {
		t.Errorf("got %v, want an error about the redirect", err)
	}
	if reached.Load() {
		t.Error("the other host was asked")
	}
}

func TestAPersonsCallIsMadeAgainWhileTheServerIsUnavailable(t *testing.T) {
	var calls atomic.Int32
	keys := make(chan string, 10)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		keys <- r.Header.Get("Idempotency-Key")
		if calls.Add(1) < 3 {
			answer(w, http.StatusServiceUnavailable, `{"kind":"unavailable","detail":"starting"}`)
			return
		}
		answer(w, http.StatusCreated, `{"id":"j1"}`)
	})
	job, err := c.User("token").Submit(t.Context(), remuda.Submission{}, "")
	if err != nil || job.ID != "j1" || calls.Load() != 3 {
		t.Fatalf("got %v, %v after %d calls", job, err, calls.Load())
	}
	first, second := <-keys, <-keys
	if first == "" || first != second {
		t.Errorf("the keys %q and %q would submit twice", first, second)
	}
}

func TestACallThatMayHaveActedIsNotMadeAgain(t *testing.T) {
	var calls atomic.Int32
	c := serve(t, func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
		panic(http.ErrAbortHandler) // the connection breaks after the server has acted
	})
	_, err := c.User("token").RetryTask(t.Context(), "t1")
	if !errors.Is(err, remuda.Unavailable) || calls.Load() != 1 {
		t.Errorf("got %v after %d calls", err, calls.Load())
	}
}

func TestARunnersCallIsNotMadeAgain(t *testing.T) {
	var calls atomic.Int32
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		answer(w, http.StatusServiceUnavailable, `{"kind":"unavailable"}`)
	})
	_, err := c.Runner("r1", "token").Sync(t.Context(), remuda.Sync{})
	if !errors.Is(err, remuda.Unavailable) || calls.Load() != 1 {
		t.Errorf("got %v after %d calls", err, calls.Load())
	}
}

func TestWhoeverEndsACallIsToldTheirOwnCause(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	c := serve(t, func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-release
	})
	defer close(release)
	why := errors.New("draining")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-entered
		cancel(why)
	}()
	_, err := c.Runner("r1", "token").Sync(ctx, remuda.Sync{})
	if !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	c, err := client.New(server.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.User("token").WhoAmI(t.Context())
	if !errors.Is(err, remuda.Unavailable) || !strings.Contains(err.Error(), "cannot reach "+server.URL) {
		t.Errorf("got %v", err)
	}
}

func TestAddressesAndFilesAreCheckedBeforeTheFirstCall(t *testing.T) {
	for url, good := range map[string]bool{
		"http://127.0.0.1:8080":           true,
		"http://localhost:8080/":          true,
		"http://[::1]:8080":               true,
		"https://remuda.example.com/herd": true,
		"http://remuda.example.com":       false,
		"http://127.0.0.1.example.com":    false,
		"http://10.0.0.1":                 false,
		"remuda.example.com":              false,
		"ftp://remuda.example.com":        false,
		"https://user:pw@example.com":     false,
		"":                                false,
	} {
		if _, err := client.New(url, client.Options{}); (err == nil) != good {
			t.Errorf("%q: got %v", url, err)
		}
	}
	if _, err := client.New("http://remuda.example.com", client.Options{Insecure: true}); err != nil {
		t.Errorf("insecure, as was said: %v", err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string]client.Options{
		"no such CA": {CAFile: empty + ".not"}, "no certificate in it": {CAFile: empty},
		"certificate without key": {CertFile: empty}, "bad pair": {CertFile: empty, KeyFile: empty},
	} {
		if _, err := client.New("https://remuda.example.com", options); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestACAOfOnesOwnIsTrustedWhenItIsNamed(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, `{"version":"1.2.3"}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would complain of the stranger
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	stranger, err := client.New(server.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.User("token").Version(t.Context()); err == nil {
		t.Error("a certificate of an unknown CA was trusted")
	}
	friend, err := client.New(server.URL, client.Options{CAFile: ca})
	if err != nil {
		t.Fatal(err)
	}
	defer friend.CloseIdle()
	if version, err := friend.User("token").Version(t.Context()); err != nil || version != "1.2.3" {
		t.Errorf("got %q, %v", version, err)
	}
}

func TestAllReadsEveryPage(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			answer(w, http.StatusOK, `{"items":[{"name":"a"},{"name":"b"}],"next":"2"}`)
			return
		}
		answer(w, http.StatusOK, `{"items":[{"name":"c"}]}`)
	})
	all, err := client.All(t.Context(), c.User("token").Organizations)
	if err != nil || len(all) != 3 || all[2].Name != "c" {
		t.Errorf("got %v, %v", all, err)
	}
}

func TestNamesCannotLeaveTheirPlaceInThePath(t *testing.T) {
	var asked string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.RequestURI
		answer(w, http.StatusOK, `{}`)
	})
	if _, err := c.User("token").Project(t.Context(), "acme", "../../tokens?x=1"); err != nil {
		t.Fatal(err)
	}
	if want := "/api/v1/organizations/acme/projects/..%2F..%2Ftokens%3Fx=1"; asked != want {
		t.Errorf("asked for %s, want %s", asked, want)
	}
	if _, err := c.User("token").ResourceClass(t.Context(), "linux"); !errors.Is(err, remuda.Invalid) {
		t.Errorf("got %v for a class without namespace", err)
	}
}

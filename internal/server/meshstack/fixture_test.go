package meshstack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/server"
	"github.com/remuda-dev/remuda/internal/server/meshstack"
	"github.com/remuda-dev/remuda/internal/store"
	"github.com/remuda-dev/remuda/internal/storetest"
)

// outpost is a control plane over a real store, served over real HTTP, and a client that speaks to its face.
type outpost struct {
	t       testing.TB
	plane   *control.Plane
	url     string
	http    *http.Client
	log     *journal
	admin   string // a token
	ignored map[string]int
	mu      sync.Mutex
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

func newOutpost(t testing.TB) *outpost {
	t.Helper()
	dir := storetest.Folder(t)
	kept, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kept.Close() })
	keys, err := vault.Open(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	o := &outpost{t: t, log: &journal{}, ignored: map[string]int{}}
	log := slog.New(slog.NewJSONHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.plane = control.New(control.Options{Store: kept, Keys: keys, Log: log})
	rules := blocks.New(blocks.Options{Plane: o.plane, Store: kept, Keys: keys, Log: log, Redact: meshstack.Redact})
	served := server.New(server.Options{Plane: o.plane, Blocks: rules, Log: log, Version: "0.0.1"})
	face := meshstack.New(meshstack.Options{Plane: o.plane, Blocks: rules, Door: served, Log: log, Ignored: func(kind string, members int) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.ignored[kind] += members
	}})
	served.Mount(face, meshstack.Patterns()...)
	listener := httptest.NewUnstartedServer(nil)
	listener.Config = served.HTTP()
	listener.Start()
	t.Cleanup(func() {
		served.Close()
		listener.Close()
	})
	o.url, o.http = listener.URL, listener.Client()
	o.settle(rules)
	made, err := o.plane.AsUser(control.User{Name: "root", Admin: true}).CreateToken(t.Context(), remuda.Token{Kind: remuda.AdminToken, Nickname: "root"})
	if err != nil {
		t.Fatal(err)
	}
	o.admin = made.Token
	return o
}

// settle has the rules run beside the server.
func (o *outpost) settle(rules *blocks.Rules) {
	ctx, stop := context.WithCancel(o.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- rules.Run(ctx) }()
	o.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			o.t.Errorf("settling ended with %v", err)
		}
	})
}

// got is an answer that was read to its end.
type got struct {
	status int
	header http.Header
	body   []byte
}

func (g got) String() string { return fmt.Sprintf("%d %s", g.status, g.body) }

// at gives a member of a JSON answer by its path; nil for what is not there.
func (g got) at(path ...any) any {
	var value any
	if json.Unmarshal(g.body, &value) != nil {
		return nil
	}
	return dig(value, path...)
}

func dig(value any, path ...any) any {
	for _, step := range path {
		switch of := value.(type) {
		case map[string]any:
			key, _ := step.(string)
			value = of[key]
		case []any:
			i, is := step.(int)
			if !is || i >= len(of) {
				return nil
			}
			value = of[i]
		default:
			return nil
		}
	}
	return value
}

// text is a member that is a text.
func (g got) text(path ...any) string {
	text, _ := g.at(path...).(string)
	return text
}

// client speaks as the vendor's clients do.
type client struct {
	*outpost
	authorization string
	extra         map[string]string // headers
}

func (o *outpost) as(token string) client { return client{o, "Bearer " + token, nil} }

// login signs in with an API key.
func (o *outpost) login(id, secret string) client {
	o.t.Helper()
	answer := client{outpost: o}.send("POST", "/api/login", "application/json", fmt.Sprintf(`{"clientId": %q, "clientSecret": %q}`, id, secret))
	if answer.status != 200 || answer.text("token_type") != "bearer" {
		o.t.Fatalf("login answered %s", answer)
	}
	return o.as(answer.text("access_token"))
}

// send makes one request. The media type goes into Accept, and into Content-Type when there is a body.
func (c client) send(method, path, media string, body any) got {
	c.t.Helper()
	var sent io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		sent = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, sent)
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Accept", media)
	if body != nil {
		request.Header.Set("Content-Type", media)
	}
	if c.authorization != "" {
		request.Header.Set("Authorization", c.authorization)
	}
	for name, value := range c.extra {
		request.Header.Set(name, value)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return got{answer.StatusCode, answer.Header, text}
}

// ask calls a kind as the Terraform provider does, which writes kinds in camel case.
func (c client) ask(method, kind, version, below string, body any) got {
	c.t.Helper()
	return c.send(method, "/api/meshobjects/"+strings.ToLower(kind)+"s"+below, "application/vnd.meshcloud.api."+kind+"."+version+".hal+json", body)
}

// want is ask for an answer of a known status.
func (c client) want(status int, method, kind, version, below string, body any) got {
	c.t.Helper()
	answer := c.ask(method, kind, version, below, body)
	if answer.status != status {
		c.t.Fatalf("%s %s%s answered %s, want %d", method, kind, below, answer, status)
	}
	return answer
}

type m = map[string]any

// thing is the body of an object.
func thing(kind, version string, metadata, spec m) m {
	return m{"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
}

func jsonOf(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

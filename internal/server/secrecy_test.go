package server

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

func TestNothingSecretIsLoggedOrRepeated(t *testing.T) {
	s := newStation(t)
	const planted = "hunter2-planted-secret"
	secrets := []string{planted, base64.StdEncoding.EncodeToString([]byte(planted)), s.admin, s.viewer, s.class, s.runner.token, s.live.token}
	hold := func(what string, g got) {
		t.Helper()
		for _, secret := range secrets {
			if strings.Contains(string(g.body), secret) || strings.Contains(fmt.Sprint(g.header), secret) {
				t.Errorf("%s: the answer repeats a secret: %s", what, g)
			}
		}
	}
	for _, r := range s.operations() {
		if r.page {
			continue
		}
		names := s.names()
		names["claim"] = s.stale.ID // What gets past the reading changes nothing.
		token := map[door]string{user: s.viewer, runner: s.runner.token, task: s.stale.token}[r.door]
		path := s.path(r, names)
		joint := "?"
		if strings.Contains(path, "?") {
			joint = "&"
		}
		path += joint + "token=" + planted
		bodies := []any{nil}
		switch r.content {
		case jsonType:
			bodies = []any{
				`"` + planted + `"`, planted, `{"` + "secrets" + `": "` + planted + `"}`, `{"secrets": {"A": ["` + planted + `"]}}`,
				`{"secrets": {"A": "` + planted + `"}, "resource_class": ["` + planted + `"]}`, `{"tokens": ["` + planted + `"], "name": "x", "public_key": "AA=="}`,
				`{"tokens": {"a": "` + planted + `"}, "name": 1}`, `{"secrets": {"A": "` + planted, `{"public_key": "` + planted + `"}`, `{"timeout": "` + planted + `"}`,
				`{"resource_class": "acme/linux", "secrets": {"A": "` + planted + `"}, "job": {"steps": []}}`,
				`{"resource_class": "acme/linux", "secrets": {"A": "` + planted + `"}, "timeout": "99999999h99999999h", "job": {"steps": [{"run": {"command": "true"}}]}}`,
				`{"kind": "class", "nickname": {"a": "` + planted + `"}}`,
				`{"inputs": {"floor": {"secret": "` + planted + `"}}}`, `{"name": "x", "inputs": {"floor": {"secret": ["` + planted + `"]}}}`,
				`{"name": "x", "definition": "` + names["definition"] + `", "inputs": {"pin": {"secret": "` + planted + `"}}}`,
				`{"implementation": {"type": "gitlab", "gitlab": {"token": {"secret": "` + planted + `"}}}, "inputs": {"floor": {"type": "integer", "default": {"secret": "` + planted + `"}}}}`,
				`{"credential": {"secret": "` + planted + `"}, "name": 1}`,
			}
		case rawContent:
			bodies = []any{[]byte(planted), nil}
		}
		for _, body := range bodies {
			for _, bearer := range []string{token, planted, ""} {
				hold(r.id, s.ask(r.method, path, bearer, body))
			}
		}
	}
	// A submission that is taken, and one whose class is not there.
	for _, class := range []string{"acme/linux", "acme/mac"} {
		hold("submit", s.ask("POST", v1+"/tasks", s.admin, `{"resource_class": "`+class+`", "secrets": {"A": "`+planted+`"}, "job": {"steps": [{"run": {"command": "true"}}]}}`))
	}
	hold("log in by address", s.ask("GET", v1+"/tasks?authorization="+s.admin, "", nil))
	log := s.log.String()
	for _, secret := range secrets {
		if at := strings.Index(log, secret); at >= 0 {
			t.Errorf("the log has a secret: …%s…", log[max(0, at-300):min(len(log), at+100)])
		}
	}
	if !strings.Contains(log, "submit-job") && !strings.Contains(log, "POST /api/v1/tasks") {
		t.Error("the log has no requests at all: nothing was tested")
	}
}

func TestAFaultOfOursTellsNothingButItsID(t *testing.T) {
	w := newTown(t)
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	answer := w.want(500, "GET", v1+"/tasks", w.admin, nil)
	p := read[Problem](t, answer)
	if strings.Contains(string(answer.body), "sql") || strings.Contains(string(answer.body), "database") {
		t.Errorf("the answer tells of our insides: %s", answer)
	}
	if p.RequestID == "" || p.RequestID != answer.header.Get("X-Request-Id") || p.Kind != remuda.Internal {
		t.Errorf("the problem says %+v", p)
	}
	if log := w.log.String(); !strings.Contains(log, `"request failed","request_id":"`+p.RequestID) || !strings.Contains(log, "closed") {
		t.Errorf("the log does not tell of request %s", p.RequestID)
	}
	ready := w.want(503, "GET", "/readyz", "", nil)
	if read[Problem](t, ready).Kind != remuda.Unavailable {
		t.Errorf("/readyz answers %s", ready)
	}
	w.want(200, "GET", "/healthz", "", nil)
}

func TestAPanicEndsItsRequestAlone(t *testing.T) {
	w := newTown(t, func(s *Server) {
		s.mux.HandleFunc("GET /boom", func(http.ResponseWriter, *http.Request) { panic("boom") })
	})
	answer := w.want(500, "GET", "/boom", "", nil)
	p := read[Problem](t, answer)
	if p.Kind != remuda.Internal || p.RequestID == "" || strings.Contains(string(answer.body), "boom") {
		t.Errorf("answered %s", answer)
	}
	if log := w.log.String(); !strings.Contains(log, p.RequestID) || !strings.Contains(log, "secrecy_test.go") {
		t.Error("the log does not tell where the panic was")
	}
	w.want(200, "GET", "/healthz", "", nil)
}

package client_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func TestAnAgentSpeaksThroughItsRunnersSocketWithoutAToken(t *testing.T) {
	type seen struct{ Method, URI, Authorization, Cookie, Body string }
	var got seen
	plane := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = seen{r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Cookie"), string(body)}
		answer(w, http.StatusOK, `{"length":12,"source":14,"following":true}`)
	})
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(plane.Task("c1", "rmd_tsk_x"))
	server.Listener = listener
	server.Start()
	defer server.Close()

	inside := client.Unix(socket)
	defer inside.CloseIdle()
	agent := inside.Task("c1", "")
	state, err := agent.Append(t.Context(), remuda.Chunk{Step: 2, Offset: 5, Source: 7, Data: []byte("out\r\x00")})
	if err != nil {
		t.Fatal(err)
	}
	if want := (remuda.StreamState{Length: 12, Source: 14, Following: true}); state != want {
		t.Errorf("answered %v, want %v", state, want)
	}
	want := seen{"POST", "/api/v1/claims/c1/steps/2/output?offset=5&source=7", "Bearer rmd_tsk_x", "", "out\r\x00"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("append: -want +got:\n%s", diff)
	}
	if err := agent.Steps(t.Context(), []remuda.Step{}); err != nil {
		t.Fatal(err)
	}
	want = seen{"PUT", "/api/v1/claims/c1/steps", "Bearer rmd_tsk_x", "", `{"steps":[]}`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps: -want +got:\n%s", diff)
	}
}

func TestASocketForwardsItsOwnClaimsCallsOnly(t *testing.T) {
	var asked string
	plane := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.RequestURI
		if r.Header.Get("Cookie") != "" || r.Header.Get("X-Forwarded-For") != "" {
			t.Errorf("forwarded the headers %v", r.Header)
		}
		answer(w, http.StatusOK, `{}`)
	})
	socket := plane.Task("c1", "rmd_tsk_x")
	for request, want := range map[string]string{
		"POST /api/v1/claims/c1/begin":                             "POST /api/v1/claims/c1/begin",
		"PUT /api/v1/claims/c1/steps":                              "PUT /api/v1/claims/c1/steps",
		"GET /api/v1/claims/c1/steps/0/output":                     "GET /api/v1/claims/c1/steps/0/output",
		"POST /api/v1/claims/c1/steps/3/output/close":              "POST /api/v1/claims/c1/steps/3/output/close",
		"POST /api/v1/claims/c1/steps/3/output?offset=1&evil=2":    "POST /api/v1/claims/c1/steps/3/output?offset=1",
		"GET /api/v1/claims/c1/state":                              "GET /api/v1/claims/c1/state",
		"POST /api/v1/claims/c1/state?lock=l1&evil=2":              "POST /api/v1/claims/c1/state?lock=l1",
		"DELETE /api/v1/claims/c1/state/lock?id=l1":                "DELETE /api/v1/claims/c1/state/lock?id=l1",
		"PUT /api/v1/claims/c1/plan":                               "PUT /api/v1/claims/c1/plan",
		"PUT /api/v1/claims/c1/run":                                "PUT /api/v1/claims/c1/run",
		"GET /api/v1/claims/c1/state/lock":                         "",
		"POST /api/v1/claims/c1/plan":                              "",
		"GET /api/v1/claims/c2/state":                              "",
		"POST /api/v1/claims/c1/state/":                            "",
		"POST /api/v1/claims/c1/finish":                            "",
		"POST /api/v1/claims/c1/return":                            "",
		"GET /api/v1/claims/c1/begin":                              "",
		"POST /api/v1/claims/c2/begin":                             "",
		"POST /api/v1/claims/c1/../c2/begin":                       "",
		"POST /api/v1/claims/c1/%2e%2e/c2/begin":                   "",
		"POST /api/v1/claims/c1/steps/0%2f..%2f..%2ffinish/output": "",
		"POST /api/v1/claims/c1/steps/-1/output":                   "",
		"DELETE /api/v1/claims/c1/steps/0/output":                  "",
		"POST /api/v1/claims/c1/steps/0/output/../../../finish":    "",
		"GET /api/v1/tasks":                                        "",
		"POST /api/v1/runners/c1/sync":                             "",
		"GET /":                                                    "",
	} {
		asked = ""
		method, uri, _ := cutSpace(request)
		r := httptest.NewRequest(method, uri, nil)
		r.Header.Set("Authorization", "Bearer mine")
		r.Header.Set("Cookie", "a=b")
		w := httptest.NewRecorder()
		socket.ServeHTTP(w, r)
		if asked != want {
			t.Errorf("%s became %q, want %q", request, asked, want)
		}
		if want == "" && w.Code != http.StatusNotFound {
			t.Errorf("%s answered %d", request, w.Code)
		}
	}
}

func TestASocketSaysWhenTheControlPlaneIsAway(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	plane, err := client.New(server.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	plane.Task("c1", "x").ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/claims/c1/begin", nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("answered %d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
}

func cutSpace(text string) (before, after string, found bool) {
	for i, c := range text {
		if c == ' ' {
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
}

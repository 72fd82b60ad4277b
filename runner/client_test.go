package runner_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/runner"
)

func TestOurClientIsAControlPlane(t *testing.T) {
	asked := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{}`))
	}))
	defer server.Close()
	c, err := client.New(server.URL, client.Options{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	plane := runner.Plane(c.Runner("r1", "runner-token"))
	if _, err := plane.Sync(t.Context(), remuda.Sync{}); err != nil {
		t.Error(err)
	}
	if err := plane.Task("c1", "task-token").Steps(t.Context(), nil); err != nil {
		t.Error(err)
	}
	// The agent's own words, through the runner's socket.
	plane.Task("c1", "task-token").ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/claims/c1/begin", nil))
	for _, want := range []string{
		"POST /api/v1/runners/r1/sync Bearer runner-token",
		"PUT /api/v1/claims/c1/steps Bearer task-token",
		"POST /api/v1/claims/c1/begin Bearer task-token",
	} {
		if got := <-asked; got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
	}
}

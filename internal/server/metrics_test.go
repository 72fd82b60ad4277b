package server

import (
	"strings"
	"testing"
)

func TestMetricsAreForTheAdministrator(t *testing.T) {
	w := newTown(t)
	w.want(401, "GET", "/metrics", "", nil)
	w.want(401, "GET", "/metrics", "nonsense", nil)
	w.want(403, "GET", "/metrics", w.viewer, nil)
	w.want(403, "GET", "/metrics", w.class, nil)
	w.want(403, "GET", "/metrics", w.register("one").token, nil)
	w.want(200, "GET", "/metrics", w.admin, nil)
}

func TestMetricsMayBeOpened(t *testing.T) {
	w := newTown(t, func(s *Server) { s.options.OpenMetrics = true })
	w.want(200, "GET", "/metrics", "", nil)
}

func TestMetricsTellOfRequestsTasksAndRunners(t *testing.T) {
	w := newTown(t)
	m := w.register("one")
	w.register("two")
	l := w.claim(m)
	w.begin(l)
	w.want(201, "POST", v1+"/tasks", w.admin, helloJob)
	w.want(404, "GET", v1+"/tasks/nobody", w.admin, nil)
	w.want(404, "GET", "/nowhere/"+strings.Repeat("x", 100), w.admin, nil)
	text := string(w.want(200, "GET", "/metrics", w.admin, nil).body)
	for _, line := range []string{
		`remuda_http_requests_total{route="GET /api/v1/tasks/{task}",status="404"} 1`,
		`remuda_http_requests_total{route="none",status="404"} 1`,
		`remuda_http_request_duration_seconds_count{route="POST /api/v1/tasks"} 2`,
		`remuda_tasks{resource_class="acme/linux",state="queued"} 1`,
		`remuda_tasks{resource_class="acme/linux",state="running"} 1`,
		`remuda_class_runners{resource_class="acme/linux"} 2`,
		`remuda_class_runnable_tasks{resource_class="acme/linux"} 1`,
		`remuda_class_oldest_task_seconds{resource_class="acme/linux"} `,
		`remuda_class_idle_slots{resource_class="acme/linux"} `,
		`remuda_class_slots{resource_class="acme/linux"} `,
		`remuda_runners{state="quarantined"} 0`,
		`remuda_runners{state="busy"} 1`,
		`remuda_runners{state="idle"} 1`,
		`remuda_runners{state="lost"} 0`,
		`remuda_http_syncs_held 0`,
		`remuda_store_up 1`,
		`go_goroutines `,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("/metrics does not say %s", line)
		}
	}
	if strings.Contains(text, "xxxx") {
		t.Error("anybody may make up labels")
	}
}

func TestMetricsOutliveTheStore(t *testing.T) {
	w := newTown(t, func(s *Server) { s.options.OpenMetrics = true })
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	text := string(w.want(200, "GET", "/metrics", "", nil).body)
	if !strings.Contains(text, "remuda_store_up 0") || !strings.Contains(text, "remuda_http_requests_total") {
		t.Errorf("/metrics of a server whose store is away says %s", text)
	}
}

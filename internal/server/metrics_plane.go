package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// planeCollector reads the control plane's own numbers when somebody asks for them, so that they are the truth and
// cost nothing in between.
type planeCollector struct {
	plane *control.Plane
	log   *slog.Logger
}

// The bounds of one scrape: an instance beyond them shows part of its classes, and stays up.
const (
	scrapeTime  = 5 * time.Second
	scrapePage  = 500
	scrapePages = 40
)

var planeMetrics = map[string]*prometheus.Desc{
	"tasks": prometheus.NewDesc("remuda_tasks",
		"Tasks that have not ended, by resource class and state.", []string{"resource_class", "state"}, nil),
	"connected": prometheus.NewDesc("remuda_class_runners",
		"Connected runners, by resource class.", []string{"resource_class"}, nil),
	"runnable": prometheus.NewDesc("remuda_class_runnable_tasks",
		"Queued tasks that wait for a runner alone, by resource class.", []string{"resource_class"}, nil),
	"oldest": prometheus.NewDesc("remuda_class_oldest_task_seconds",
		"How long the oldest of the tasks next in line has waited, by resource class.", []string{"resource_class"}, nil),
	"idle": prometheus.NewDesc("remuda_class_idle_slots",
		"Free slots of the runners that take tasks, by resource class.", []string{"resource_class"}, nil),
	"capacity": prometheus.NewDesc("remuda_class_slots",
		"All slots of the runners that take tasks, by resource class.", []string{"resource_class"}, nil),
	"runners": prometheus.NewDesc("remuda_runners",
		"Registered runners, by state.", []string{"state"}, nil),
	"up": prometheus.NewDesc("remuda_store_up",
		"1 when the numbers of the control plane could be read.", nil, nil),
}

// Describe names the metrics.
func (p *planeCollector) Describe(out chan<- *prometheus.Desc) {
	for _, one := range planeMetrics {
		out <- one
	}
}

// Collect reads them as the instance's administrator.
func (p *planeCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	door := p.plane.AsUser(control.User{Name: "metrics", Admin: true})
	up := 1.0
	if err := collect(ctx, door, out); err != nil {
		p.log.Warn("metrics are not whole", "error", err)
		up = 0
	}
	out <- prometheus.MustNewConstMetric(planeMetrics["up"], prometheus.GaugeValue, up)
}

func collect(ctx context.Context, door control.UserDoor, out chan<- prometheus.Metric) error {
	gauge := func(name string, value int, labels ...string) {
		out <- prometheus.MustNewConstMetric(planeMetrics[name], prometheus.GaugeValue, float64(value), labels...)
	}
	scalings, err := door.Scalings(ctx)
	if err != nil {
		return err
	}
	err = each(func(q control.PageQuery) (remuda.Page[remuda.ResourceClass], error) {
		return door.ResourceClasses(ctx, control.ResourceClassFilter{}, q)
	}, func(class remuda.ResourceClass) {
		gauge("tasks", class.Queued, class.Name, string(remuda.Queued))
		gauge("tasks", class.Running, class.Name, string(remuda.Running))
		gauge("connected", class.Runners, class.Name)
		scaling := scalings[class.Name]
		gauge("runnable", scaling.Runnable, class.Name)
		gauge("oldest", scaling.OldestAge, class.Name)
		gauge("idle", scaling.Idle, class.Name)
		gauge("capacity", scaling.Capacity, class.Name)
	})
	if err != nil {
		return err
	}
	counts, err := door.RunnerCounts(ctx)
	if err != nil {
		return err
	}
	for _, state := range []remuda.RunnerState{
		remuda.RunnerIdle, remuda.RunnerBusy, remuda.RunnerDraining,
		remuda.RunnerPaused, remuda.RunnerQuarantined, remuda.RunnerSilent, remuda.RunnerLost,
	} {
		gauge("runners", counts[state], string(state))
	}
	return nil
}

// each goes through the pages of a list.
func each[T any](read func(control.PageQuery) (remuda.Page[T], error), do func(T)) error {
	query := control.PageQuery{Limit: scrapePage}
	for range scrapePages {
		page, err := read(query)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			do(item)
		}
		if page.Next == "" {
			return nil
		}
		query.Cursor = page.Next
	}
	return nil
}

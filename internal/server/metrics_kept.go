package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/remuda-dev/remuda/internal/control"
)

// keptCollector tells what is kept, and what retention deleted, as the plane knows it: nothing is counted for it.
type keptCollector struct{ plane *control.Plane }

// The metrics of keptCollector. Those of what is held are as they were counted last, at most six minutes ago, by the
// plane that is asked.
func keptMetrics() (held, objects, away, deleted *prometheus.Desc) {
	return prometheus.NewDesc("remuda_output_bytes", "Bytes that output takes up, by where it lies; those in the bucket are compressed.", []string{"where"}, nil),
		prometheus.NewDesc("remuda_output_objects", "Objects in the bucket.", nil, nil),
		prometheus.NewDesc("remuda_bucket_up", "1 while the bucket for output can be used.", nil, nil),
		prometheus.NewDesc("remuda_retention_deleted_total", "What retention deleted since the start, by kind: tasks, outputs, output_bytes, events.", []string{"kind"}, nil)
}

// Describe names the metrics.
func (k keptCollector) Describe(out chan<- *prometheus.Desc) {
	held, objects, away, deleted := keptMetrics()
	for _, one := range []*prometheus.Desc{held, objects, away, deleted} {
		out <- one
	}
}

// Collect tells them.
func (k keptCollector) Collect(out chan<- prometheus.Metric) {
	kept := k.plane.Kept()
	held, objects, away, deleted := keptMetrics()
	gauge := func(of *prometheus.Desc, value int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(of, prometheus.GaugeValue, float64(value), labels...)
	}
	gauge(held, kept.Output.Store, "store")
	gauge(held, kept.Output.Bucket, "bucket")
	gauge(objects, kept.Output.Objects)
	up := int64(1)
	if kept.BucketAway {
		up = 0
	}
	gauge(away, up)
	for kind, value := range map[string]int64{
		"tasks": kept.Deleted.Tasks, "outputs": kept.Deleted.Outputs, "output_bytes": kept.Deleted.Bytes, "events": kept.Deleted.Events,
	} {
		out <- prometheus.MustNewConstMetric(deleted, prometheus.CounterValue, float64(value), kind)
	}
}

package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/remuda-dev/remuda"
)

// metrics are what /metrics tells, in a registry of this server's own.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	ignored   *prometheus.CounterVec
	refused   *prometheus.CounterVec
	repeated  prometheus.Counter
	show      http.Handler
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "remuda_http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"route", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "remuda_http_request_duration_seconds", Help: "How long answers took, by route. A sync is held for up to 50 s.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, 1, 5, 15, 60},
		}, []string{"route"}),
		ignored: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "remuda_http_ignored_members_total", Help: "Members that programs sent and this version does not know, by operation.",
		}, []string{"operation"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "remuda_http_refused_total", Help: "Requests refused before any rule was asked, by reason; docs/operate.md explains each.",
		}, []string{"reason"}),
		repeated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "remuda_http_syncs_repeated_total", Help: "Syncs of idle runners that were the same as the one before, and were held again without being read anew.",
		}),
	}
	for _, reason := range []string{reasonRequests, reasonStreams, reasonPace, reasonAddress, reasonFull, reasonBusy, reasonBody} {
		m.refused.WithLabelValues(reason) // there from the start, so that a rate can be taken of the first
	}
	m.registry.MustRegister(m.requests, m.durations, m.ignored, m.refused, m.repeated,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "remuda_http_syncs_held", Help: "Requests of runners that are held open.",
		}, func() float64 { return float64(s.syncs.taken()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "remuda_http_streams_open", Help: "Streams of output and events that are open.",
		}, func() float64 { return float64(s.followers.taken()) }),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&planeCollector{plane: s.plane, log: s.log},
		keptCollector{s.plane},
	)
	m.show = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2})
	return m
}

// answered counts one request. What no route knows is counted as one, since anybody may invent addresses.
func (m *metrics) answered(route string, status int, took time.Duration) {
	if route == "" || route == "/" {
		route = "none"
	}
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(route).Observe(took.Seconds())
}

// showMetrics asks for an admin token, unless the options open it.
func (s *Server) showMetrics(w http.ResponseWriter, r *http.Request) {
	if !s.options.OpenMetrics {
		if err := s.adminOnly(r); err != nil {
			s.refuse(w.(*responder), problemOf(err))
			return
		}
	}
	s.metrics.show.ServeHTTP(w, r)
}

func (s *Server) adminOnly(r *http.Request) error {
	who, err := s.authenticate(r)
	if err != nil {
		return err
	}
	if who.User == nil || !who.User.Admin {
		return remuda.Fail(remuda.Forbidden, "metrics are for the instance's administrator: use an admin token, or start the server with open metrics")
	}
	return nil
}

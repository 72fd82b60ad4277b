package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/herd"
)

// classToken makes a class with its owner and a token for it.
func classToken(t *testing.T, user *client.User) string {
	t.Helper()
	if _, err := user.CreateOrganization(t.Context(), remuda.Organization{Name: "acme"}); err != nil {
		t.Fatal(err)
	}
	if _, err := user.ClaimNamespace(t.Context(), "acme", "acme"); err != nil {
		t.Fatal(err)
	}
	if _, err := user.CreateResourceClass(t.Context(), remuda.ResourceClass{Name: "acme/linux"}); err != nil {
		t.Fatal(err)
	}
	token, err := user.CreateToken(t.Context(), remuda.Token{Kind: remuda.ClassToken, Nickname: "herd", ResourceClass: "acme/linux"})
	if err != nil {
		t.Fatal(err)
	}
	return token.Token
}

// certificateFiles are of a certificate for this machine alone, and a pool that trusts it.
func certificateFiles(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made})
	for path, data := range map[string][]byte{cert: public, key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(public)
	return cert, key, pool
}

// pause waits for real: what runs meanwhile is measured.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

// TestTenThousandRunners shows what a herd costs its control plane. REMUDA_HERD says how many runners it has, and
// REMUDA_HERD_TIME for how long each part is measured; without it the herd is small, and nothing is held against the
// figures to reach.
func TestTenThousandRunners(t *testing.T) {
	size, period := 200, 2*time.Second
	if text := os.Getenv("REMUDA_HERD"); text != "" {
		var err error
		if size, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
		period = time.Minute
	}
	if text := os.Getenv("REMUDA_HERD_TIME"); text != "" {
		var err error
		if period, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{"plain", "TLS"} {
		t.Run(kind, func(t *testing.T) { measureHerd(t, size, period, kind == "TLS") })
	}
}

// patience is how long a herd may take to connect: only a broken server reaches it.
const patience = 5 * time.Minute

func measureHerd(t *testing.T, size int, period time.Duration, secure bool) {
	args := []string{"--open-metrics"}
	var config *tls.Config
	options := client.Options{}
	plain := &http.Client{Transport: &http.Transport{}}
	if secure {
		cert, key, pool := certificateFiles(t)
		args = append(args, "--tls-cert", cert, "--tls-key", key)
		config = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
		options.CAFile = cert
		plain.Transport = &http.Transport{TLSClientConfig: config}
	}
	defer plain.CloseIdleConnections()
	dir := t.TempDir()
	s := startServer(t, dir, args...)
	user := s.user(options)
	token := classToken(t, user)

	claimed := &latencies{at: map[string]time.Time{}}
	made := time.Now()
	all, err := herd.Register(t.Context(), herd.Options{
		Address: s.address, TLS: config, Token: token, Runners: size,
		Claimed: func(c remuda.Claim) { claimed.claimed(c.Task.JobID) },
		Log:     slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d runners registered in %s", size, time.Since(made))

	before := s.resident()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		all.Run(ctx)
	}()
	defer func() { cancel(); <-ended }()
	opened := time.Now()
	untilOpen(t, all, size)
	t.Logf("all of them connected in %s; resident per runner then: %.1f KB", time.Since(opened), float64(s.resident()-before)/float64(size)/1000)

	busy, from := s.processor(), time.Now()
	pause(t, period)
	each := float64(s.resident()-before) / float64(size) / 1000
	idle := float64(s.processor()-busy) / float64(time.Since(from))
	t.Logf("idle: %.1f KB a runner (resident %.1f MB, was %.1f MB), %.1f %% of a core; heap %.1f, stacks %.1f MB", each,
		float64(s.resident())/1e6, float64(before)/1e6, 100*idle,
		s.metric(plain, "go_memstats_heap_inuse_bytes")/1e6, s.metric(plain, "go_memstats_stack_inuse_bytes")/1e6)
	if held := s.metric(plain, "remuda_http_syncs_held"); held < float64(size)*0.9 {
		t.Errorf("only %v syncs are held", held)
	}

	busy, from = s.processor(), time.Now()
	submitSteadily(t, user, claimed, period)
	share := float64(s.processor()-busy) / float64(time.Since(from))
	p50, p99, count := claimed.percentiles()
	t.Logf("with 100 submits/s: %.1f %% of a core, submit → claim p50 %s, p99 %s of %d", 100*share, p50, p99, count)
	asked, strange, broken := all.Refusals()
	t.Logf("asked to wait %d times, %d other refusals, %d broken connections", asked, strange, broken)
	if strange+broken > 0 {
		t.Errorf("%d runners were refused, %d connections broke:\n%s", strange, broken, s.said)
	}
	restartUnderHerd(t, s, all, size, args)
}

// restartUnderHerd ends the control plane and starts it again while the whole herd tries to connect.
func restartUnderHerd(t *testing.T, s *serverProcess, all *herd.Herd, size int, args []string) {
	t.Helper()
	took := s.term()
	t.Logf("TERM ended it in %s", took)
	if took > 10*time.Second {
		t.Errorf("it took %s to end", took)
	}
	_, before, _ := all.Refusals()
	again := startServer(t, s.dir, append(args, "--listen", s.address)...)
	started := time.Now()
	untilOpen(t, all, size)
	asked, strange, _ := all.Refusals()
	t.Logf("started again; all of them connected after %s, resident %.1f MB; asked to wait %d times", time.Since(started), float64(again.resident())/1e6, asked)
	if strange > before {
		t.Errorf("%d runners were refused:\n%s", strange-before, again.said)
	}
}

// untilOpen waits until so many runners have asked.
func untilOpen(t *testing.T, h *herd.Herd, size int) {
	t.Helper()
	look, late := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer look.Stop()
	for h.Open() < size {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("%d of %d connected", h.Open(), size)
		}
	}
}

// latencies remembers when jobs were submitted, and how long it took until each was claimed.
type latencies struct {
	mu   sync.Mutex
	at   map[string]time.Time // of what comes first: the answer to the submission, or the claim
	took []time.Duration
}

func (l *latencies) claimed(job string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at[job] = time.Now()
}

// submitted notes when a job was asked for; its claim may have come before the answer.
func (l *latencies) submitted(job string, asked time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, known := l.at[job]
	if known {
		l.took = append(l.took, at.Sub(asked))
		delete(l.at, job)
	}
	return known
}

func (l *latencies) percentiles() (p50, p99 time.Duration, count int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.took)
	if len(l.took) == 0 {
		return 0, 0, 0
	}
	return l.took[len(l.took)/2], l.took[len(l.took)*99/100], len(l.took)
}

// submitSteadily submits 100 jobs a second.
func submitSteadily(t *testing.T, user *client.User, claimed *latencies, period time.Duration) {
	t.Helper()
	type ask struct {
		job string
		at  time.Time
	}
	var mu sync.Mutex
	var asks []ask
	var submitting sync.WaitGroup
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	job := remuda.Submission{
		ResourceClass: "acme/linux", Organization: "acme",
		Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "true"}}}},
	}
	for over := time.Now().Add(period); time.Now().Before(over); {
		<-tick.C
		submitting.Go(func() {
			at := time.Now()
			made, err := user.Submit(t.Context(), job, "")
			if errors.Is(err, remuda.Limited) {
				return // a machine that is too busy with other things is told so, which is no fault
			}
			if err != nil {
				t.Errorf("submit: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			asks = append(asks, ask{made.ID, at})
		})
	}
	submitting.Wait()
	late := time.After(patience)
	for len(asks) > 0 {
		asks = slices.DeleteFunc(asks, func(a ask) bool { return claimed.submitted(a.job, a.at) })
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%d jobs were not claimed", len(asks))
		}
	}
}

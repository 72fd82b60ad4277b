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
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/herd"
)

// oneHold is for how long an idle sync is held, at most: over less, none of the runners would have asked anew.
const oneHold = 50 * time.Second

// herds is what many idle runners cost their control plane, and how long tasks wait among them: plain, then over TLS,
// each with a control plane of its own.
func herds(ctx context.Context, s *site, n sizes) (figures []figure, err error) {
	for _, secure := range []bool{false, true} {
		one, err := openPasture(ctx, s, n, secure)
		if err != nil {
			return figures, err
		}
		more, err := one.measure(ctx)
		one.close()
		if figures = append(figures, more...); err != nil {
			return figures, err
		}
	}
	return figures, nil
}

// pasture is a control plane with a herd.
type pasture struct {
	*site
	sizes
	what    string
	goal    string // of memory
	herd    *herd.Herd
	claimed *times
}

func openPasture(ctx context.Context, s *site, n sizes, secure bool) (*pasture, error) {
	p := &pasture{
		site:  &site{dir: s.dir, said: s.said, class: "bench/herd"},
		sizes: n, what: fmt.Sprintf("%d idle runners", n.herd), goal: "≤ 40 KB", claimed: &times{at: map[string]time.Time{}},
	}
	data, err := os.MkdirTemp(s.dir, "herd-")
	if err != nil {
		return nil, err
	}
	var more []string
	var options client.Options
	var trust *tls.Config
	if secure {
		p.what, p.goal = p.what+" over TLS", "≤ 64 KB"
		cert, key, pool, err := certificate(data)
		if err != nil {
			return nil, err
		}
		more, options.CAFile = []string{"--tls-cert", cert, "--tls-key", key}, cert
		trust = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13}
	}
	if p.plane, p.url, err = s.startPlane(ctx, data, more...); err != nil {
		return nil, err
	}
	if err := p.settleHerd(ctx, filepath.Join(data, "admin-token"), options, trust); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *pasture) settleHerd(ctx context.Context, tokenFile string, options client.Options, trust *tls.Config) (err error) {
	if p.client, err = client.New(p.url, options); err != nil {
		return err
	}
	if err := p.settle(ctx, tokenFile); err != nil {
		return err
	}
	token, err := p.classToken(ctx, p.class)
	if err != nil {
		return err
	}
	_, address, _ := strings.Cut(p.url, "://")
	p.herd, err = herd.Register(ctx, herd.Options{
		Address: address, TLS: trust, Token: token, Runners: p.sizes.herd,
		Claimed: func(c remuda.Claim) { p.claimed.note(c.Task.ID) }, Log: slog.New(slog.DiscardHandler),
	})
	return err
}

func (p *pasture) close() { p.plane.stop() }

// measure lets the herd run for three holds: what each runner costs when it is new is not what it costs when it rests.
func (p *pasture) measure(ctx context.Context) ([]figure, error) {
	before, err := p.plane.memory()
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.herd.Run(running)
	}()
	defer func() { stop(); <-ended }()
	connected, err := p.connected(ctx)
	if err != nil {
		return nil, err
	}
	if err := wait(ctx, 2*p.hold); err != nil {
		return nil, err
	}
	answers := p.herd.Answers()
	rest, _, err := p.busy(func() error { return wait(ctx, p.hold) })
	if err != nil {
		return nil, err
	}
	answers = p.herd.Answers() - answers
	memory, err := p.plane.memory()
	if err != nil {
		return nil, err
	}
	each := "none of them asked anew"
	if answers > 0 {
		each = fmt.Sprintf("%d syncs, %.0f µs each", answers, rest*p.hold.Seconds()*1e6/float64(answers))
	}
	loaded, err := p.load(ctx)
	return append([]figure{
		{p.what + ": memory of the control plane each", fmt.Sprintf("%.1f KB", float64(memory-before)/1e3/float64(p.sizes.herd)), p.goal, fmt.Sprintf("all connected in %s", connected.Round(time.Millisecond))},
		{p.what + ": processor", fmt.Sprintf("%.1f %% of a core", 100*rest), "≤ 5 %", "over " + p.hold.String() + ", once they rest: " + each},
	}, loaded...), err
}

// connected waits until every runner has its request open.
func (p *pasture) connected(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	for p.herd.Open() < p.sizes.herd {
		if time.Since(start) > 5*time.Minute {
			return 0, fmt.Errorf("%d of %d runners are connected after 5 minutes", p.herd.Open(), p.sizes.herd)
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

// load submits to the herd.
func (p *pasture) load(ctx context.Context) ([]figure, error) {
	var waits []time.Duration
	share, ours, err := p.busy(func() (err error) {
		waits, err = p.submitAt(ctx, 100, p.loaded, p.claimed)
		return err
	})
	if err != nil {
		return nil, err
	}
	asked, strange, broken := p.herd.Refusals()
	if strange+broken > 0 {
		err = fmt.Errorf("%d answers to the herd were no good, and %d connections broke", strange, broken)
	}
	return []figure{
		{p.what + ", 100 submits/s: submit → claim", "p50 " + milliseconds(percentile(waits, 0.5)) + ", p99 " + milliseconds(percentile(waits, 0.99)), "p99 ≤ 50 ms", fmt.Sprintf("%d tasks; the herd was asked to wait %d times", len(waits), asked)},
		{p.what + ", 100 submits/s: processor", fmt.Sprintf("%.1f %% of a core", 100*share), "≤ 100 %", fmt.Sprintf("the runners and who submits: %.1f %% of a core", 100*ours)},
	}, err
}

// busy is the share of a processor that the control plane used meanwhile, and that we did.
func (s *site) busy(meanwhile func() error) (plane, ours float64, err error) {
	before, _, errPlane := s.plane.cpu()
	oursBefore, _, errOurs := processorTime(os.Getpid())
	if err := errors.Join(errPlane, errOurs); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := meanwhile(); err != nil {
		return 0, 0, err
	}
	took := float64(time.Since(start))
	after, _, errPlane := s.plane.cpu()
	oursAfter, _, errOurs := processorTime(os.Getpid())
	return float64(after-before) / took, float64(oursAfter-oursBefore) / took, errors.Join(errPlane, errOurs)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// certificate writes a certificate for this machine alone into a folder, and gives a pool that trusts it.
func certificate(dir string) (cert, key string, pool *x509.CertPool, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return "", "", nil, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", nil, err
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(public)
	return cert, key, pool, errors.Join(os.WriteFile(cert, public, 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600))
}

// Package client speaks the native API over HTTP, for runners, task-agents and people's tools.
//
// A Client knows where the control plane is and how to get there. What may be asked depends on who asks: User, Runner
// and Task are doors, each bound to one credential. Failures that the caller can act on are *remuda.Error.
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// callTimeout is how long a call may take when Options do not say: long enough for a slow link, short enough that a
// person does not believe that the program hangs.
const callTimeout = 30 * time.Second

// Options say how to get to the control plane. The zero value is right where nothing is special: system CAs, proxy
// from the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
type Options struct {
	UserAgent string        // how the program introduces itself; "remuda" when empty
	Timeout   time.Duration // of one call, without the time that the server may hold it; 30 s when 0

	CAFile   string // PEM; trusted beside the system's
	CertFile string // PEM; client certificate, with KeyFile
	KeyFile  string

	// Insecure allows tokens over plain HTTP to a host that is not this one. It never turns off the verification of
	// certificates: a CAFile does what is wanted there.
	Insecure bool

	// Transport carries the requests instead of connections of the client's own: for a program that reaches the
	// control plane in a way of its own, and for tests. What is said above of CAs, certificates and proxies is then its.
	Transport http.RoundTripper
}

// Client knows where the control plane is. It is safe for use by many goroutines.
type Client struct {
	base      *url.URL // without a slash at its end
	http      *http.Client
	held      *http.Client // for calls that the server holds
	userAgent string
	timeout   time.Duration
}

// New makes a Client for the control plane at baseURL, such as https://remuda.example.com. It opens no connection.
func New(baseURL string, o Options) (*Client, error) {
	base, err := parseBase(baseURL, o.Insecure)
	if err != nil {
		return nil, err
	}
	if o.Transport != nil {
		return newClient(base, o.Transport, o), nil
	}
	transport, err := NewTransport(o)
	if err != nil {
		return nil, err
	}
	return newClient(base, transport, o), nil
}

// NewTransport makes what carries a Client's requests, for programs that speak to other systems by the same CAs,
// certificates and proxies.
func NewTransport(o Options) (*http.Transport, error) {
	security, err := tlsConfig(o)
	if err != nil {
		return nil, err
	}
	transport := newTransport()
	transport.Proxy = http.ProxyFromEnvironment
	transport.TLSClientConfig = security
	return transport, nil
}

// Unix makes a Client that speaks through a unix socket: the task-agent's road to its runner, which adds the token.
func Unix(socket string) *Client {
	transport := newTransport()
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", socket)
	}
	return newClient(&url.URL{Scheme: "http", Host: "runner"}, transport, Options{})
}

func newClient(base *url.URL, transport http.RoundTripper, o Options) *Client {
	c := &Client{
		base:      base,
		http:      &http.Client{Transport: transport, CheckRedirect: sameHostOnly},
		held:      &http.Client{Transport: oneAtATime(transport), CheckRedirect: sameHostOnly},
		userAgent: o.UserAgent,
		timeout:   o.Timeout,
	}
	if c.userAgent == "" {
		c.userAgent = "remuda"
	}
	if c.timeout <= 0 {
		c.timeout = callTimeout
	}
	return c
}

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext:         dialer.DialContext,
		ForceAttemptHTTP2:   true, // setting TLSClientConfig turns it off otherwise
		TLSHandshakeTimeout: 10 * time.Second,
		// A runner with n slots has n tasks reporting at once; two kept connections, the default, would be opened
		// and closed all the time.
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// oneAtATime is a transport of HTTP/1.1. The control plane sets a connection aside while its one request is held, and
// has ten thousand of them; one that other requests share, as in HTTP/2, has to be kept up.
func oneAtATime(road http.RoundTripper) http.RoundTripper {
	like, ours := road.(*http.Transport)
	if !ours {
		return road
	}
	transport := like.Clone()
	transport.ForceAttemptHTTP2 = false
	transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	if transport.TLSClientConfig != nil {
		transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	transport.MaxIdleConnsPerHost = 2
	return transport
}

// URL is the control plane's address.
func (c *Client) URL() string { return c.base.String() }

// CloseIdle closes connections that nothing uses, so that a program that ends leaves none behind.
func (c *Client) CloseIdle() {
	c.http.CloseIdleConnections()
	c.held.CloseIdleConnections()
}

func parseBase(text string, insecure bool) (*url.URL, error) {
	base, err := url.Parse(text)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("expected the control plane's address, such as https://remuda.example.com, got %q", text)
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("the control plane's address may have no user, query or fragment")
	}
	if base.Scheme == "http" && !insecure && !Loopback(base.Hostname()) {
		return nil, fmt.Errorf("%s would send tokens in clear; use https, or allow it with --insecure", text)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawPath = ""
	return base, nil
}

// Loopback says whether a host name or address can only be this machine.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && address.Unmap().IsLoopback()
}

func tlsConfig(o Options) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA file: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the CA file %s has no certificate in PEM form", o.CAFile)
		}
		config.RootCAs = pool
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, errors.New("a client certificate needs its key, and a key its certificate: give both files")
	}
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// sameHostOnly follows a redirect only where the credential may go: the same scheme, host and port.
func sameHostOnly(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	if next.URL.Scheme != first.Scheme || next.URL.Host != first.Host {
		return fmt.Errorf("it answers with a redirect to %s://%s; use that address if it is the right one", next.URL.Scheme, next.URL.Host)
	}
	if len(via) >= 5 {
		return errors.New("it redirects in a circle")
	}
	return nil
}

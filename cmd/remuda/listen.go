package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/remuda-dev/remuda/client"
)

// listenSettings say where a server listens.
type listenSettings struct {
	Listen   string `yaml:"listen" flag:"listen" help:"address to listen on; port 0 takes a free one"`
	TLSCert  string `yaml:"tls_cert" flag:"tls-cert" help:"certificate with its chain, PEM; read again when it changes"`
	TLSKey   string `yaml:"tls_key" flag:"tls-key" help:"key of the certificate, PEM"`
	Insecure bool   `yaml:"insecure" flag:"insecure" help:"listen beyond this machine without TLS: tokens travel in clear, unless a proxy before it adds TLS"`
}

// listen opens the listener and tells the address that clients use. Beyond this machine it wants TLS.
func (l listenSettings) listen(ctx context.Context) (net.Listener, string, error) {
	host, port, err := net.SplitHostPort(l.Listen)
	if err == nil {
		_, err = net.DefaultResolver.LookupPort(ctx, "tcp", port)
	}
	if err != nil {
		return nil, "", wrong("--listen %s: expected host:port with a port up to 65535, such as 127.0.0.1:8080", l.Listen)
	}
	if (l.TLSCert == "") != (l.TLSKey == "") {
		return nil, "", wrong("TLS needs --tls-cert and --tls-key, both")
	}
	if l.TLSCert == "" && !client.Loopback(host) && !l.Insecure {
		return nil, "", wrong("%s can be reached from other machines, and without TLS tokens would travel in clear: give --tls-cert and --tls-key, listen on 127.0.0.1, or say --insecure if a proxy before it adds TLS", l.Listen)
	}
	var config *tls.Config
	if l.TLSCert != "" {
		pair := &certificate{cert: l.TLSCert, key: l.TLSKey}
		if _, err := pair.get(nil); err != nil {
			return nil, "", wrong("read the TLS certificate: %w", err)
		}
		config = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get, NextProtos: []string{"h2", "http/1.1"}}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", l.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, "", wrong("listen on %s: another program does already; stop it, or choose another port with --listen", l.Listen)
	case err != nil:
		return nil, "", failure{exitUsage, err}
	}
	if config == nil {
		return listener, "http://" + reachable(listener.Addr()), nil
	}
	return tls.NewListener(listener, config), "https://" + reachable(listener.Addr()), nil
}

// reachable is an address that this machine can dial, for one that means all interfaces.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return a.String()
}

// certificate is read again once it changed, since certificates live shorter than servers.
type certificate struct {
	cert, key string

	mu   sync.Mutex
	read time.Time
	pair *tls.Certificate
}

// certificateAge is how long a certificate is used before its files are read again.
const certificateAge = time.Minute

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pair != nil && time.Since(c.read) < certificateAge {
		return c.pair, nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil && c.pair == nil {
		return nil, fmt.Errorf("%s: %w", c.cert, err)
	}
	c.read = time.Now()
	if err == nil { // Half-written files leave the old pair in use.
		c.pair = &pair
	}
	return c.pair, nil
}

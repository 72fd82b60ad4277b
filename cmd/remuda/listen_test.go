package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pemPair writes a certificate for this machine and its key.
func pemPair(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(cert, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return cert, key, pool
}

func TestBeyondThisMachineAServerWantsTLS(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0"} {
		_, _, err := listenSettings{Listen: address}.listen(t.Context())
		var failed failure
		if !errors.As(err, &failed) || failed.code != exitUsage || !strings.Contains(err.Error(), "--tls-cert") {
			t.Errorf("%s: got %v", address, err)
		}
	}
	for _, said := range []listenSettings{{Listen: "127.0.0.1:0"}, {Listen: "localhost:0"}, {Listen: "0.0.0.0:0", Insecure: true}} {
		listener, url, err := said.listen(t.Context())
		if err != nil {
			t.Errorf("%+v: %v", said, err)
			continue
		}
		if !strings.HasPrefix(url, "http://127.0.0.1:") {
			t.Errorf("%+v: clients would go to %s", said, url)
		}
		_ = listener.Close()
	}
}

func TestAServerWithACertificateSpeaksTLS(t *testing.T) {
	cert, key, pool := pemPair(t)
	listener, url, err := listenSettings{Listen: "127.0.0.1:0", TLSCert: cert, TLSKey: key}.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if !strings.HasPrefix(url, "https://127.0.0.1:") {
		t.Errorf("clients would go to %s", url)
	}
	shaken := make(chan error, 1)
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			defer connection.Close()
			err = connection.(*tls.Conn).HandshakeContext(t.Context())
		}
		shaken <- err
	}()
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: pool}}
	connection, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := <-shaken; err != nil {
		t.Error(err)
	}
}

func TestACertificateThatCannotBeReadStopsTheStart(t *testing.T) {
	cert, _, _ := pemPair(t)
	_, other, _ := pemPair(t)
	for _, said := range []listenSettings{
		{Listen: "127.0.0.1:0", TLSCert: cert}, {Listen: "127.0.0.1:0", TLSKey: other},
		{Listen: "127.0.0.1:0", TLSCert: cert, TLSKey: other}, {Listen: "127.0.0.1:0", TLSCert: "nowhere", TLSKey: "nowhere"},
	} {
		if _, _, err := said.listen(t.Context()); err == nil {
			t.Errorf("%+v: it started", said)
		}
	}
}

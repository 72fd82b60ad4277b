package seal_test

import (
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda/internal/seal"
)

func TestAPoolsRunnerOpensWhatIsSealedToItInEachFormOfPrivateKey(t *testing.T) {
	key := rsaKey(t, 2048)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := publicPEM(t, &key.PublicKey)
	sealed, err := seal.ToRSA(public, []byte("a secret"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{pemOf("PRIVATE KEY", pkcs8), pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))} {
		read, err := seal.ParseRSAKey(text)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := read.Open(sealed + "\n")
		if err != nil || string(plain) != "a secret" {
			t.Errorf("it opens as %q (%v)", plain, err)
		}
		if !read.Opens(public) || read.Opens(publicPEM(t, &rsaKey(t, 2048).PublicKey)) || read.Opens(nil) {
			t.Error("it takes another's public key for its own, or its own for another's")
		}
	}
}

func TestWhatWasNotSealedToAPoolIsNotOpened(t *testing.T) {
	key, err := seal.ParseRSAKey(pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey(t, 2048))))
	if err != nil {
		t.Fatal(err)
	}
	other, err := seal.ToRSA(publicPEM(t, &rsaKey(t, 2048).PublicKey), []byte("a secret"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing": "", "no base64": "§", "too short": "aGVsbG8=", "another's": other,
		"random": base64.StdEncoding.EncodeToString(make([]byte, 400)),
	} {
		if plain, err := key.Open(text); err == nil || strings.Contains(err.Error(), "a secret") {
			t.Errorf("%s opens as %q (%v)", name, plain, err)
		}
	}
	// One bit that differs, in each part.
	mine := rsaKey(t, 2048)
	sealed, err := seal.ToRSA(publicPEM(t, &mine.PublicKey), []byte("a secret"))
	if err != nil {
		t.Fatal(err)
	}
	key, err = seal.ParseRSAKey(pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(mine)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 256, 259, 262, 275, len(raw) - 1} {
		broken := append([]byte(nil), raw...)
		broken[at] ^= 1
		if plain, err := key.Open(base64.StdEncoding.EncodeToString(broken)); err == nil {
			t.Errorf("with byte %d changed it opens as %q", at, plain)
		}
	}
}

func TestAPrivateKeyThatCannotServeAPoolIsRefused(t *testing.T) {
	small := x509.MarshalPKCS1PrivateKey(rsaKey(t, 1024))
	for want, text := range map[string][]byte{
		"not PEM":       []byte("hello"),
		"2048":          pemOf("RSA PRIVATE KEY", small),
		"no private":    pemOf("PRIVATE KEY", []byte("hello")),
		"not a private": publicPEM(t, &rsaKey(t, 2048).PublicKey),
	} {
		if _, err := seal.ParseRSAKey(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want a complaint about %q, got %v", want, err)
		}
	}
}

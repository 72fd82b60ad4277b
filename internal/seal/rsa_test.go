package seal_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the format has it
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda/internal/seal"
)

// openRSA opens as the vendor's runner does.
func openRSA(t *testing.T, key *rsa.PrivateKey, text string) (string, error) {
	t.Helper()
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	size := key.Size()
	once, err := rsa.DecryptOAEP(sha1.New(), nil, key, sealed[:size], nil) //nolint:gosec // as above
	if err != nil {
		return "", err
	}
	if len(once) != 16 {
		t.Errorf("the key has %d bytes, want 16", len(once))
	}
	length := binary.BigEndian.Uint32(sealed[size:])
	if length != 12 {
		t.Fatalf("the nonce has %d bytes, want 12", length)
	}
	nonce, rest := sealed[size+4:size+16], sealed[size+16:]
	block, err := aes.NewCipher(once)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, nonce, rest, nil)
	return string(plain), err
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func publicPEM(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PUBLIC KEY", der)
}

func certificateOf(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pool"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("CERTIFICATE", der)
}

func TestTheVendorsRunnerOpensWhatIsSealedToItsPoolInEachFormOfKey(t *testing.T) {
	key := rsaKey(t, 2048)
	for name, public := range map[string][]byte{
		"certificate": certificateOf(t, key),
		"public key":  publicPEM(t, &key.PublicKey),
		"PKCS #1":     pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&key.PublicKey)),
	} {
		t.Run(name, func(t *testing.T) {
			if !seal.IsPEM(public) {
				t.Error("it is not taken for PEM")
			}
			if err := seal.CheckPEM(public); err != nil {
				t.Fatal(err)
			}
			long := strings.Repeat("gehéim ", 10_000) // longer than RSA alone could seal
			for _, plain := range []string{"", "hunter2", long} {
				sealed, err := seal.ToRSA(public, []byte(plain))
				if err != nil {
					t.Fatal(err)
				}
				if got, err := openRSA(t, key, sealed); err != nil || got != plain {
					t.Errorf("opened %d bytes, %v; want the %d that were sealed", len(got), err, len(plain))
				}
				if again, err := seal.ToRSA(public, []byte(plain)); err != nil || again == sealed {
					t.Errorf("sealed twice, it is the same, or %v", err)
				}
			}
		})
	}
}

func TestNobodyElseOpensWhatIsSealedToAPool(t *testing.T) {
	key, other := rsaKey(t, 2048), rsaKey(t, 2048)
	sealed, err := seal.ToRSA(publicPEM(t, &key.PublicKey), []byte("hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openRSA(t, other, sealed); err == nil {
		t.Error("it opens with another key")
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	if _, err := openRSA(t, key, base64.StdEncoding.EncodeToString(raw)); err == nil {
		t.Error("it opens after a bit was turned")
	}
}

func TestAKeyThatIsNotForSealingToAPoolIsRefused(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	good := rsaKey(t, 2048)
	for name, public := range map[string][]byte{
		"nothing":         nil,
		"no PEM":          []byte("hunter2"),
		"short":           publicPEM(t, &rsaKey(t, 1024).PublicKey),
		"another kind":    publicPEM(t, &curve.PublicKey),
		"private":         pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(good)),
		"broken":          pemOf("PUBLIC KEY", []byte("hunter2")),
		"two":             append(publicPEM(t, &good.PublicKey), publicPEM(t, &good.PublicKey)...),
		"an X25519 key's": make([]byte, 32),
	} {
		t.Run(name, func(t *testing.T) {
			if err := seal.CheckPEM(public); err == nil {
				t.Error("CheckPEM = nil")
			}
			if _, err := seal.ToRSA(public, []byte("x")); err == nil {
				t.Error("ToRSA = nil error")
			}
		})
	}
}

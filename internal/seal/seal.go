// Package seal closes messages so that only the holder of one private key can read them: what a claim carries that
// nobody but its runner may know. HPKE (RFC 9180) in base mode with X25519, HKDF-SHA256 and AES-256-GCM.
package seal

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"fmt"
)

// Key is a runner's private key.
type Key struct{ private *ecdh.PrivateKey }

// NewKey makes a fresh one.
func NewKey() (*Key, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a sealing key: %w", err)
	}
	return &Key{private}, nil
}

// ParseKey reads what Bytes gave: 32 bytes.
func ParseKey(private []byte) (*Key, error) {
	key, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("read sealing key: %w", err)
	}
	return &Key{key}, nil
}

// Bytes is the private key, 32 bytes: keep it where only its owner reads.
func (k *Key) Bytes() []byte { return k.private.Bytes() }

// Public is what others seal to, 32 bytes.
func (k *Key) Public() []byte { return k.private.PublicKey().Bytes() }

// Open reads what To sealed to this key for the same info.
func (k *Key) Open(info, sealed []byte) ([]byte, error) {
	private, err := hpke.NewDHKEMPrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("open sealed message: %w", err)
	}
	plain, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.AES256GCM(), info, sealed)
	if err != nil {
		return nil, fmt.Errorf("open sealed message: %w", err)
	}
	return plain, nil
}

// CheckPublic says whether public is a key that To can seal to.
func CheckPublic(public []byte) error {
	if _, err := ecdh.X25519().NewPublicKey(public); err != nil {
		return fmt.Errorf("read public key: %w", err)
	}
	return nil
}

// To seals plain to a public key. info binds it to its purpose: Open with another one is refused.
func To(public, info, plain []byte) ([]byte, error) {
	key, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	recipient, err := hpke.NewDHKEMPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("seal message: %w", err)
	}
	sealed, err := hpke.Seal(recipient, hpke.HKDFSHA256(), hpke.AES256GCM(), info, plain)
	if err != nil {
		return nil, fmt.Errorf("seal message: %w", err)
	}
	return sealed, nil
}

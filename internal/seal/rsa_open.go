package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the format's OAEP has it, where nothing depends on collisions
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
)

// RSAKey opens what ToRSA sealed.
type RSAKey struct{ private *rsa.PrivateKey }

// ParseRSAKey reads a private key in PEM, as PKCS #8 or PKCS #1. Its errors quote nothing of it.
func ParseRSAKey(text []byte) (*RSAKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is not PEM")
	}
	var found any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		found, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		found, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("it is a %s, not a private key without a password", block.Type)
	}
	key, is := found.(*rsa.PrivateKey)
	switch {
	case err != nil:
		return nil, errors.New("it is no private key that can be read")
	case !is:
		return nil, errors.New("it is not an RSA key")
	case key.N.BitLen() < shortestRSA:
		return nil, fmt.Errorf("it has %d bits, and needs %d or more", key.N.BitLen(), shortestRSA)
	}
	return &RSAKey{key}, nil
}

// Opens says whether this key opens what is sealed to public, a PEM certificate or public key.
func (k *RSAKey) Opens(public []byte) bool {
	key, err := parsePEM(public)
	return err == nil && key.Equal(k.private.Public())
}

// errNotSealed says no more of what it was given than that: it may be a secret.
var errNotSealed = errors.New("it is not sealed to this key")

// Open opens what ToRSA made.
func (k *RSAKey) Open(text string) ([]byte, error) {
	sealed, err := base64.StdEncoding.AppendDecode(nil, bytes.TrimSpace([]byte(text)))
	size := k.private.Size()
	if err != nil || len(sealed) < size+4 {
		return nil, errNotSealed
	}
	once, err := rsa.DecryptOAEP(sha1.New(), nil, k.private, sealed[:size], nil) //nolint:gosec // as above
	if err != nil || len(once) != rsaKeySize {
		return nil, errNotSealed
	}
	rest := sealed[size+4:]
	if length := binary.BigEndian.Uint32(sealed[size:]); length != nonceSize || len(rest) < nonceSize {
		return nil, errNotSealed
	}
	block, err := aes.NewCipher(once)
	if err != nil {
		return nil, errNotSealed
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, errNotSealed
	}
	plain, err := gcm.Open(nil, rest[:nonceSize], rest[nonceSize:], nil)
	if err != nil {
		return nil, errNotSealed
	}
	return plain, nil
}

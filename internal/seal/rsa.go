package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the format's OAEP has it, where nothing depends on collisions
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
)

// The form in which meshStack's runners open what is sealed to their pool: the base64 of a random AES-128 key, closed
// by RSA-OAEP with SHA-1; the nonce's length as four bytes, the greatest first; the nonce; what AES-GCM made of the text.
const (
	shortestRSA = 2048 // bits; shorter keys can be broken
	rsaKeySize  = 16
	nonceSize   = 12
)

// IsPEM tells a key for ToRSA from one for To.
func IsPEM(public []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(public), []byte("-----BEGIN "))
}

// CheckPEM says whether public is one that ToRSA can seal to: a PEM certificate or public key, RSA of 2048 bits or more.
func CheckPEM(public []byte) error {
	_, err := parsePEM(public)
	return err
}

func parsePEM(public []byte) (*rsa.PublicKey, error) {
	block, rest := pem.Decode(public)
	if block == nil {
		return nil, errors.New("it is not PEM")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("something follows the first PEM block")
	}
	var found any
	var err error
	switch block.Type {
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			found = certificate.PublicKey
		}
	case "PUBLIC KEY":
		found, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		found, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("it is a %s, not a certificate or a public key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", block.Type, err)
	}
	key, is := found.(*rsa.PublicKey)
	if !is {
		return nil, errors.New("it is not an RSA key")
	}
	if key.N.BitLen() < shortestRSA {
		return nil, fmt.Errorf("it has %d bits, and needs %d or more", key.N.BitLen(), shortestRSA)
	}
	return key, nil
}

// ToRSA seals plain to a PEM certificate or public key.
func ToRSA(public, plain []byte) (string, error) {
	key, err := parsePEM(public)
	if err != nil {
		return "", fmt.Errorf("read public key: %w", err)
	}
	once, nonce := make([]byte, rsaKeySize), make([]byte, nonceSize)
	if _, err := rand.Read(once); err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("make a nonce: %w", err)
	}
	sealed, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, key, once, nil) //nolint:gosec // as above
	if err != nil {
		return "", fmt.Errorf("seal a key: %w", err)
	}
	block, err := aes.NewCipher(once)
	if err != nil {
		return "", fmt.Errorf("seal message: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return "", fmt.Errorf("seal message: %w", err)
	}
	sealed = binary.BigEndian.AppendUint32(sealed, nonceSize)
	sealed = append(sealed, nonce...)
	return base64.StdEncoding.EncodeToString(gcm.Seal(sealed, nonce, plain, nil)), nil
}

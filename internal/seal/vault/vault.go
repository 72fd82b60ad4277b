// Package vault encrypts what lies at rest, each value bound to its place, and signs; with keys from one file that
// never enters the store or its backups. It stands apart from package seal since runners need only that.
package vault

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Vault holds the keys of one installation.
type Vault struct {
	aead tink.AEAD
	mac  []byte
}

// file is the key file: a Tink keyset for encryption, and a secret of 32 bytes for signing.
type file struct {
	Encryption json.RawMessage `json:"encryption"`
	Signing    string          `json:"signing"`
}

// Open reads the key file, and makes it, for its owner's eyes only, when it is not there.
func Open(path string) (*Vault, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = generate(); err == nil {
			err = write(path, text)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open key file: %w", err)
	}
	vault, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read key file %s: %w", path, err)
	}
	return vault, nil
}

func generate() ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	var encryption bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&encryption)); err != nil {
		return nil, err
	}
	signing := make([]byte, 32)
	if _, err := rand.Read(signing); err != nil {
		return nil, err
	}
	return json.Marshal(file{Encryption: encryption.Bytes(), Signing: hex.EncodeToString(signing)})
}

// write makes the file appear whole or not at all, and never over another one: a lost key cannot be made again.
func write(path string, text []byte) error {
	draft, err := os.CreateTemp(filepath.Dir(path), ".key-*") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	_, err = draft.Write(text)
	if err == nil {
		err = draft.Sync()
	}
	if closed := draft.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Link(draft.Name(), path)
	}
	return err
}

// Parse reads what lies in a key file. Its errors do not quote it.
func Parse(text []byte) (*Vault, error) {
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, errors.New("it is not a key file") // the cause would quote the key
	}
	signing, err := hex.DecodeString(f.Signing)
	if err != nil || len(signing) != 32 {
		return nil, errors.New("its signing key is not 64 hexadecimal digits")
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(f.Encryption)))
	if err != nil {
		return nil, errors.New("its encryption keyset cannot be read")
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("use encryption keyset: %w", err)
	}
	return &Vault{aead: primitive, mac: signing}, nil
}

// Encrypt closes plain for one place, such as "jobs/<id>/secrets": moved elsewhere, it does not open.
func (v *Vault) Encrypt(plain []byte, place string) ([]byte, error) {
	sealed, err := v.aead.Encrypt(plain, []byte(place))
	if err != nil {
		return nil, fmt.Errorf("encrypt %s: %w", place, err)
	}
	return sealed, nil
}

// Decrypt opens what Encrypt closed for the same place.
func (v *Vault) Decrypt(sealed []byte, place string) ([]byte, error) {
	plain, err := v.aead.Decrypt(sealed, []byte(place))
	if err != nil {
		return nil, fmt.Errorf("decrypt %s: %w", place, err)
	}
	return plain, nil
}

// MAC is HMAC-SHA256 of message, with a key of its own for each purpose.
func (v *Vault) MAC(purpose, message string) []byte {
	key := hmac.New(sha256.New, v.mac)
	key.Write([]byte(purpose))
	mac := hmac.New(sha256.New, key.Sum(nil))
	mac.Write([]byte(message))
	return mac.Sum(nil)
}

// ID tells the keys of one installation from those of another, and nothing else of them.
func (v *Vault) ID() string { return hex.EncodeToString(v.MAC("id", "")[:8]) }

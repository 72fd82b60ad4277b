package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age"

	"github.com/remuda-dev/remuda"
)

// KeyPart is what an installation has beside its tables: without it no secret can be read.
type KeyPart struct {
	Key        []byte `json:"key"`                   // the key file
	AdminToken string `json:"admin_token,omitempty"` // empty when there is none
}

// Seal closes the key's part for those who may open it.
func (k KeyPart) Seal(to ...age.Recipient) ([]byte, error) {
	var closed bytes.Buffer
	writer, err := age.Encrypt(&closed, to...)
	if err == nil {
		err = json.NewEncoder(writer).Encode(k)
	}
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("close the key: %w", err)
	}
	return closed.Bytes(), nil
}

// OpenKeyPart opens it. A passphrase or an identity that it was not closed for is a remuda.Error of kind Forbidden.
func OpenKeyPart(closed []byte, with ...age.Identity) (part KeyPart, err error) {
	reader, err := age.Decrypt(bytes.NewReader(closed), with...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return part, &remuda.Error{Kind: remuda.Forbidden, Detail: "the passphrase or identity does not open the backup's key"}
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(reader)
	}
	if err == nil {
		err = json.Unmarshal(text, &part)
	}
	if err != nil {
		return KeyPart{}, damaged("is damaged at its key", nil) // the cause could quote the key
	}
	return part, nil
}

// Passphrase closes and opens with words that somebody remembers.
func Passphrase(words string) (age.Recipient, age.Identity, error) {
	to, err := age.NewScryptRecipient(words)
	if err != nil {
		return nil, nil, fmt.Errorf("use the passphrase: %w", err)
	}
	with, err := age.NewScryptIdentity(words)
	if err != nil {
		return nil, nil, fmt.Errorf("use the passphrase: %w", err)
	}
	return to, with, nil
}

// Recipients are the public keys, such as age1…, in a file or in the words themselves.
func Recipients(words []string) ([]age.Recipient, error) {
	var all []age.Recipient
	for _, word := range words {
		found, err := age.ParseRecipients(bytes.NewReader([]byte(word)))
		if err != nil {
			return nil, fmt.Errorf("%q is no public key of age: expected age1…, as age-keygen prints it", word)
		}
		all = append(all, found...)
	}
	return all, nil
}

// Identities reads a file of secret keys, as age-keygen writes it.
func Identities(path string) ([]age.Identity, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	found, err := age.ParseIdentities(file)
	if err != nil {
		return nil, fmt.Errorf("%s holds no secret key of age, as age-keygen writes it", path) // the cause could quote it
	}
	return found, nil
}

package vault_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/remuda-dev/remuda/internal/seal/vault"
)

func open(t *testing.T, path string) *vault.Vault {
	t.Helper()
	v, err := vault.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAValueOpensWithTheSameFileAtItsPlaceOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	sealed, err := open(t, path).Encrypt([]byte("hunter2"), "jobs/1/secrets")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("hunter2")) {
		t.Fatal("the value lies open")
	}
	again := open(t, path)
	if plain, err := again.Decrypt(sealed, "jobs/1/secrets"); err != nil || string(plain) != "hunter2" {
		t.Errorf("decrypt after a restart = %q, %v", plain, err)
	}
	if _, err := again.Decrypt(sealed, "jobs/2/secrets"); err == nil {
		t.Error("it opens at another place")
	}
	if _, err := open(t, filepath.Join(t.TempDir(), "key")).Decrypt(sealed, "jobs/1/secrets"); err == nil {
		t.Error("it opens with another installation's key")
	}
}

func TestASignatureIsTheSameAfterARestartAndAnotherForEachPurpose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	mac := open(t, path).MAC("task token", "claim")
	if !bytes.Equal(mac, open(t, path).MAC("task token", "claim")) {
		t.Error("it changed with a restart")
	}
	if bytes.Equal(mac, open(t, path).MAC("submission", "claim")) {
		t.Error("one purpose's signature serves another")
	}
}

func TestTheKeyFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	open(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %o, want 600", info.Mode().Perm())
	}
}

func TestADamagedKeyFileIsRefusedWithoutBeingQuoted(t *testing.T) {
	for _, text := range []string{"", "{}", `{"signing":"topsecret"}`, "topsecret"} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := vault.Open(path)
		if err == nil {
			t.Errorf("Open(%q) = nil error", text)
		} else if bytes.Contains([]byte(err.Error()), []byte("topsecret")) {
			t.Errorf("the error quotes the file: %v", err)
		}
	}
}

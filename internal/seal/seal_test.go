package seal_test

import (
	"bytes"
	"testing"

	"github.com/remuda-dev/remuda/internal/seal"
)

func TestOnlyTheKeysHolderOpensAMessageAndOnlyForItsPurpose(t *testing.T) {
	key, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal.To(key.Public(), []byte("claim-1"), []byte("hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("hunter2")) {
		t.Fatal("the sealed message shows what it holds")
	}

	again, err := seal.ParseKey(key.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Open([]byte("claim-1"), sealed); err != nil || string(plain) != "hunter2" {
		t.Errorf("open with a key read back = %q, %v", plain, err)
	}
	if _, err := key.Open([]byte("claim-2"), sealed); err == nil {
		t.Error("it opens for another claim")
	}
	other, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Open([]byte("claim-1"), sealed); err == nil {
		t.Error("it opens with another key")
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := key.Open([]byte("claim-1"), sealed); err == nil {
		t.Error("it opens after a bit was turned")
	}
}

func TestAWrongPublicKeyIsRefused(t *testing.T) {
	for _, public := range [][]byte{nil, []byte("short"), bytes.Repeat([]byte{1}, 33)} {
		if err := seal.CheckPublic(public); err == nil {
			t.Errorf("CheckPublic(%d bytes) = nil", len(public))
		}
		if _, err := seal.To(public, nil, nil); err == nil {
			t.Errorf("To(%d bytes) = nil error", len(public))
		}
	}
}

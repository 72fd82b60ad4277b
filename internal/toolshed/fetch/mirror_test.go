package fetch_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/ProtonMail/gopenpgp/v2/crypto"
	"github.com/opentofu/tofudl"

	"github.com/remuda-dev/remuda/internal/toolshed"
)

// vendor signs programs and serves them as both vendors do.
type vendor struct {
	*httptest.Server
	key *crypto.Key
	pub string

	mu       sync.Mutex
	asked    map[string]int // by path
	truncate int            // so many archives break on their way
	terra    map[string][]byte
}

func newVendor(t *testing.T) *vendor {
	t.Helper()
	key, err := crypto.GenerateKey("A vendor", "vendor@example.com", "x25519", 0)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := key.GetArmoredPublicKey()
	if err != nil {
		t.Fatal(err)
	}
	v := &vendor{key: key, pub: pub, asked: map[string]int{}, terra: map[string][]byte{}}
	storage, err := tofudl.NewFilesystemStorage(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mirror, err := tofudl.NewMirror(tofudl.MirrorConfig{GPGKey: pub}, storage, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []tofudl.Version{"1.9.9", "1.10.0"} {
		builder, err := tofudl.NewReleaseBuilder(key)
		if err != nil {
			t.Fatal(err)
		}
		binary := []byte("#!/bin/sh\necho tofu " + version + "\n")
		if err := builder.PackageBinary(tofudl.PlatformAuto, tofudl.ArchitectureAuto, binary, nil); err != nil {
			t.Fatal(err)
		}
		if err := builder.Build(context.Background(), version, mirror); err != nil {
			t.Fatal(err)
		}
	}
	v.release(t, "1.5.5")
	v.Server = httptest.NewServer(v.handler(mirror))
	t.Cleanup(v.Close)
	return v
}

// release makes a release of Terraform.
func (v *vendor) release(t *testing.T, version string) {
	t.Helper()
	var archive bytes.Buffer
	packed := zip.NewWriter(&archive)
	file, err := packed.Create("terraform")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write([]byte("#!/bin/sh\necho terraform " + version + "\n"))
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	stem := "terraform_" + version
	name := fmt.Sprintf("%s_%s_%s.zip", stem, runtime.GOOS, runtime.GOARCH)
	sums := fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(archive.Bytes()), name)
	ring, err := crypto.NewKeyRing(v.key)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := ring.SignDetached(crypto.NewPlainMessage(sums))
	if err != nil {
		t.Fatal(err)
	}
	below := "/terraform/" + version + "/"
	index, err := json.Marshal(map[string]any{
		"name": "terraform", "version": version,
		"shasums": stem + "_SHA256SUMS", "shasums_signature": stem + "_SHA256SUMS.sig",
		"builds": []map[string]string{{
			"name": "terraform", "version": version, "os": runtime.GOOS, "arch": runtime.GOARCH,
			"filename": name, "url": "https://releases.example.com" + below + name,
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	v.terra[below+"index.json"] = index
	v.terra[below+stem+"_SHA256SUMS"] = sums
	v.terra[below+stem+"_SHA256SUMS.sig"] = signature.GetBinary()
	v.terra[below+name] = archive.Bytes()
}

// handler counts, and breaks what is to be broken.
func (v *vendor) handler(mirror http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		isArchive := strings.HasSuffix(r.URL.Path, ".tar.gz") || strings.HasSuffix(r.URL.Path, ".zip")
		v.mu.Lock()
		v.asked[path.Base(r.URL.Path)]++
		broken := isArchive && v.truncate > 0
		if broken {
			v.truncate--
		}
		v.mu.Unlock()
		switch data, found := v.terra[r.URL.Path]; {
		case broken:
			w.Header().Set("Content-Type", "application/zip")
			_, _ = w.Write([]byte("half an archi"))
		case found && isArchive:
			w.Header().Set("Content-Type", "application/zip")
			_, _ = w.Write(data)
		case found:
			w.Header().Set("Content-Type", "application/vnd+hashicorp.releases-api.v0+json")
			if path.Ext(r.URL.Path) == ".json" {
				w.Header().Set("Content-Type", "application/json")
			}
			_, _ = w.Write(data)
		case strings.HasPrefix(r.URL.Path, "/terraform/"):
			http.NotFound(w, r)
		default:
			mirror.ServeHTTP(w, r)
		}
	})
}

// archives is how many archives were asked for.
func (v *vendor) archives() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	count := 0
	for name, times := range v.asked {
		if strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".zip") {
			count += times
		}
	}
	return count
}

func (v *vendor) sources() toolshed.Sources {
	source := toolshed.Source{Mirror: v.URL, Key: v.pub}
	return toolshed.Sources{OpenTofu: source, Terraform: source}
}

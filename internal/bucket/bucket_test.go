package bucket_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/bucket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// opened opens a bucket for as long as the test runs.
func opened(t *testing.T, address string) *bucket.Bucket {
	t.Helper()
	b, err := bucket.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func inFolder(t *testing.T) (*bucket.Bucket, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a folder", "ü")
	address, err := bucket.FolderAddress(dir)
	if err != nil {
		t.Fatal(err)
	}
	return opened(t, address), dir
}

// holdsObjects is what every bucket does.
func holdsObjects(t *testing.T, b *bucket.Bucket) {
	ctx := t.Context()
	put := func(name, data string) {
		t.Helper()
		if err := b.Put(ctx, name, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string, offset, size int64, want string) {
		t.Helper()
		if got, err := b.Read(ctx, name, offset, size); err != nil || string(got) != want {
			t.Errorf("%d bytes of %s from %d are %q, %v; want %q", size, name, offset, got, err, want)
		}
	}
	absent := func(name string) {
		t.Helper()
		if _, err := b.Read(ctx, name, 0, 1); !errors.Is(err, remuda.NotFound) {
			t.Errorf("reading %s answers %v", name, err)
		}
	}
	put("one/1", "hello world")
	put("one/2", "two")
	put("one-more/1", "stays")
	read("one/1", 0, 11, "hello world")
	read("one/1", 6, 5, "world")
	read("one/1", 3, 2, "lo")
	if _, err := b.Read(ctx, "one/1", 6, 50); err == nil {
		t.Error("more than an object holds can be read")
	}
	absent("one/3")
	put("one/1", "again")
	read("one/1", 0, 5, "again")
	for range 2 {
		if err := b.Delete(ctx, "one/1"); err != nil {
			t.Error(err)
		}
	}
	absent("one/1")
	for range 2 {
		if err := b.DeleteAll(ctx, "one"); err != nil {
			t.Error(err)
		}
	}
	absent("one/2")
	read("one-more/1", 0, 5, "stays")
	for _, whole := range []string{"", "/", "..", "a/.."} {
		if err := b.DeleteAll(ctx, whole); !errors.Is(err, remuda.Invalid) {
			t.Errorf("deleting all of %q answers %v", whole, err)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := b.Put(ended, "one/late", []byte("late")); err == nil {
		t.Error("an object is kept for a caller that is gone")
	}
	absent("one/late")
}

func TestAFolderHoldsObjects(t *testing.T) {
	b, _ := inFolder(t)
	holdsObjects(t, b)
}

func TestAFolderIsItsOwnersAlone(t *testing.T) {
	b, dir := inFolder(t)
	if err := b.Put(t.Context(), "one/1", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "one")} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
	}
}

func TestNothingIsLeftOfADeletedFolder(t *testing.T) {
	b, dir := inFolder(t)
	if err := b.Put(t.Context(), "one/1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	// What a process that was killed while it wrote leaves behind.
	if err := os.WriteFile(filepath.Join(dir, "one", "2.123.tmp"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteAll(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestAFolderThatWasDeletedComesBack(t *testing.T) {
	b, dir := inFolder(t)
	for range 2 {
		if err := b.Put(t.Context(), "one/1", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnAddressThatCannotBeMeantIsRefused(t *testing.T) {
	for address, want := range map[string]string{
		"":                               "begins with",
		"/var/lib/output":                "begins with",
		"gs://bucket":                    "begins with",
		"file://output":                  "three slashes",
		"file:///":                       "three slashes",
		"file:///srv/output?metadata=x":  "three slashes",
		"s3://name/path":                 "prefix",
		"s3://AKIA:hidden@name":          "AWS_ACCESS_KEY_ID",
		"s3://name?region=x&unknown=one": "unknown",
		"s3://name?\x00":                 "cannot be read",
	} {
		b, err := bucket.Open(t.Context(), address)
		if err == nil {
			_ = b.Close()
		}
		if !errors.Is(err, remuda.Invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is refused with %v, want words of %q", address, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hidden") {
			t.Errorf("the refusal of %q tells the password: %v", address, err)
		}
	}
}

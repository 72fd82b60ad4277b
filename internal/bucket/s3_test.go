package bucket_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/s3test"
)

func TestS3HoldsObjects(t *testing.T) {
	server := s3test.Start(t)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	holdsObjects(t, opened(t, server.Address))
}

func TestAPartOfABucketIsApart(t *testing.T) {
	server := s3test.Start(t)
	whole, some := opened(t, server.Address), opened(t, server.Address+"&prefix=here/and/there")
	holdsObjects(t, some)
	if _, err := whole.Read(t.Context(), "here/and/there/one-more/1", 0, 5); err != nil {
		t.Error(err)
	}
	if _, err := whole.Read(t.Context(), "one-more/1", 0, 5); !errors.Is(err, remuda.NotFound) {
		t.Errorf("outside of its prefix, reading answers %v", err)
	}
}

func TestS3ThatIsAwayIsNoAbsence(t *testing.T) {
	server := s3test.Start(t)
	b := opened(t, server.Address)
	if err := b.Put(t.Context(), "one/1", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	server.Stop(t)
	for what, do := range map[string]func() error{
		"put":    func() error { return b.Put(t.Context(), "one/2", []byte("x")) },
		"read":   func() error { _, err := b.Read(t.Context(), "one/1", 0, 1); return err },
		"delete": func() error { return b.Delete(t.Context(), "one/1") },
		"all":    func() error { return b.DeleteAll(t.Context(), "one") },
	} {
		began := time.Now()
		if err := do(); err == nil || errors.Is(err, remuda.NotFound) || strings.Contains(err.Error(), "test-secret") {
			t.Errorf("%s answers %v", what, err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s took %s", what, took)
		}
	}
	server.Start(t)
	if data, err := b.Read(t.Context(), "one/1", 0, 4); err != nil || string(data) != "kept" {
		t.Errorf("when it is back, there are %q, %v", data, err)
	}
}

package store_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/postgrestest"
	"github.com/remuda-dev/remuda/internal/store"
)

// noted is a log that says when it is written to.
type noted chan string

func (n noted) Write(line []byte) (int, error) {
	select {
	case n <- string(line):
	default:
	}
	return len(line), nil
}

func TestADatabaseThatIsStartingIsAwaited(t *testing.T) {
	server := postgrestest.Start(t)
	address := server.Fresh(t)
	server.Crash(t)
	said := make(noted, 1)
	awaited := make(chan error, 1)
	go func() {
		awaited <- store.Await(t.Context(), address, time.Hour, slog.New(slog.NewTextHandler(said, nil)))
	}()
	if line := <-said; !strings.Contains(line, "not ready") {
		t.Errorf("it says %q", line)
	}
	server.Again(t)
	if err := <-awaited; err != nil {
		t.Error(err)
	}
}

func TestADatabaseThatDoesNotComeIsGivenUp(t *testing.T) {
	err := store.Await(t.Context(), "postgres://nobody@127.0.0.1:1/none?sslmode=disable", 0, slog.New(slog.DiscardHandler))
	if !errors.Is(err, remuda.Unavailable) {
		t.Errorf("answered %v", err)
	}
}

func TestADatabaseThatIsNotThereIsNotAwaited(t *testing.T) {
	address := strings.Replace(postgrestest.Fresh(t), "?", "-absent?", 1)
	err := store.Await(t.Context(), address, time.Hour, slog.New(slog.DiscardHandler))
	if !errors.Is(err, remuda.Unavailable) || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("%s answered %v", address, err)
	}
}

func TestADataFolderIsReady(t *testing.T) {
	if err := store.Await(t.Context(), t.TempDir(), time.Hour, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

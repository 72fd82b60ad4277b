package store_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/store"
)

// file opens one of a data folder's files beside the store.
func file(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestSQLiteHasNoCorruptionThatIsKnown(t *testing.T) {
	var version string
	if err := file(t, ":memory:").QueryRowContext(t.Context(), "select sqlite_version()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	if store.OlderVersion(version, "3.51.3") {
		t.Errorf("SQLite %s is older than 3.51.3, whose write-ahead log may lose what was written", version)
	}
	for _, c := range []struct {
		version, than string
		older         bool
	}{
		{"3.51.3", "3.51.3", false}, {"3.51.2", "3.51.3", true}, {"3.52.0", "3.51.3", false}, {"3.9.9", "3.51.3", true},
		{"4.0.0", "3.51.3", false}, {"2.99.99", "3.51.3", true}, {"", "3.51.3", true}, {"three", "3.51.3", true},
	} {
		if store.OlderVersion(c.version, c.than) != c.older {
			t.Errorf("%q is older than %s: want %v", c.version, c.than, c.older)
		}
	}
}

// refused opens a data folder that cannot be used, and answers what people are told.
func refused(t *testing.T, dir string, kind remuda.Kind) string {
	t.Helper()
	s, err := store.Open(t.Context(), dir)
	if err == nil {
		_ = s.Close()
		t.Fatal("it was opened")
	}
	wantKind(t, err, kind)
	var told *remuda.Error
	if !errors.As(err, &told) {
		t.Fatalf("nobody is told anything: %v", err)
	}
	return told.Detail
}

func TestADatabaseOfANewerVersionIsRefused(t *testing.T) {
	for _, name := range []string{"remuda.db", "output.db"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := store.Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name)
			db := file(t, path)
			if _, err := db.ExecContext(t.Context(), "insert into goose_db_version (version_id, is_applied) values (9999, 1)"); err != nil {
				t.Fatal(err)
			}
			_ = db.Close()
			told := refused(t, dir, remuda.Conflict)
			if !strings.Contains(told, path) || !strings.Contains(told, "newer version") || !strings.Contains(told, "9999") {
				t.Errorf("people are told: %s", told)
			}
		})
	}
}

func TestAFolderThatCannotBeWrittenIsRefused(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if told := refused(t, filepath.Join(blocked, "data"), remuda.Unavailable); !strings.Contains(told, "cannot be made") {
		t.Errorf("people are told: %s", told)
	}
	for _, name := range []string{"remuda.db", "output.db"} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if told := refused(t, dir, remuda.Unavailable); !strings.Contains(told, filepath.Join(dir, name)) {
			t.Errorf("people are told: %s", told)
		}
	}
}

func TestAFileThatIsNoDatabaseIsRefused(t *testing.T) {
	for _, name := range []string{"remuda.db", "output.db"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		precious := []byte(strings.Repeat("My diary. Keep out! ", 500))
		if err := os.WriteFile(path, precious, 0o600); err != nil {
			t.Fatal(err)
		}
		if told := refused(t, dir, remuda.Unavailable); !strings.Contains(told, path) {
			t.Errorf("people are told: %s", told)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != string(precious) {
			t.Errorf("the file was changed: %v", err)
		}
	}
}

func TestAnyFolderWillDo(t *testing.T) {
	names := []string{"with space", "50%25 of #1?mode=memory&x=y", "ünïcode", "a'b\"c"}
	if runtime.GOOS == "windows" {
		names = []string{"with space", "50%25 of #1", "ünïcode"}
	}
	for _, name := range names {
		dir := filepath.Join(t.TempDir(), name, "deeper")
		s, err := store.Open(t.Context(), dir)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		insert(t, s, &control.OrganizationRow{ID: "x", Name: "x"})
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, file := range []string{"remuda.db", "output.db"} {
			info, err := os.Stat(filepath.Join(dir, file))
			if err != nil {
				t.Errorf("%q: %v", name, err)
			} else if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("%s may be read by others: %s", file, info.Mode())
			}
		}
	}
}

// SQLite deletes a log when the last connection to its database ends, so one that is left tells of a connection, and of
// its open files, that nobody can end any more.
func TestAClosedFolderHasNoOpenFiles(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	insert(t, s, &control.OrganizationRow{ID: "x", Name: "x"})
	err = s.Read(t.Context(), func(v control.View) error {
		if err := v.Get(t.Context(), &control.OrganizationRow{}, "x"); err != nil {
			return err
		}
		return s.Read(t.Context(), func(v control.View) error { // on another connection
			_, err := v.Waiting(t.Context(), "")
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Output().Append(t.Context(), "attempt", remuda.Chunk{Data: []byte("x")}, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Output().Length(t.Context(), "attempt"); err != nil {
		t.Fatal(err)
	}
	logs := func() []string {
		found, err := filepath.Glob(filepath.Join(dir, "*-wal"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if n := len(logs()); n != 2 {
		t.Fatalf("%d logs are there before the end: this test does not see one", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left := logs(); len(left) > 0 {
		t.Errorf("still open after the end: %v", left)
	}
}

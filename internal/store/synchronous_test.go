package store

import "testing"

// A process that is killed loses nothing whatever this says; a machine that loses its power does.
func TestEveryCommitOfSQLiteWaitsForTheDisk(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for name, d := range map[string]*database{"tasks": s.main, "output": s.output} {
		const full = 2
		var level int
		err := d.write(t.Context(), func(q *query) error { return q.row(&level, "pragma synchronous") })
		if err != nil || level != full {
			t.Errorf("the writer of %s waits on level %d, not %d; %v", name, level, full, err)
		}
	}
}

package store_test

import (
	"path/filepath"
	"regexp"
	"testing"
)

// explained is how SQLite would carry out a query, one line for each step.
func explained(t *testing.T, dir, text string, args []any) (steps []string) {
	t.Helper()
	text = regexp.MustCompile(`\$(\d+)`).ReplaceAllString(text, "?$1")
	rows, err := file(t, filepath.Join(dir, "remuda.db")).QueryContext(t.Context(), "explain query plan "+text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

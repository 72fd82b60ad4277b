package store_test

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/store"
)

// planned is how SQLite finds the next task, one line for each step.
func planned(t *testing.T, dir string, classes ...string) string {
	t.Helper()
	texts, args := store.Asked(func(v control.View) { _, _ = v.Claimable(context.Background(), classes, []string{"job", "docker"}) })
	if len(texts) != 1 {
		t.Fatalf("a claim asks %d times", len(texts))
	}
	text := regexp.MustCompile(`\$(\d+)`).ReplaceAllString(texts[0], "?$1")
	rows, err := file(t, filepath.Join(dir, "remuda.db")).QueryContext(t.Context(), "explain query plan "+text, args[0]...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var steps []string
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
	return strings.Join(steps, "\n")
}

func TestAClaimInSQLiteWalksIndexesWhateverIsKnownOfTheTables(t *testing.T) {
	for name, c := range map[string]crowd{
		"little of everything": {queued: 1000, projects: 1},
		"many projects":        {queued: 2000, projects: 300},
		"many groups":          {queued: 2000, projects: 2, groups: 200},
		"much that has ended":  {queued: 1000, projects: 1, finished: 5000},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := databases()[0].opened(t, dir)
			w := c.gather(t, s)
			for _, known := range []string{"nothing", "all"} {
				if known == "all" {
					if _, err := file(t, filepath.Join(dir, "remuda.db")).ExecContext(t.Context(), "analyze"); err != nil {
						t.Fatal(err)
					}
				}
				wantWalk(t, known, planned(t, dir, w.class.ID))
			}
		})
	}
}

// wantWalk refuses a plan that reads or sorts more than the first that fits.
func wantWalk(t *testing.T, known, plan string) {
	t.Helper()
	for _, index := range []string{"lanes_next (class_id=?)", "lanes_side (main_id=?)", "tasks_queue (lane_id=?)"} {
		if !strings.Contains(plan, index) {
			t.Errorf("with %s known of the tables, %s is not used:\n%s", known, index, plan)
		}
	}
	for step := range strings.Lines(plan) {
		if strings.Contains(step, "BLOOM FILTER") || strings.Contains(step, "TEMP B-TREE") || regexp.MustCompile(`SCAN [flqst]\b`).MatchString(step) {
			t.Errorf("with %s known of the tables, more is read than is needed: %s", known, step)
		}
	}
}

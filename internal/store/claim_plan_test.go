//go:build !race

package store_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda/internal/store"
)

// planned is how SQLite finds the next tasks, one line for each step.
func planned(t *testing.T, dir string, most int, classes ...string) string {
	t.Helper()
	texts, args := store.ClaimTexts(false, "a lane", classes, []string{"job", "docker"}, most)
	var steps []string
	for i, text := range texts {
		steps = append(steps, explained(t, dir, text, args[i])...)
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
				for _, most := range []int{1, 64} {
					wantWalk(t, known, planned(t, dir, most, w.class.ID))
				}
			}
		})
	}
}

// wantWalk refuses a plan that reads or sorts more than the first that fits.
func wantWalk(t *testing.T, known, plan string) {
	t.Helper()
	for _, index := range []string{
		"lanes_next (class_id=?)", "lanes_side (main_id=?)", "tasks_queue (lane_id=?)",
		"lanes_kind (class_id=? AND (organization_id,capabilities,level)>(?,?,?))", "lanes_kind (class_id=? AND organization_id=? AND capabilities=?)",
	} {
		if !strings.Contains(plan, index) {
			t.Errorf("with %s known of the tables, %s is not used:\n%s", known, index, plan)
		}
	}
	for step := range strings.Lines(plan) {
		if strings.Contains(step, "BLOOM FILTER") || regexp.MustCompile(`SCAN (lanes|[flqst])\b`).MatchString(step) {
			t.Errorf("with %s known of the tables, more is read than is needed: %s", known, step)
		}
	}
	if n := strings.Count(plan, "TEMP B-TREE"); n > 1 { // of the best of each kind
		t.Errorf("with %s known of the tables, more is sorted than the best of each kind:\n%s", known, plan)
	}
}

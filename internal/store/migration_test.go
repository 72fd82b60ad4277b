package store_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda/internal/control"
)

// While planes are replaced one by one, those of the version before write into what the new one has migrated: what they
// name must stay, and what they do not name must have a default. The first migrations are of no release.
func TestAMigrationLeavesTheVersionBeforeItsColumns(t *testing.T) {
	paths, err := filepath.Glob("migration/postgres/*.sql")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d migrations are found, %v", len(paths), err)
	}
	takesAway := regexp.MustCompile(`(?i)\b(drop (table|column)|rename|alter column|set not null)\b`)
	added := regexp.MustCompile(`(?i)\badd column\s+\w+\s+([^,;]*)`)
	columns := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if found := takesAway.FindString(string(text)); found != "" {
			t.Errorf("%s has %q: the version before does not know", path, found)
		}
		for _, column := range added.FindAllStringSubmatch(string(text), -1) {
			columns++
			if upper := strings.ToUpper(column[1]); strings.Contains(upper, "NOT NULL") && !strings.Contains(upper, "DEFAULT") {
				t.Errorf("%s has a column without a default: %s", path, column[0])
			}
		}
	}
	if columns < 20 {
		t.Errorf("%d columns are looked at: this test sees little", columns)
	}
}

func TestJobsOfBeforeAreToldTheirGroups(t *testing.T) {
	text, err := os.ReadFile("migration/sqlite/0014_idle_lanes.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, update, found := strings.Cut(string(text), "UPDATE jobs")
	if !found {
		t.Fatal("nothing is told them")
	}
	dir := t.TempDir()
	s := databases()[0].opened(t, dir)
	w := newTown(t, s)
	other := control.JobRow{ID: newID(), OrganizationID: w.organization.ID, Implementation: "job", Payload: []byte("{}")}
	insert(t, s, &other)
	group := w.groupIn(t, w.project.ID, 7)
	w.queueIn(t, group, nil)
	w.queue(t, func(r *control.TaskRow) { r.JobID = other.ID })
	if _, err := file(t, filepath.Join(dir, "remuda.db")).ExecContext(t.Context(), "UPDATE jobs"+update); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]control.JobRow{w.job.ID: {ConcurrencyGroup: group.Name, ConcurrencyLimit: 7}, other.ID: {}} {
		row := read(t, s, func(v control.View) (row control.JobRow, err error) { return row, v.Get(t.Context(), &row, id) })
		if row.ConcurrencyGroup != want.ConcurrencyGroup || row.ConcurrencyLimit != want.ConcurrencyLimit {
			t.Errorf("job %s has the group %q of %d", id, row.ConcurrencyGroup, row.ConcurrencyLimit)
		}
	}
}

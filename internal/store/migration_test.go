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

// The lanes of before learn their organization, and which of them are closed.
func TestLanesOfBeforeAreToldWhatTheirProjectsAre(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			text, err := os.ReadFile("migration/" + d.name + "/0016_full_projects.sql")
			if err != nil {
				t.Fatal(err)
			}
			updates := regexp.MustCompile(`(?ms)^UPDATE lanes[^;]*;`).FindAllString(string(text), -1)
			if len(updates) == 0 {
				t.Fatal("nothing is told them")
			}
			address := d.fresh(t)
			s := d.opened(t, address)
			w := newTown(t, s)
			full := w.projectIn(t, func(p *control.ProjectRow) { p.TaskLimit = 1 })
			group := w.groupIn(t, full.ID, 1)
			closed := map[string]bool{w.queue(t, nil).LaneID: false}
			for range 2 {
				closed[w.queue(t, func(r *control.TaskRow) { r.ProjectID = full.ID }).LaneID] = true
			}
			if len(w.taken(t, w.class.ID)) != 2 {
				t.Fatal("no project is full: this test sees nothing")
			}
			lane := read(t, s, func(v control.View) (control.TaskView, error) {
				return v.TaskView(t.Context(), w.queueIn(t, group, nil))
			}).LaneID
			closed[lane] = false
			d.run(t, address, append([]string{"update lanes set organization_id = '', closed = false where group_id = ''"}, updates...)...)
			for id, expected := range closed {
				row := read(t, s, func(v control.View) (row control.LaneRow, err error) { return row, v.Get(t.Context(), &row, id) })
				if row.Closed != expected || row.OrganizationID != w.organization.ID {
					t.Errorf("closed is to be %v: %+v", expected, row)
				}
			}
		})
	}
}

// run carries out statements beside the store.
func (d database) run(t *testing.T, address string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		var err error
		if d.name == "postgres" {
			_, err = connected(t, address).Exec(t.Context(), text)
		} else {
			_, err = file(t, filepath.Join(address, "remuda.db")).ExecContext(t.Context(), text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

package store_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func listFacts() []fact {
	return []fact{
		{"a list comes in pages, the newest first, each row once", listsComeInPages},
		{"an organization is listed with its namespace", organizationsHaveNamespaces},
		{"classes are listed for those who may use them", classesAreListed},
		{"a class counts its queue and its connected runners", classesCount},
		{"tokens are listed by kind, class and organization", tokensAreListed},
		{"runners are listed by class, owner and last sign", runnersAreListed},
		{"events are listed in the order in which they were written", eventsAreListed},
	}
}

// ids are those of rows, in their order.
func ids[R any](rows []R, id func(R) string) []string {
	found := make([]string, 0, len(rows))
	for _, row := range rows {
		found = append(found, id(row))
	}
	return found
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), append([]string{}, got...)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

const many = 1000

func listsComeInPages(t *testing.T, s control.Store) {
	w := newTown(t, s)
	all := []string{w.project.ID}
	for range 6 {
		all = append(all, w.projectIn(t, func(*control.ProjectRow) {}).ID)
	}
	slices.Reverse(all)
	for _, limit := range []int{1, 2, 3, 7, many} {
		var paged []string
		for span := (control.Span{Limit: limit}); ; {
			rows := read(t, s, func(v control.View) ([]control.ProjectRow, error) {
				return v.Projects(t.Context(), w.organization.ID, span)
			})
			if len(rows) > limit {
				t.Fatalf("%d rows in a page of %d", len(rows), limit)
			}
			if len(rows) == 0 {
				break
			}
			paged = append(paged, ids(rows, func(r control.ProjectRow) string { return r.ID })...)
			span.After = rows[len(rows)-1].ID
		}
		want(t, "projects in pages", paged, all...)
	}
}

func organizationsHaveNamespaces(t *testing.T, s control.Store) {
	ctx, w := t.Context(), newTown(t, s)
	bare := control.OrganizationRow{ID: newID(), Name: newID()}
	insert(t, s, &bare)
	with := read(t, s, func(v control.View) ([]control.OrganizationView, error) {
		return v.Organizations(ctx, w.organization.ID, control.Span{Limit: many})
	})
	without := read(t, s, func(v control.View) ([]control.OrganizationView, error) {
		return v.Organizations(ctx, "", control.Span{Limit: 1})
	})
	if len(with) != 1 || with[0].Namespace != w.namespace.Name || len(without) != 1 || without[0].OrganizationRow != bare || without[0].Namespace != "" {
		t.Errorf("organizations are %+v and %+v", with, without)
	}
	spaces := read(t, s, func(v control.View) ([]control.NamespaceView, error) {
		return v.Namespaces(ctx, w.organization.ID, control.Span{Limit: many})
	})
	if len(spaces) != 1 || spaces[0].NamespaceRow != w.namespace || spaces[0].Organization != w.organization.Name {
		t.Errorf("namespaces are %+v", spaces)
	}
	byName := read(t, s, func(v control.View) (control.NamespaceRow, error) { return v.NamespaceByName(ctx, w.namespace.Name) })
	owner := read(t, s, func(v control.View) (control.OrganizationRow, error) {
		return v.OrganizationByName(ctx, w.organization.Name)
	})
	project := read(t, s, func(v control.View) (control.ProjectRow, error) {
		return v.ProjectByName(ctx, w.organization.ID, w.project.Name)
	})
	if byName != w.namespace || owner != w.organization || project != w.project {
		t.Errorf("by name are %+v, %+v, %+v", byName, owner, project)
	}
}

func classesAreListed(t *testing.T, s control.Store) {
	ctx, w, guest, stranger := t.Context(), newTown(t, s), newTown(t, s), newTown(t, s)
	some, hosted := w.classIn(t), w.classIn(t)
	some.Access, hosted.Access = remuda.AccessSome, remuda.AccessAll
	write(t, s, func(tx control.Tx) error {
		if err := tx.Update(ctx, &some, "access"); err != nil {
			return err
		}
		if err := tx.Update(ctx, &hosted, "access"); err != nil {
			return err
		}
		if err := tx.ReplaceClassAccess(ctx, some.ID, []string{stranger.organization.ID}); err != nil {
			return err
		}
		return tx.ReplaceClassAccess(ctx, some.ID, []string{guest.organization.ID, w.organization.ID, guest.organization.ID})
	})
	list := func(q control.ClassQuery) []string {
		q.Limit = many
		rows := read(t, s, func(v control.View) ([]control.ClassView, error) { return v.Classes(ctx, q) })
		return ids(rows, func(c control.ClassView) string { return c.ID })
	}
	own := control.ClassQuery{Namespace: w.namespace.Name}
	want(t, "of a namespace", list(own), hosted.ID, some.ID, w.class.ID)
	want(t, "of an organization", list(control.ClassQuery{Organization: w.organization.Name}), hosted.ID, some.ID, w.class.ID)
	own.VisibleTo = w.organization.ID
	want(t, "for the owner", list(own), hosted.ID, some.ID, w.class.ID)
	own.VisibleTo = guest.organization.ID
	want(t, "for a guest", list(own), hosted.ID, some.ID)
	own.VisibleTo = stranger.organization.ID
	want(t, "for a stranger", list(own), hosted.ID)
	allowed := read(t, s, func(v control.View) ([]control.OrganizationRow, error) { return v.ClassAccess(ctx, some.ID) })
	got := ids(allowed, func(o control.OrganizationRow) string { return o.ID })
	slices.Sort(got)
	want(t, "who may use it", got, slices.Sorted(slices.Values([]string{w.organization.ID, guest.organization.ID}))...)
}

func classesCount(t *testing.T, s control.Store) {
	ctx, w := t.Context(), newTown(t, s)
	token := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &w.class.ID}
	silent, gone := newRunner(), newRunner()
	w.runner.SilentAt, silent.SilentAt, gone.SilentAt, gone.GoneAt = control.Now()+60e6, control.Now()-1, control.Now()+60e6, 1
	insert(t, s, &token, &silent, &gone)
	write(t, s, func(tx control.Tx) error { return tx.Update(ctx, &w.runner, "silent_at") })
	for _, runner := range []string{w.runner.ID, silent.ID, gone.ID} {
		insert(t, s, &control.RunnerClassRow{RunnerID: runner, ClassID: w.class.ID, TokenID: token.ID})
	}
	for range 3 {
		w.queue(t, nil)
	}
	full := w.namespace.Name + "/" + w.class.Name
	counted := read(t, s, func(v control.View) (control.ClassView, error) { return v.CountedClass(ctx, w.class.ID) })
	listed := read(t, s, func(v control.View) ([]control.ClassView, error) {
		return v.Classes(ctx, control.ClassQuery{Namespace: w.namespace.Name, Span: control.Span{Limit: 5}})
	})
	if len(listed) != 1 || listed[0] != counted || counted.Queued != 3 || counted.Runners != 1 {
		t.Errorf("counted %+v, listed %+v", counted, listed)
	}
	byName := read(t, s, func(v control.View) (control.ClassView, error) { return v.ClassByName(ctx, full) })
	byID := read(t, s, func(v control.View) (control.ClassView, error) { return v.ClassView(ctx, w.class.ID) })
	byID.Queued, byID.Runners = counted.Queued, counted.Runners
	if byID != counted {
		t.Errorf("by id %+v, counted %+v", byID, counted)
	}
	byName.Queued, byName.Runners = counted.Queued, counted.Runners
	if byName != byID || byID.FullName != full || byID.Queued != 3 || byID.Runners != 1 || byID.OrganizationID != w.organization.ID ||
		byID.Organization != w.organization.Name {
		t.Errorf("by name %+v, by id %+v", byName, byID)
	}
}

func tokensAreListed(t *testing.T, s control.Store) {
	ctx, w, other := t.Context(), newTown(t, s), newTown(t, s)
	class := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &w.class.ID}
	organization := control.TokenRow{ID: newID(), Kind: remuda.OrganizationToken, Hash: []byte(newID()), OrganizationID: &w.organization.ID}
	admin := control.TokenRow{ID: newID(), Kind: remuda.AdminToken, Hash: []byte(newID())}
	foreign := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &other.class.ID}
	insert(t, s, &class, &organization, &admin, &foreign)
	list := func(q control.TokenQuery) []string {
		q.Limit = many
		rows := read(t, s, func(v control.View) ([]control.TokenView, error) { return v.Tokens(ctx, q) })
		return ids(rows, func(r control.TokenView) string { return r.ID })
	}
	want(t, "of an organization and its classes", list(control.TokenQuery{Organization: w.organization.ID}), organization.ID, class.ID)
	want(t, "of a class", list(control.TokenQuery{ClassID: w.class.ID}), class.ID)
	want(t, "of a kind", list(control.TokenQuery{Kind: remuda.ClassToken, Organization: w.organization.ID}), class.ID)
	if !slices.Contains(list(control.TokenQuery{Kind: remuda.AdminToken}), admin.ID) {
		t.Error("the admin token is not listed")
	}
	found := read(t, s, func(v control.View) (control.TokenView, error) { return v.TokenByHash(ctx, class.Hash) })
	if found.ID != class.ID || found.Class != w.namespace.Name+"/linux" || found.Organization != w.organization.Name {
		t.Errorf("by hash is %+v", found)
	}
}

func runnersAreListed(t *testing.T, s control.Store) {
	ctx, w, other := t.Context(), newTown(t, s), newTown(t, s)
	second := w.classIn(t)
	token := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &w.class.ID}
	both, old, gone := newRunner(), newRunner(), newRunner()
	both.LastSeenAt, old.LastSeenAt, gone.LastSeenAt, gone.GoneAt = 100, 50, 100, 90
	insert(t, s, &token, &both, &old, &gone)
	for _, pair := range [][2]string{
		{both.ID, w.class.ID}, {both.ID, second.ID}, {both.ID, other.class.ID}, {old.ID, w.class.ID}, {gone.ID, w.class.ID}, {other.runner.ID, other.class.ID},
	} {
		insert(t, s, &control.RunnerClassRow{RunnerID: pair[0], ClassID: pair[1], TokenID: token.ID})
	}
	list := func(q control.RunnerQuery) []string {
		q.Limit = many
		rows := read(t, s, func(v control.View) ([]control.RunnerView, error) { return v.Runners(ctx, q) })
		return ids(rows, func(r control.RunnerView) string { return r.ID })
	}
	want(t, "of a class", list(control.RunnerQuery{ClassID: w.class.ID}), gone.ID, old.ID, both.ID)
	want(t, "of an owner", list(control.RunnerQuery{Organization: w.organization.ID}), gone.ID, old.ID, both.ID)
	want(t, "of another owner", list(control.RunnerQuery{Organization: other.organization.ID}), both.ID, other.runner.ID)
	want(t, "seen since", list(control.RunnerQuery{ClassID: w.class.ID, Since: 60}), both.ID)
	want(t, "by id, for an owner", list(control.RunnerQuery{ID: old.ID, Organization: w.organization.ID}), old.ID)
	want(t, "by id, for a stranger", list(control.RunnerQuery{ID: old.ID, Organization: other.organization.ID}))

	task := w.queue(t, nil)
	insert(t, s, &control.AttemptRow{ID: newID(), TaskID: task.ID, Number: 1, RunnerID: both.ID, State: remuda.AttemptBegun},
		&control.AttemptRow{ID: newID(), TaskID: task.ID, Number: 2, RunnerID: both.ID, State: remuda.AttemptLost})
	shown := read(t, s, func(v control.View) ([]control.RunnerView, error) {
		return v.Runners(ctx, control.RunnerQuery{ID: both.ID, Span: control.Span{Limit: 1}})
	})
	if len(shown) != 1 || shown[0].Busy != 1 || len(shown[0].Classes) == 0 {
		t.Errorf("shown is %+v", shown)
	}
	classes := read(t, s, func(v control.View) ([]string, error) { return v.RunnerClasses(ctx, both.ID) })
	want(t, "its classes", classes, slices.Sorted(slices.Values([]string{w.class.ID, second.ID, other.class.ID}))...)
	owners := read(t, s, func(v control.View) ([]string, error) { return v.RunnerOwners(ctx, both.ID) })
	want(t, "their owners", owners, slices.Sorted(slices.Values([]string{w.organization.ID, other.organization.ID}))...)
	byToken := read(t, s, func(v control.View) (control.RunnerRow, error) { return v.RunnerByTokenHash(ctx, both.TokenHash) })
	if byToken.ID != both.ID {
		t.Errorf("by token is %+v", byToken)
	}
}

func eventsAreListed(t *testing.T, s control.Store) {
	ctx, w := t.Context(), newTown(t, s)
	before := lastEvent(t, s)
	subject := newID()
	for _, e := range []control.EventRow{
		{Type: "task.queued", OrganizationID: w.organization.ID, Subject: subject, Actor: "a", Detail: "d", At: 7},
		{Type: "task.running", OrganizationID: w.organization.ID, Subject: newID()},
		{Type: "token.created", Subject: subject},
	} {
		insert(t, s, &e)
	}
	list := func(organization string, f control.EventFilter) (types []string) {
		f.After, f.Limit = max(f.After, before), max(f.Limit, 1)
		rows := read(t, s, func(v control.View) ([]control.EventView, error) { return v.Events(ctx, f, organization) })
		last := f.After
		for _, row := range rows {
			if row.ID <= last {
				t.Errorf("event %d comes after %d", row.ID, last)
			}
			last = row.ID
			types = append(types, row.Type)
		}
		return types
	}
	every := control.EventFilter{Limit: many}
	want(t, "all", list("", every), "task.queued", "task.running", "token.created")
	want(t, "of an organization", list(w.organization.ID, every), "task.queued", "task.running")
	want(t, "of a subject", list("", control.EventFilter{Limit: many, Subject: subject}), "task.queued", "token.created")
	want(t, "of a type", list("", control.EventFilter{Limit: many, Type: "task.running"}), "task.running")
	want(t, "of types", list("", control.EventFilter{Limit: many, Type: "task.*"}), "task.queued", "task.running")
	want(t, "of all types", list("", control.EventFilter{Limit: many, Type: "*"}), "task.queued", "task.running", "token.created")
	want(t, "at most two", list("", control.EventFilter{Limit: 2}), "task.queued", "task.running")
	last := lastEvent(t, s)
	want(t, "after the last but one", list("", control.EventFilter{After: last - 1, Limit: many}), "token.created")
	whole := read(t, s, func(v control.View) ([]control.EventView, error) {
		return v.Events(ctx, control.EventFilter{After: before, Limit: 1}, "")
	})
	if len(whole) == 0 || whole[0].ID <= before {
		t.Fatalf("after %d come %+v", before, whole)
	}
	row := control.EventRow{ID: whole[0].ID, Type: "task.queued", OrganizationID: w.organization.ID, Subject: subject, Actor: "a", Detail: "d", At: 7}
	if diff := cmp.Diff([]control.EventView{{EventRow: row, Organization: w.organization.Name}}, whole); diff != "" {
		t.Error(diff)
	}
}

// lastEvent is the newest event that is shown.
func lastEvent(t testing.TB, s control.Store) int64 {
	t.Helper()
	return read(t, s, func(v control.View) (int64, error) {
		id, _, err := v.LastEvent(t.Context())
		return id, err
	})
}

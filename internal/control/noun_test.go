package control_test

import (
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestNamesAreSafeInAddresses(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	for name, good := range map[string]bool{
		"a": true, "a-b": true, "0": true, strings.Repeat("a", 63): true,
		"": false, "-a": false, "a-": false, "A": false, "a_b": false, "a.b": false, "a/b": false, "ä": false, "a b": false, "a\n": false,
		strings.Repeat("a", 64): false,
	} {
		_, organization := r.admin.CreateOrganization(ctx, remuda.Organization{Name: name})
		if good {
			done(t, organization)
			got(r.admin.ClaimNamespace(ctx, name, name))(t)
			continue
		}
		wantKind(t, organization, remuda.Invalid)
		_, namespace := r.admin.ClaimNamespace(ctx, "acme", name)
		wantKind(t, namespace, remuda.Invalid)
	}
	_, err := r.admin.CreateOrganization(ctx, remuda.Organization{Name: "acme"})
	wantKind(t, err, remuda.Conflict)
	_, err = r.admin.CreateOrganization(ctx, remuda.Organization{Name: "negative", TaskLimit: -1})
	wantKind(t, err, remuda.Invalid)
	_, err = r.admin.ChangeOrganization(ctx, "acme", control.OrganizationChange{TaskLimit: pointer(-1)})
	wantKind(t, err, remuda.Invalid)
}

func TestANamespaceIsUniqueAndAnOrganizationHasOne(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	must(t, r.admin.CreateOrganization, ctx, remuda.Organization{Name: "beta"})
	owner := r.userOf("beta", remuda.RoleAdmin)
	_, err := owner.ClaimNamespace(ctx, "beta", "acme")
	wantKind(t, err, remuda.Conflict)
	claimed := got(owner.ClaimNamespace(ctx, "beta", "beta"))(t)
	same(t, "claimed", "beta beta", claimed.Name+" "+claimed.Organization)
	_, err = owner.ClaimNamespace(ctx, "beta", "second")
	wantKind(t, err, remuda.Conflict)
	if !strings.Contains(err.Error(), "beta already") {
		t.Errorf("it is told: %v", err)
	}
	same(t, "the organization's", "beta", must(t, owner.Organization, ctx, "beta").Namespace)
	done(t, owner.DeleteNamespace(ctx, "beta"))
	wantKind(t, second(owner.Namespace(ctx, "beta")), remuda.NotFound)
	got(owner.ClaimNamespace(ctx, "beta", "second"))(t)
}

func TestTheSuggestedNamespaceIsTheNameOnTheVCSOrItsOwn(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	for _, c := range []struct{ name, vcs, want string }{
		{"one", "One-Corp", "one-corp"},
		{"two", "", "two"},
		{"three", "Not_A_Name", "three"},
		{"four", "ACME", "four"}, // acme is taken
	} {
		must(t, r.admin.CreateOrganization, ctx, remuda.Organization{Name: c.name, VCSName: c.vcs})
		same(t, "suggested for "+c.vcs, c.want, must(t, r.admin.SuggestNamespace, ctx, c.name))
	}
	must(t, r.admin.CreateOrganization, ctx, remuda.Organization{Name: "five", VCSName: "acme"})
	must(t, r.admin.CreateOrganization, ctx, remuda.Organization{Name: "thief"})
	got(r.admin.ClaimNamespace(ctx, "thief", "five"))(t)
	_, err := r.admin.SuggestNamespace(ctx, "five")
	wantKind(t, err, remuda.NotFound)
	_, err = r.admin.SuggestNamespace(ctx, "thief") // it has one
	wantKind(t, err, remuda.Conflict)
}

func TestATransferTakesTheClassesAlongAndIsAudited(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	must(t, r.admin.CreateOrganization, ctx, remuda.Organization{Name: "beta"})
	r.settle("gamma")
	old, fresh := r.user(remuda.RoleAdmin), r.userOf("beta", remuda.RoleAdmin)
	last := r.lastEvent()
	_, err := r.admin.TransferNamespace(ctx, "acme", "gamma")
	wantKind(t, err, remuda.Conflict) // gamma has one
	_, err = r.admin.TransferNamespace(ctx, "acme", "nobody")
	wantKind(t, err, remuda.NotFound)
	_, err = r.admin.TransferNamespace(ctx, "nothing", "beta")
	wantKind(t, err, remuda.NotFound)
	same(t, "after refusals", []string(nil), r.events(control.EventFilter{After: last}))
	same(t, "owner", "beta", got(r.admin.TransferNamespace(ctx, "acme", "beta"))(t).Organization)
	got(r.admin.TransferNamespace(ctx, "acme", "beta"))(t) // again, there is nothing to do
	same(t, "events", []string{"namespace.transferred acme root", "namespace.transferred acme root"}, r.events(control.EventFilter{After: last, Type: "namespace.*"}))
	for _, organization := range []string{"acme", "beta"} {
		same(t, "audit of "+organization, []string{"namespace.transferred acme root"},
			r.events(control.EventFilter{After: last, Type: "namespace.*", Organization: organization}))
	}
	wantKind(t, second(old.ResourceClass(ctx, "acme/linux")), remuda.NotFound)
	same(t, "its class's owner", "beta", must(t, fresh.ResourceClass, ctx, "acme/linux").Organization)
	got(old.ClaimNamespace(ctx, "acme", "free-again"))(t)
}

func TestARenameRenamesTheClassesAndIsAudited(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	r.settle("other")
	task, last := r.submit(hello()), r.lastEvent()
	_, err := r.admin.RenameNamespace(ctx, "acme", "other")
	wantKind(t, err, remuda.Conflict)
	_, err = r.admin.RenameNamespace(ctx, "acme", "No")
	wantKind(t, err, remuda.Invalid)
	_, err = r.admin.RenameNamespace(ctx, "nothing", "new")
	wantKind(t, err, remuda.NotFound)
	same(t, "renamed", "corp", got(r.admin.RenameNamespace(ctx, "acme", "corp"))(t).Name)
	same(t, "events", []string{"namespace.renamed corp root"}, r.events(control.EventFilter{After: last, Organization: "acme"}))
	same(t, "the task's class", "corp/linux", r.task(task).ResourceClass)
	wantKind(t, second(r.admin.Namespace(ctx, "acme")), remuda.NotFound)
	h := r.register(1) // its token is the class's, whatever it is called
	same(t, "the claim's class", "corp/linux", r.claim(h).Task.ResourceClass)
}

func TestAnOrganizationIsDeletedWhenNothingHangsOnIt(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	err := r.admin.DeleteOrganization(ctx, "acme")
	wantKind(t, err, remuda.Conflict)
	must(t, r.admin.CreateOrganization, ctx, remuda.Organization{Name: "guest"})
	got(r.admin.ChangeResourceClass(ctx, "acme/linux", control.ResourceClassChange{
		Access: pointer(remuda.AccessSome), Organizations: &[]string{"guest"},
	}))(t)
	token := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "n", Organization: "guest", Role: remuda.RoleMember})
	got(r.admin.Submit(ctx, with(func(s *remuda.Submission) { s.Organization = "guest" }), ""))(t)
	wantKind(t, r.admin.DeleteOrganization(ctx, "guest"), remuda.Conflict) // its tasks are its history
	must(t, r.admin.CreateOrganization, ctx, remuda.Organization{Name: "empty"})
	must(t, r.admin.CreateProject, ctx, remuda.Project{Organization: "empty", Name: "p"})
	gone := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "n", Organization: "empty", Role: remuda.RoleAdmin})
	done(t, r.admin.DeleteOrganization(ctx, "empty"))
	must(t, r.plane.Authenticate, ctx, token.Token)
	wantKind(t, second(r.plane.Authenticate(ctx, gone.Token)), remuda.Unauthenticated)
}

func TestAProjectIsMadeByItsFirstSubmission(t *testing.T) {
	r := newRanch(t)
	ctx, member := t.Context(), r.user(remuda.RoleMember)
	for range 2 {
		got(member.Submit(ctx, with(func(s *remuda.Submission) { s.Project = "web/front.end" }), ""))(t)
	}
	project := got(member.Project(ctx, "acme", "web/front.end"))(t)
	if project.Visibility != "private" || project.BuildsForks || project.Weight != 1 || project.TaskLimit != 0 || project.Organization != "acme" {
		t.Errorf("it is %+v", project)
	}
	same(t, "events", []string{"project.created web/front.end u-member"}, r.events(control.EventFilter{Type: "project.*"}))
	got(member.Submit(ctx, hello(), ""))(t)
	got(member.Project(ctx, "acme", "default"))(t)
	_, err := member.Submit(ctx, with(func(s *remuda.Submission) { s.Project = "../etc" }), "")
	wantKind(t, err, remuda.Invalid)
	wantKind(t, r.admin.DeleteProject(ctx, "acme", "default"), remuda.Conflict)
	wantKind(t, second(r.admin.CreateProject(ctx, remuda.Project{Organization: "acme", Name: "default"})), remuda.Conflict)
}

func TestAProjectsNumbersHaveBounds(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	must(t, r.admin.CreateProject, ctx, remuda.Project{Organization: "acme", Name: "p", Weight: 7, TaskLimit: 3, Visibility: "public", BuildsForks: true})
	before := got(r.admin.Project(ctx, "acme", "p"))(t)
	if before.Weight != 7 || before.TaskLimit != 3 || before.Visibility != "public" || !before.BuildsForks {
		t.Errorf("it is %+v", before)
	}
	for _, change := range []control.ProjectChange{
		{Weight: pointer(0)}, {Weight: pointer(1001)}, {TaskLimit: pointer(-1)}, {Visibility: pointer("secret")},
	} {
		wantKind(t, second(r.admin.ChangeProject(ctx, "acme", "p", change)), remuda.Invalid)
	}
	same(t, "after refusals", before, got(r.admin.Project(ctx, "acme", "p"))(t))
	after := got(r.admin.ChangeProject(ctx, "acme", "p", control.ProjectChange{Weight: pointer(9)}))(t)
	before.Weight = 9
	same(t, "after the change", before, after)
}

func TestAClassServesItsOwnerSomeOrAll(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	for _, name := range []string{"guest", "stranger"} {
		must(t, r.admin.CreateOrganization, ctx, remuda.Organization{Name: name})
	}
	guest, stranger, owner := r.userOf("guest", remuda.RoleMember), r.userOf("stranger", remuda.RoleMember), r.user(remuda.RoleMember)
	admin := r.user(remuda.RoleAdmin)
	for _, c := range []struct {
		access          remuda.Access
		organizations   *[]string
		guest, stranger bool
	}{
		{remuda.AccessOwner, nil, false, false},
		{remuda.AccessSome, &[]string{"guest"}, true, false},
		{remuda.AccessAll, nil, true, true},
		{remuda.AccessSome, &[]string{}, false, false},
	} {
		got(r.admin.ChangeResourceClass(ctx, "acme/linux", control.ResourceClassChange{Access: &c.access, Organizations: c.organizations}))(t)
		for who, may := range map[*control.UserDoor]bool{&guest: c.guest, &stranger: c.stranger, &owner: true} {
			_, seen := who.ResourceClass(ctx, "acme/linux")
			_, submitted := who.Submit(ctx, hello(), "")
			if may && (seen != nil || submitted != nil) {
				t.Errorf("access %s: %v, %v", c.access, seen, submitted)
			}
			if !may {
				wantKind(t, seen, remuda.NotFound)
				wantKind(t, submitted, remuda.NotFound)
			}
		}
	}
	some := control.ResourceClassChange{Access: pointer(remuda.AccessSome), Organizations: &[]string{"guest"}}
	same(t, "listed", []string{"guest"}, got(admin.ChangeResourceClass(ctx, "acme/linux", some))(t).Organizations)
	some.Organizations = nil
	same(t, "said again without a list", []string{"guest"}, got(admin.ChangeResourceClass(ctx, "acme/linux", some))(t).Organizations)
	if seen := must(t, guest.ResourceClass, ctx, "acme/linux"); seen.Organizations != nil {
		t.Errorf("a guest is told who else is one: %v", seen.Organizations)
	}
	some.Organizations = &[]string{"nobody"}
	wantKind(t, second(admin.ChangeResourceClass(ctx, "acme/linux", some)), remuda.NotFound)
	owned := control.ResourceClassChange{Access: pointer(remuda.AccessOwner), Organizations: &[]string{"guest"}}
	wantKind(t, second(admin.ChangeResourceClass(ctx, "acme/linux", owned)), remuda.Invalid)
	same(t, "after refusals", []string{"guest"}, must(t, admin.ResourceClass, ctx, "acme/linux").Organizations)
	owned.Organizations = nil
	same(t, "for the owner", []string(nil), got(admin.ChangeResourceClass(ctx, "acme/linux", owned))(t).Organizations)
}

func TestAClassHasRulesOfForm(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	for _, class := range []remuda.ResourceClass{
		{Name: "acme/"}, {Name: "acme"}, {Name: "acme/UP"}, {Name: "acme/a/b"}, {Name: "acme/" + strings.Repeat("a", 65)}, {Name: "acme/-a"},
		{Name: "acme/x", Access: "most"}, {Name: "acme/x", TaskLimit: -1}, {Name: "acme/x", LostAfter: remuda.Duration(29e9)},
		{Name: "acme/x", LostAfter: remuda.Duration(8 * 24 * 3600e9)}, {Name: "acme/x", Organizations: []string{"acme"}},
	} {
		_, err := r.admin.CreateResourceClass(ctx, class)
		wantKind(t, err, remuda.Invalid)
	}
	wantKind(t, second(r.admin.CreateResourceClass(ctx, remuda.ResourceClass{Name: "nobody/x"})), remuda.NotFound)
	wantKind(t, second(r.admin.CreateResourceClass(ctx, remuda.ResourceClass{Name: "acme/linux"})), remuda.Conflict)
	made := must(t, r.admin.CreateResourceClass, ctx, remuda.ResourceClass{
		Name: "acme/big.one", Description: "d", TaskLimit: 4, AllowForks: true, LostAfter: remuda.Duration(60e9),
	})
	if made.Access != remuda.AccessOwner || made.Description != "d" || made.TaskLimit != 4 || !made.AllowForks || made.LostAfter.String() != "1m" {
		t.Errorf("it is %+v", made)
	}
}

func TestAClassIsDeletedByForceWithItsTokensAndNeverWithTasks(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	wantKind(t, r.admin.DeleteResourceClass(ctx, "acme/linux", false), remuda.Conflict)
	h := r.register(1)
	done(t, r.admin.DeleteResourceClass(ctx, "acme/linux", true))
	answer := must(t, h.Sync, ctx, remuda.Sync{Ready: true, Draining: true})
	if !answer.Drain || len(answer.Claims) != 0 {
		t.Errorf("a runner without a class is answered %+v", answer)
	}
	must(t, r.admin.CreateResourceClass, ctx, remuda.ResourceClass{Name: "acme/linux"})
	r.submit(hello())
	wantKind(t, r.admin.DeleteResourceClass(ctx, "acme/linux", true), remuda.Conflict)
}

func TestListsComeInPages(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	want := []string{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		must(t, r.admin.CreateProject, ctx, remuda.Project{Organization: "acme", Name: name})
		want = append([]string{name}, want...)
	}
	for _, limit := range []int{1, 2, 5, 6, 0} {
		var names []string
		for q := (control.PageQuery{Limit: limit}); ; {
			page := got(r.admin.Projects(ctx, "acme", q))(t)
			for _, project := range page.Items {
				names = append(names, project.Name)
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
			if len(page.Items) != limit {
				t.Fatalf("a page of %d has %d items", limit, len(page.Items))
			}
		}
		same(t, "projects in pages", want, names)
	}
}

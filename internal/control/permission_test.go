package control_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

const ok = remuda.Kind("ok")

// verb is one thing that people may do, and what becomes of it for whom.
type verb struct {
	name string
	do   func(context.Context, control.UserDoor, *stage) error

	viewer, member, admin remuda.Kind // of acme, whose things they are
	stranger              remuda.Kind // an admin of another organization
	instance              remuda.Kind
}

// stage is what a verb is done to; each time another.
type stage struct {
	r    *ranch
	n    int
	task string // a queued one of acme
	done string // one that has ended
	run  string // a runner of acme
}

func (s *stage) name() string { return fmt.Sprintf("x%d", s.n) }

// class makes one of acme.
func (s *stage) class(ctx context.Context) string {
	name := "acme/" + s.name()
	must(s.r.t, s.r.admin.CreateResourceClass, ctx, remuda.ResourceClass{Name: name})
	return name
}

func (s *stage) project(ctx context.Context) string {
	must(s.r.t, s.r.admin.CreateProject, ctx, remuda.Project{Organization: "acme", Name: s.name()})
	return s.name()
}

// bare makes an organization of nothing.
func (s *stage) bare(ctx context.Context) string {
	must(s.r.t, s.r.admin.CreateOrganization, ctx, remuda.Organization{Name: s.name()})
	return s.name()
}

func (s *stage) tokenOf(ctx context.Context, t remuda.Token) string {
	t.Nickname = "n"
	return must(s.r.t, s.r.admin.CreateToken, ctx, t).ID
}

// second drops the answer of a call.
func second[T any](_ T, err error) error { return err }

// The common rows of the matrix follow: what is invisible is not found, what is visible but not allowed is forbidden.
func sees(name string, do func(context.Context, control.UserDoor, *stage) error) verb {
	return verb{name, do, ok, ok, ok, remuda.NotFound, ok}
}

func memberMay(name string, do func(context.Context, control.UserDoor, *stage) error) verb {
	return verb{name, do, remuda.Forbidden, ok, ok, remuda.NotFound, ok}
}

func adminMay(name string, do func(context.Context, control.UserDoor, *stage) error) verb {
	return verb{name, do, remuda.Forbidden, remuda.Forbidden, ok, remuda.NotFound, ok}
}

func instanceMay(name string, do func(context.Context, control.UserDoor, *stage) error) verb {
	return verb{name, do, remuda.Forbidden, remuda.Forbidden, remuda.Forbidden, remuda.Forbidden, ok}
}

func everyoneMay(name string, do func(context.Context, control.UserDoor, *stage) error) verb {
	return verb{name, do, ok, ok, ok, ok, ok}
}

type door = control.UserDoor

func verbs() []verb {
	all := append(organizationVerbs(), classVerbs()...)
	return append(append(all, tokenVerbs()...), taskVerbs()...)
}

func organizationVerbs() []verb {
	return []verb{
		everyoneMay("list organizations", func(ctx context.Context, d door, _ *stage) error {
			return second(d.Organizations(ctx, control.PageQuery{}))
		}),
		sees("show an organization", func(ctx context.Context, d door, _ *stage) error { return second(d.Organization(ctx, "acme")) }),
		sees("suggest a namespace", func(ctx context.Context, d door, _ *stage) error {
			err := second(d.SuggestNamespace(ctx, "acme"))
			if errors.Is(err, remuda.Conflict) {
				return nil // acme has one, which only who may see it is told
			}
			return err
		}),
		instanceMay("make an organization", func(ctx context.Context, d door, s *stage) error {
			return second(d.CreateOrganization(ctx, remuda.Organization{Name: s.name()}))
		}),
		adminMay("change an organization", func(ctx context.Context, d door, _ *stage) error {
			return second(d.ChangeOrganization(ctx, "acme", control.OrganizationChange{VCSName: pointer("Acme")}))
		}),
		instanceMay("limit an organization", func(ctx context.Context, d door, _ *stage) error {
			return second(d.ChangeOrganization(ctx, "acme", control.OrganizationChange{TaskLimit: pointer(0)}))
		}),
		instanceMay("delete an organization", func(ctx context.Context, d door, s *stage) error { return d.DeleteOrganization(ctx, s.bare(ctx)) }),
		everyoneMay("list namespaces", func(ctx context.Context, d door, _ *stage) error {
			return second(d.Namespaces(ctx, control.PageQuery{}))
		}),
		sees("show a namespace", func(ctx context.Context, d door, _ *stage) error { return second(d.Namespace(ctx, "acme")) }),
		{"claim a second namespace", func(ctx context.Context, d door, s *stage) error {
			return second(d.ClaimNamespace(ctx, "acme", s.name()))
		}, remuda.Forbidden, remuda.Forbidden, remuda.Conflict, remuda.NotFound, remuda.Conflict},
		{"delete a namespace with classes", func(ctx context.Context, d door, _ *stage) error { return d.DeleteNamespace(ctx, "acme") },
			remuda.Forbidden, remuda.Forbidden, remuda.Conflict, remuda.NotFound, remuda.Conflict},
		instanceMay("transfer a namespace", func(ctx context.Context, d door, _ *stage) error {
			return second(d.TransferNamespace(ctx, "acme", "acme"))
		}),
		instanceMay("rename a namespace", func(ctx context.Context, d door, _ *stage) error {
			return second(d.RenameNamespace(ctx, "acme", "acme"))
		}),
		sees("list projects", func(ctx context.Context, d door, _ *stage) error {
			return second(d.Projects(ctx, "acme", control.PageQuery{}))
		}),
		sees("show a project", func(ctx context.Context, d door, s *stage) error {
			return second(d.Project(ctx, "acme", s.project(ctx)))
		}),
		adminMay("make a project", func(ctx context.Context, d door, s *stage) error {
			return second(d.CreateProject(ctx, remuda.Project{Organization: "acme", Name: s.name()}))
		}),
		adminMay("change a project", func(ctx context.Context, d door, s *stage) error {
			return second(d.ChangeProject(ctx, "acme", s.project(ctx), control.ProjectChange{Weight: pointer(2)}))
		}),
		adminMay("delete a project", func(ctx context.Context, d door, s *stage) error { return d.DeleteProject(ctx, "acme", s.project(ctx)) }),
	}
}

func classVerbs() []verb {
	return []verb{
		everyoneMay("list classes", func(ctx context.Context, d door, _ *stage) error {
			return second(d.ResourceClasses(ctx, control.ResourceClassFilter{}, control.PageQuery{}))
		}),
		sees("show a class", func(ctx context.Context, d door, _ *stage) error { return second(d.ResourceClass(ctx, "acme/linux")) }),
		adminMay("make a class", func(ctx context.Context, d door, s *stage) error {
			return second(d.CreateResourceClass(ctx, remuda.ResourceClass{Name: "acme/" + s.name()}))
		}),
		{"make a hosted class", func(ctx context.Context, d door, s *stage) error {
			return second(d.CreateResourceClass(ctx, remuda.ResourceClass{Name: "acme/" + s.name(), Access: remuda.AccessAll}))
		}, remuda.Forbidden, remuda.Forbidden, remuda.Forbidden, remuda.NotFound, ok},
		adminMay("change a class", func(ctx context.Context, d door, s *stage) error {
			return second(d.ChangeResourceClass(ctx, s.class(ctx), control.ResourceClassChange{Description: pointer("d")}))
		}),
		{"open a class to all", func(ctx context.Context, d door, s *stage) error {
			return second(d.ChangeResourceClass(ctx, s.class(ctx), control.ResourceClassChange{Access: pointer(remuda.AccessAll)}))
		}, remuda.Forbidden, remuda.Forbidden, remuda.Forbidden, remuda.NotFound, ok},
		adminMay("delete a class", func(ctx context.Context, d door, s *stage) error {
			return d.DeleteResourceClass(ctx, s.class(ctx), false)
		}),
		everyoneMay("list runners", func(ctx context.Context, d door, _ *stage) error {
			return second(d.Runners(ctx, control.RunnerFilter{}, control.PageQuery{}))
		}),
		sees("list the runners of a class", func(ctx context.Context, d door, _ *stage) error {
			return second(d.Runners(ctx, control.RunnerFilter{ResourceClass: "acme/linux"}, control.PageQuery{}))
		}),
		sees("list the runners of an organization", func(ctx context.Context, d door, _ *stage) error {
			return second(d.Runners(ctx, control.RunnerFilter{Organization: "acme"}, control.PageQuery{}))
		}),
		sees("show a runner", func(ctx context.Context, d door, s *stage) error { return second(d.Runner(ctx, s.run)) }),
		adminMay("pause a runner", func(ctx context.Context, d door, s *stage) error { return second(d.PauseRunner(ctx, s.run, true)) }),
		adminMay("resume a runner", func(ctx context.Context, d door, s *stage) error { return second(d.PauseRunner(ctx, s.run, false)) }),
		adminMay("drain a runner", func(ctx context.Context, d door, s *stage) error { return second(d.DrainRunner(ctx, s.run)) }),
	}
}

func tokenVerbs() []verb {
	list := func(f control.TokenFilter) func(context.Context, control.UserDoor, *stage) error {
		return func(ctx context.Context, d door, _ *stage) error {
			return second(d.Tokens(ctx, f, control.PageQuery{}))
		}
	}
	return []verb{
		{"list tokens", list(control.TokenFilter{}), remuda.Forbidden, remuda.Forbidden, ok, ok, ok},
		adminMay("list the tokens of a class", list(control.TokenFilter{ResourceClass: "acme/linux"})),
		adminMay("list the tokens of an organization", list(control.TokenFilter{Organization: "acme"})),
		adminMay("make a class token", func(ctx context.Context, d door, _ *stage) error {
			return second(d.CreateToken(ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "n", ResourceClass: "acme/linux"}))
		}),
		adminMay("make an organization token", func(ctx context.Context, d door, _ *stage) error {
			return second(d.CreateToken(ctx, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "n", Organization: "acme", Role: remuda.RoleAdmin}))
		}),
		instanceMay("make an admin token", func(ctx context.Context, d door, _ *stage) error {
			return second(d.CreateToken(ctx, remuda.Token{Kind: remuda.AdminToken, Nickname: "n"}))
		}),
		adminMay("revoke a class token", func(ctx context.Context, d door, s *stage) error {
			return d.RevokeToken(ctx, s.tokenOf(ctx, remuda.Token{Kind: remuda.ClassToken, ResourceClass: "acme/linux"}))
		}),
		adminMay("revoke an organization token", func(ctx context.Context, d door, s *stage) error {
			return d.RevokeToken(ctx, s.tokenOf(ctx, remuda.Token{Kind: remuda.OrganizationToken, Organization: "acme", Role: remuda.RoleViewer}))
		}),
		{"revoke an admin token", func(ctx context.Context, d door, s *stage) error {
			return d.RevokeToken(ctx, s.tokenOf(ctx, remuda.Token{Kind: remuda.AdminToken}))
		}, remuda.NotFound, remuda.NotFound, remuda.NotFound, remuda.NotFound, ok},
	}
}

func taskVerbs() []verb {
	return []verb{
		memberMay("submit", func(ctx context.Context, d door, _ *stage) error {
			return second(d.Submit(ctx, with(func(s *remuda.Submission) { s.Organization = "acme" }), ""))
		}),
		everyoneMay("list tasks", func(ctx context.Context, d door, _ *stage) error {
			return second(d.Tasks(ctx, control.TaskFilter{}, control.PageQuery{}))
		}),
		sees("list the tasks of an organization", func(ctx context.Context, d door, _ *stage) error {
			return second(d.Tasks(ctx, control.TaskFilter{Organization: "acme"}, control.PageQuery{}))
		}),
		sees("list the tasks of a class", func(ctx context.Context, d door, _ *stage) error {
			return second(d.Tasks(ctx, control.TaskFilter{ResourceClass: "acme/linux"}, control.PageQuery{}))
		}),
		sees("show a task", func(ctx context.Context, d door, s *stage) error { return second(d.Task(ctx, s.task)) }),
		sees("ask why a task waits", func(ctx context.Context, d door, s *stage) error { return second(d.Why(ctx, s.task)) }),
		sees("read output", func(ctx context.Context, d door, s *stage) error {
			return second(d.Output(ctx, s.task, control.OutputQuery{}))
		}),
		sees("follow a task", func(ctx context.Context, d door, s *stage) error {
			return d.Follow(ctx, s.done, control.OutputQuery{}, func(control.Followed) error { return nil })
		}),
		memberMay("cancel a task", func(ctx context.Context, d door, s *stage) error {
			return second(d.CancelTask(ctx, s.r.submit(hello())))
		}),
		memberMay("retry a task", func(ctx context.Context, d door, s *stage) error { return second(d.RetryTask(ctx, s.done)) }),
		everyoneMay("list events", func(ctx context.Context, d door, _ *stage) error { return second(d.Events(ctx, control.EventFilter{})) }),
		sees("list the events of an organization", func(ctx context.Context, d door, _ *stage) error {
			return second(d.Events(ctx, control.EventFilter{Organization: "acme"}))
		}),
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	r := newRanch(t)
	r.settle("other")
	s := &stage{r: r, task: r.submit(hello()), done: r.submit(hello()), run: r.register(1).id}
	must(t, r.admin.CancelTask, t.Context(), s.done)
	doors := []struct {
		who  string
		door control.UserDoor
		want func(verb) remuda.Kind
	}{
		{"a viewer", r.user(remuda.RoleViewer), func(v verb) remuda.Kind { return v.viewer }},
		{"a member", r.user(remuda.RoleMember), func(v verb) remuda.Kind { return v.member }},
		{"an admin", r.user(remuda.RoleAdmin), func(v verb) remuda.Kind { return v.admin }},
		{"a stranger", r.userOf("other", remuda.RoleAdmin), func(v verb) remuda.Kind { return v.stranger }},
		{"the instance's admin", r.admin, func(v verb) remuda.Kind { return v.instance }},
	}
	for _, verb := range verbs() {
		t.Run(verb.name, func(t *testing.T) {
			for _, d := range doors {
				s.n++
				err := verb.do(t.Context(), d.door, s)
				kind := ok
				if err != nil {
					kind = remuda.KindOf(err)
				}
				if want := d.want(verb); kind != want {
					t.Errorf("%s: %s (%v), want %s", d.who, kind, err, want)
				}
			}
		})
	}
}

func TestAStrangerIsToldTheSameOfWhatIsHiddenAndOfWhatIsNotThere(t *testing.T) {
	r := newRanch(t)
	r.settle("other")
	ctx, stranger := t.Context(), r.userOf("other", remuda.RoleAdmin)
	task, run := r.submit(hello()), r.register(1).id
	for what, call := range map[string]func(name string) error{
		"organization": func(name string) error { return second(stranger.Organization(ctx, name)) },
		"namespace":    func(name string) error { return second(stranger.Namespace(ctx, name)) },
		"class":        func(name string) error { return second(stranger.ResourceClass(ctx, name)) },
		"task":         func(name string) error { return second(stranger.Task(ctx, name)) },
		"runner":       func(name string) error { return second(stranger.Runner(ctx, name)) },
		"tasks of a class": func(name string) error {
			return second(stranger.Tasks(ctx, control.TaskFilter{ResourceClass: name}, control.PageQuery{}))
		},
	} {
		hidden := map[string]string{
			"organization": "acme", "namespace": "acme", "class": "acme/linux", "task": task, "runner": run, "tasks of a class": "acme/linux",
		}[what]
		absent := hidden[:len(hidden)-1] + "0"
		a, b := call(hidden), call(absent)
		wantKind(t, a, remuda.NotFound)
		wantKind(t, b, remuda.NotFound)
		if x, y := a.Error(), b.Error(); len(x) != len(y) || x[:20] != y[:20] {
			t.Errorf("%s: %q and %q differ", what, a, b)
		}
	}
}

func TestListsShowWhatIsTheUsersAlone(t *testing.T) {
	r := newRanch(t)
	r.settle("other")
	ctx := t.Context()
	r.submit(hello())
	r.register(1)
	foreign := r.userOf("other", remuda.RoleAdmin)
	if got := got(foreign.Organizations(ctx, control.PageQuery{}))(t).Items; len(got) != 1 || got[0].Name != "other" {
		t.Errorf("organizations are %+v", got)
	}
	if got := got(foreign.Namespaces(ctx, control.PageQuery{}))(t).Items; len(got) != 1 || got[0].Name != "other" {
		t.Errorf("namespaces are %+v", got)
	}
	if got := got(foreign.ResourceClasses(ctx, control.ResourceClassFilter{}, control.PageQuery{}))(t).Items; len(got) != 1 || got[0].Name != "other/other" {
		t.Errorf("classes are %+v", got)
	}
	if got := got(foreign.Runners(ctx, control.RunnerFilter{}, control.PageQuery{}))(t).Items; len(got) != 0 {
		t.Errorf("runners are %+v", got)
	}
	if got := got(foreign.Tasks(ctx, control.TaskFilter{}, control.PageQuery{}))(t).Items; len(got) != 0 {
		t.Errorf("tasks are %+v", got)
	}
	for _, token := range got(foreign.Tokens(ctx, control.TokenFilter{}, control.PageQuery{}))(t).Items {
		if token.Organization != "other" {
			t.Errorf("a token of %q is listed", token.Organization)
		}
	}
	for _, event := range must(t, foreign.Events, ctx, control.EventFilter{}) {
		if event.Organization != "other" {
			t.Errorf("an event of %q is listed: %+v", event.Organization, event)
		}
	}
}

package control_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// apiKey is a key of acme.
func (r *ranch) apiKey(permissions ...string) remuda.Token {
	r.t.Helper()
	return must(r.t, r.admin.CreateToken, r.t.Context(), remuda.Token{
		Kind: remuda.APIKey, Nickname: "pipeline", Organization: "acme", Permissions: permissions,
	})
}

// byKey is the door of a key.
func (r *ranch) byKey(permissions ...string) control.UserDoor {
	r.t.Helper()
	principal := must(r.t, r.plane.Authenticate, r.t.Context(), r.apiKey(permissions...).Token)
	return r.plane.AsUser(*principal.User)
}

// login is Login without how long it holds.
func (r *ranch) login(id, secret string) (string, error) {
	token, _, err := r.plane.Login(r.t.Context(), id, secret)
	return token, err
}

func TestAnAPIKeyActsByItselfAndByLoggingIn(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	key := r.apiKey(remuda.PermitTenantList, remuda.PermitBlockList, remuda.PermitBlockList)
	if !strings.HasPrefix(key.Token, "rmd_key_") {
		t.Errorf("the key is %q", key.Token)
	}
	same(t, "permissions", []string{"BUILDINGBLOCK_LIST", "TENANT_LIST"}, key.Permissions)
	access, expires, err := r.plane.Login(ctx, key.ID, key.Token)
	done(t, err)
	if !strings.HasPrefix(access, "rmd_acc_") || expires != time.Hour {
		t.Errorf("logging in gave %q for %s", access, expires)
	}
	for _, bearer := range []string{key.Token, access} {
		user := must(t, r.plane.Authenticate, ctx, bearer).User
		if user == nil || user.Name != "pipeline" || user.Organization != "acme" || user.OrganizationID == "" || user.Role != "" || user.Admin || user.Token != key.ID {
			t.Errorf("%s… opens %+v", bearer[:8], user)
		}
		same(t, "its permissions", key.Permissions, user.Permissions)
	}
	for _, secret := range []string{key.Token, access} {
		if bytes.Contains(r.raw(), []byte(secret)) || strings.Contains(r.log.String(), secret) {
			t.Errorf("%s… lies open", secret[:8])
		}
	}
	listed := got(r.admin.Tokens(ctx, control.TokenFilter{Kind: remuda.APIKey}, control.PageQuery{}))(t).Items
	if len(listed) != 1 || listed[0].ID != key.ID || listed[0].LastUsedAt == nil || listed[0].Token != "" || len(listed[0].Permissions) != 2 {
		t.Errorf("listed are %+v", listed)
	}
}

func TestARevokedOrExpiredKeyOpensNothingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		soon := time.Now().Add(30 * time.Minute)
		revoked := r.apiKey(remuda.PermitBlockList)
		expiring := must(t, r.admin.CreateToken, ctx, remuda.Token{
			Kind: remuda.APIKey, Nickname: "short", Organization: "acme", Permissions: []string{remuda.PermitBlockList}, ExpiresAt: &soon,
		})
		refused := func(key remuda.Token, access string) {
			t.Helper()
			wantKind(t, second(r.plane.Authenticate(ctx, key.Token)), remuda.Unauthenticated)
			wantKind(t, second(r.plane.Authenticate(ctx, access)), remuda.Unauthenticated)
			wantKind(t, second(r.login(key.ID, key.Token)), remuda.Unauthenticated)
		}
		first := got(r.login(revoked.ID, revoked.Token))(t)
		until, left, err := r.plane.Login(ctx, expiring.ID, expiring.Token)
		done(t, err)
		if left != 30*time.Minute {
			t.Errorf("the access token of a key that expires in half an hour is good for %s", left)
		}
		done(t, r.admin.RevokeToken(ctx, revoked.ID))
		refused(revoked, first)
		must(t, r.plane.Authenticate, ctx, until)
		time.Sleep(30 * time.Minute)
		refused(expiring, until)
	})
}

func TestAnAccessTokenHoldsForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		key := r.apiKey(remuda.PermitBlockList)
		access := got(r.login(key.ID, key.Token))(t)
		time.Sleep(time.Hour - time.Second)
		must(t, r.plane.Authenticate, ctx, access)
		time.Sleep(time.Second)
		wantKind(t, second(r.plane.Authenticate(ctx, access)), remuda.Unauthenticated)
		must(t, r.plane.Authenticate, ctx, got(r.login(key.ID, key.Token))(t))
	})
}

func TestNobodyMakesAnAccessTokenWithoutTheKeyOfThePlane(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	key, other := r.apiKey(remuda.PermitBlockList), r.apiKey(remuda.PermitBlockSave)
	access := got(r.login(key.ID, key.Token))(t)
	plain := func(id string) string { return strings.ReplaceAll(id, "-", "") }
	forged := []string{
		control.WithChecksum(strings.Replace(access, plain(key.ID), plain(other.ID), 1)[:len(access)-6]),
		control.WithChecksum(access[:41] + "f" + access[42:len(access)-6]), // for longer
		control.WithChecksum("rmd_acc_" + plain(key.ID)),
		control.WithChecksum(strings.Replace(access[:len(access)-6], "rmd_acc_", "rmd_adm_", 1)),
	}
	for _, token := range forged {
		wantKind(t, second(r.plane.Authenticate(ctx, token)), remuda.Unauthenticated)
	}
	r.keys = otherKeys{r.keys}
	r.restart(control.Options{})
	wantKind(t, second(r.plane.Authenticate(ctx, access)), remuda.Unauthenticated)
}

func TestAWrongIDAndAWrongSecretAreAnsweredAlike(t *testing.T) {
	r := newRanch(t)
	key, other := r.apiKey(remuda.PermitBlockList), r.apiKey(remuda.PermitBlockList)
	organization := must(t, r.admin.CreateToken, t.Context(), remuda.Token{
		Kind: remuda.OrganizationToken, Nickname: "n", Organization: "acme", Role: remuda.RoleAdmin,
	})
	answers := map[string]bool{}
	for _, pair := range [][2]string{
		{key.ID, other.Token}, {key.ID, ""}, {other.ID, key.Token}, {"", key.Token}, {"\x00", key.Token}, {strings.Repeat("x", 36), key.Token},
		{"00000000-0000-0000-0000-000000000000", ""}, {strings.Repeat("9", 1<<16), strings.Repeat("9", 1<<16)}, {organization.ID, organization.Token},
	} {
		_, err := r.login(pair[0], pair[1])
		wantKind(t, err, remuda.Unauthenticated)
		answers[err.Error()] = true
	}
	if len(answers) != 1 {
		t.Errorf("the answers are %v", answers)
	}
	got(r.login(key.ID, key.Token))(t)
}

func TestAKeyGivesNoMoreThanItsMakerHas(t *testing.T) {
	r := newRanch(t)
	r.settle("umbrella")
	ctx := t.Context()
	make := func(door control.UserDoor, organization string, permissions ...string) error {
		return second(door.CreateToken(ctx, remuda.Token{Kind: remuda.APIKey, Nickname: "n", Organization: organization, Permissions: permissions}))
	}
	everywhere := remuda.Everywhere(remuda.PermitBlockSave)
	admin, member := r.user(remuda.RoleAdmin), r.user(remuda.RoleMember)
	some := r.byKey(remuda.PermitKeySave, remuda.PermitBlockList)
	for name, test := range map[string]struct {
		err  error
		want remuda.Kind // empty when it may
	}{
		"the administrator, everything": {make(r.admin, "acme", remuda.Permissions()...), ""},
		"an admin, what is its own":     {make(admin, "", remuda.PermitBlockSave, remuda.PermitManagedBlockSave, remuda.PermitKeySave), ""},
		"an admin, elsewhere":           {make(admin, "umbrella", remuda.PermitBlockList), remuda.NotFound},
		"an admin, everywhere":          {make(admin, "acme", everywhere), remuda.Forbidden},
		"a member":                      {make(member, "acme", remuda.PermitBlockList), remuda.Forbidden},
		"a key, what it has":            {make(some, "acme", remuda.PermitBlockList), ""},
		"a key, more":                   {make(some, "acme", remuda.PermitBlockList, remuda.PermitBlockSave), remuda.Forbidden},
		"a key, everywhere":             {make(some, "acme", remuda.Everywhere(remuda.PermitBlockList)), remuda.Forbidden},
		"a key, elsewhere":              {make(some, "umbrella", remuda.PermitBlockList), remuda.NotFound},
		"a key that makes none":         {make(r.byKey(remuda.PermitBlockList), "acme", remuda.PermitBlockList), remuda.Forbidden},
		"a key for every organization": {
			make(r.byKey(remuda.Everywhere(remuda.PermitKeySave), everywhere), "umbrella", everywhere, remuda.PermitManagedBlockSave), "",
		},
		"no permission":      {make(r.admin, "acme"), remuda.Invalid},
		"an unknown one":     {make(r.admin, "acme", "BUILDINGBLOCK_LIKE"), remuda.Invalid},
		"a managed deletion": {make(r.admin, "acme", "MANAGED_BUILDINGBLOCK_DELETE"), remuda.Invalid},
		"an organization's, by a key": {
			second(some.CreateToken(ctx, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "n", Organization: "acme", Role: remuda.RoleViewer})), remuda.Forbidden,
		},
	} {
		if test.want == "" && test.err != nil || test.want != "" && remuda.KindOf(test.err) != test.want {
			t.Errorf("%s: %v, want %q", name, test.err, test.want)
		}
	}
	err := make(r.admin, "acme", "BUILDINGBLOCK_LIKE")
	if !strings.Contains(err.Error(), "did you mean BUILDINGBLOCK_LIST") {
		t.Errorf("a misspelt permission is answered %q", err)
	}
}

func TestAKeyDoesWhatItsWordsSayAndNothingElse(t *testing.T) {
	r := newRanch(t)
	r.settle("umbrella")
	ctx := t.Context()
	task := r.submit(hello())
	type call func(control.UserDoor) error
	calls := map[string]call{
		"list organizations": func(d control.UserDoor) error { return second(d.Organizations(ctx, control.PageQuery{})) },
		"show another":       func(d control.UserDoor) error { return second(d.Organization(ctx, "umbrella")) },
		"make an organization": func(d control.UserDoor) error {
			return second(d.CreateOrganization(ctx, remuda.Organization{Name: "new"}))
		},
		"list projects": func(d control.UserDoor) error { return second(d.Projects(ctx, "acme", control.PageQuery{})) },
		"make a project": func(d control.UserDoor) error {
			return second(d.CreateProject(ctx, remuda.Project{Organization: "acme", Name: "p", Visibility: "private", Weight: 1}))
		},
		"delete a project": func(d control.UserDoor) error { return d.DeleteProject(ctx, "acme", "default") },
		"list classes": func(d control.UserDoor) error {
			return second(d.ResourceClasses(ctx, control.ResourceClassFilter{}, control.PageQuery{}))
		},
		"show a class": func(d control.UserDoor) error { return second(d.ResourceClass(ctx, "acme/linux")) },
		"list runners": func(d control.UserDoor) error {
			return second(d.Runners(ctx, control.RunnerFilter{}, control.PageQuery{}))
		},
		"list keys": func(d control.UserDoor) error {
			return second(d.Tokens(ctx, control.TokenFilter{}, control.PageQuery{}))
		},
		"submit":        func(d control.UserDoor) error { return second(d.Submit(ctx, hello(), "")) },
		"list tasks":    func(d control.UserDoor) error { return second(d.Tasks(ctx, control.TaskFilter{}, control.PageQuery{})) },
		"show a task":   func(d control.UserDoor) error { return second(d.Task(ctx, task)) },
		"cancel a task": func(d control.UserDoor) error { return second(d.CancelTask(ctx, task)) },
		"list events":   func(d control.UserDoor) error { return second(d.Events(ctx, control.EventFilter{})) },
		"open a class to all": func(d control.UserDoor) error {
			all := remuda.AccessAll
			return second(d.ChangeResourceClass(ctx, "acme/linux", control.ResourceClassChange{Access: &all}))
		},
		"revoke a class token": func(d control.UserDoor) error { return d.RevokeToken(ctx, r.tokenID("test")) },
		"rename the namespace": func(d control.UserDoor) error { return second(d.RenameNamespace(ctx, "acme", "other")) },
		"set the tasks' limit": func(d control.UserDoor) error {
			n := 1
			return second(d.ChangeOrganization(ctx, "acme", control.OrganizationChange{TaskLimit: &n}))
		},
		"read the whole demand": func(d control.UserDoor) error { return second(d.Scalings(ctx)) },
	}
	may := map[string][]string{ // by word
		remuda.PermitBlockSave:                           nil,
		remuda.PermitOrganizationList:                    {"list organizations"},
		remuda.Everywhere(remuda.PermitOrganizationList): {"list organizations", "show another"},
		remuda.Everywhere(remuda.PermitOrganizationSave): {"make an organization"},
		remuda.PermitProjectList:                         {"list projects"},
		remuda.PermitProjectSave:                         {"make a project"},
		remuda.PermitRunnerList:                          {"list classes", "show a class", "list runners"},
		remuda.PermitKeyList:                             {"list keys"},
		remuda.PermitKeyDelete:                           nil,
		remuda.PermitRunList:                             nil,
	}
	for word, allowed := range may {
		door := r.byKey(word)
		for name, do := range calls {
			err, want := do(door), contains(allowed, name)
			if want && err != nil || !want && err == nil {
				t.Errorf("with %s: %s = %v, allowed is %t", word, name, err, want)
			}
			if !want && err != nil && remuda.KindOf(err) != remuda.Forbidden && remuda.KindOf(err) != remuda.NotFound {
				t.Errorf("with %s: %s is refused as %s", word, name, remuda.KindOf(err))
			}
		}
	}
}

func contains(all []string, one string) bool {
	for _, each := range all {
		if each == one {
			return true
		}
	}
	return false
}

// tokenID is the id of the token of a nickname.
func (r *ranch) tokenID(nickname string) string {
	r.t.Helper()
	for _, token := range got(r.admin.Tokens(r.t.Context(), control.TokenFilter{}, control.PageQuery{Limit: 500}))(r.t).Items {
		if token.Nickname == nickname {
			return token.ID
		}
	}
	r.t.Fatalf("there is no token %s", nickname)
	return ""
}

func TestAKeyManagesKeysAlone(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	keys := r.byKey(remuda.PermitKeyList, remuda.PermitKeyDelete)
	mine := r.apiKey(remuda.PermitBlockList)
	for _, token := range got(keys.Tokens(ctx, control.TokenFilter{Kind: remuda.ClassToken}, control.PageQuery{}))(t).Items {
		if token.Kind != remuda.APIKey {
			t.Errorf("a key sees the %s token %s", token.Kind, token.Nickname)
		}
	}
	wantKind(t, keys.RevokeToken(ctx, r.tokenID("test")), remuda.NotFound)
	done(t, keys.RevokeToken(ctx, mine.ID))
	wantKind(t, r.byKey(remuda.PermitKeyList).RevokeToken(ctx, r.apiKey(remuda.PermitBlockList).ID), remuda.Forbidden)
}

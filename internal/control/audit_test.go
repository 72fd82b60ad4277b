package control_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// audited are the types of all events that a filter asks for, the newest first.
func audited(t *testing.T, door control.UserDoor, f control.AuditFilter, limit int) (found []remuda.Event) {
	t.Helper()
	for q := (control.PageQuery{Limit: limit}); ; {
		page := got(door.Audit(t.Context(), f, q))(t)
		found = append(found, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return found
		}
	}
}

func TestTheAuditTellsTheNewestFirstWhatTheEventsTell(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	ada := r.as(r.signIn(r.person("ada", remuda.RoleAdmin)))
	for i := range 5 {
		must(t, ada.CreateToken, ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: fmt.Sprint(i), ResourceClass: "acme/linux"})
	}
	r.submit(hello())
	all := must(t, r.admin.Events, ctx, control.EventFilter{Limit: 1000})
	back := audited(t, r.admin, control.AuditFilter{}, 3)
	slices.Reverse(back)
	same(t, "the audit", all, back)
	same(t, "of ada", 6, len(audited(t, r.admin, control.AuditFilter{Actor: "ada"}, 4))) // and that she signed in
	same(t, "of tokens", 5, len(audited(t, r.admin, control.AuditFilter{Actor: "ada", Type: "token.*"}, 4)))
	newest := audited(t, r.admin, control.AuditFilter{Actor: "ada", Type: "token.created"}, 500)[0]
	same(t, "the newest", "class 4", newest.Detail)
	same(t, "tomorrow", 0, len(audited(t, r.admin, control.AuditFilter{From: time.Now().Add(time.Hour)}, 4)))
	// Over PostgreSQL what every test begins with may have been made in another test's fake time, which is long ago.
	same(t, "of ada until yesterday", 0, len(audited(t, r.admin, control.AuditFilter{Actor: "ada", Until: time.Now().Add(-24 * time.Hour)}, 4)))
	for _, cursor := range []string{"x", "-1", "0", "9999999999999999999"} {
		wantKind(t, second(r.admin.Audit(ctx, control.AuditFilter{}, control.PageQuery{Cursor: cursor})), remuda.Invalid)
	}
}

func TestTheAuditOfAnOrganizationIsItsOwnAndAddressesAreForAdmins(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	r.settle("beta")
	admin, viewer := r.person("ada", remuda.RoleAdmin), r.person("cat", remuda.RoleViewer)
	door := func(token remuda.Token) control.UserDoor {
		user := *must(t, r.plane.Authenticate, ctx, token.Token).User
		user.Address = "192.0.2.7"
		return r.plane.AsUser(user)
	}
	must(t, door(admin).CreateToken, ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "n", ResourceClass: "acme/linux"})
	for _, c := range []struct {
		door    control.UserDoor
		address string
	}{{door(admin), "192.0.2.7"}, {r.admin, "192.0.2.7"}, {door(viewer), ""}} {
		found := audited(t, c.door, control.AuditFilter{Actor: "ada"}, 10)
		if len(found) != 1 || found[0].Address != c.address {
			t.Errorf("the audit says %+v, want the address %q", found, c.address)
		}
		forward := must(t, c.door.Events, ctx, control.EventFilter{Subject: found[0].Subject})
		same(t, "the same event, read forward", found, forward)
	}
	for _, e := range audited(t, door(viewer), control.AuditFilter{}, 100) {
		if e.Organization != "acme" {
			t.Errorf("a viewer of acme is told %+v", e)
		}
	}
	wantKind(t, second(door(admin).Audit(ctx, control.AuditFilter{Organization: "beta"}, control.PageQuery{})), remuda.NotFound)
	key := control.User{Name: "k", Organization: "acme", OrganizationID: "x", Permissions: []string{remuda.PermitKeyList}}
	wantKind(t, second(r.plane.AsUser(key).Audit(ctx, control.AuditFilter{}, control.PageQuery{})), remuda.Forbidden)
}

func TestAPIKeysThatHaveExpiredAreForgottenInADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		key := func(life time.Duration) remuda.Token {
			of := remuda.Token{Kind: remuda.APIKey, Nickname: "k", Organization: "acme", Permissions: []string{remuda.PermitBlockList}}
			if life > 0 {
				of.ExpiresAt = pointer(time.Now().Add(life))
			}
			return must(t, r.admin.CreateToken, ctx, of)
		}
		short, long, forever := key(time.Hour), key(48*time.Hour), key(0)
		left := func() (ids []string) {
			done(t, control.Forget(ctx, r.plane))
			for _, listed := range got(r.admin.Tokens(ctx, control.TokenFilter{Kind: remuda.APIKey}, control.PageQuery{}))(t).Items {
				ids = append(ids, listed.ID)
			}
			return ids
		}
		time.Sleep(24 * time.Hour) // it is shown as expired for a while
		same(t, "after a day", []string{forever.ID, long.ID, short.ID}, left())
		time.Sleep(2 * time.Hour)
		same(t, "a day after the first expired", []string{forever.ID, long.ID}, left())
	})
}

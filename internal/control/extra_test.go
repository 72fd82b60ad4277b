package control_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/remuda-dev/remuda"
)

func TestAnOrganizationIsFoundedWithItsNamespaceOrNotAtAll(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	done(t, r.admin.FoundOrganization(ctx, "shop", remuda.Extra{"displayName": json.RawMessage(`"Shop"`)}))
	if n := must(t, r.admin.Namespace, ctx, "shop"); n.Organization != "shop" {
		t.Errorf("its namespace is %+v", n)
	}
	if extra := must(t, r.admin.OrganizationExtra, ctx, "shop"); string(extra["displayName"]) != `"Shop"` {
		t.Errorf("what else was said of it is %v", extra)
	}
	done(t, r.admin.DissolveOrganization(ctx, "shop"))
	done(t, func() error {
		_, err := r.admin.CreateOrganization(ctx, remuda.Organization{Name: "other"})
		return err
	}())
	if _, err := r.admin.ClaimNamespace(ctx, "other", "shop"); err != nil {
		t.Fatal(err)
	}
	if err := r.admin.FoundOrganization(ctx, "shop", nil); !errors.Is(err, remuda.Conflict) {
		t.Errorf("one whose namespace is taken is founded: %v", err)
	}
	if _, err := r.admin.Organization(ctx, "shop"); !errors.Is(err, remuda.NotFound) {
		t.Errorf("half of it is left: %v", err)
	}
	if err := r.user(remuda.RoleAdmin).FoundOrganization(ctx, "mine", nil); !errors.Is(err, remuda.Forbidden) {
		t.Errorf("an organization's admin founds another one: %v", err)
	}
}

func TestAnOrganizationWithAResourceClassIsNotDissolved(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	if err := r.admin.DissolveOrganization(ctx, "acme"); !errors.Is(err, remuda.Conflict) {
		t.Errorf("acme, which has acme/linux, is dissolved: %v", err)
	}
	must(t, r.admin.Namespace, ctx, "acme")
}

func TestAChangedKeyGivesNoMoreThanWhoeverChangedItHas(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	key := r.apiKey(remuda.PermitTenantList)
	by := r.byKey(remuda.PermitKeySave, remuda.PermitKeyList, remuda.PermitTenantList)
	key.Nickname, key.Permissions = "other", []string{remuda.PermitTenantList, remuda.PermitTenantSave}
	if _, err := by.ChangeAPIKey(ctx, key.ID, key); !errors.Is(err, remuda.Forbidden) {
		t.Errorf("it gives what it has not: %v", err)
	}
	if now := must(t, by.APIKey, ctx, key.ID); now.Nickname == "other" || now.Token != "" {
		t.Errorf("refused, it is %+v", now)
	}
	if _, err := r.admin.ChangeAPIKey(ctx, key.ID, key); err != nil {
		t.Fatal(err)
	}
	if now := must(t, by.APIKey, ctx, key.ID); now.Nickname != "other" || len(now.Permissions) != 2 {
		t.Errorf("changed, it is %+v", now)
	}
	if _, err := r.login(key.ID, key.Token); err != nil {
		t.Errorf("its secret changed: %v", err)
	}
	if _, err := r.byKey(remuda.PermitTenantList).APIKey(ctx, key.ID); !errors.Is(err, remuda.Forbidden) {
		t.Errorf("one that may not list keys sees it: %v", err)
	}
}

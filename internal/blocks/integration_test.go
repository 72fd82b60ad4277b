package blocks_test

import (
	"bytes"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

func github() remuda.Integration {
	return remuda.Integration{Name: "GitHub", Type: "github", URL: "https://api.github.com", Owner: "acme", AppID: "7", Credential: hiddenly("hunter2-key"), ResourceClass: "plat/tofu"}
}

// workflow is a version of a pipeline.
func workflow(integration string) remuda.Version {
	return remuda.Version{
		ResourceClass: "plat/tofu",
		Implementation: remuda.Blueprint{Type: remuda.BlueprintGitHub, GitHub: &remuda.GitHubBlueprint{
			Integration: integration, Repository: "infra", Branch: "main", ApplyWorkflow: "apply.yml",
		}},
	}
}

func TestAnIntegrationsCredentialGoesToItsRunsAndNowhereElse(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		made := got(w.owner().CreateIntegration(ctx, github()))(w.t)
		if made.Credential == nil || made.Credential.Hash == "" || made.Credential.Secret != nil || made.Credential.Value != nil || made.ResourceClass != "plat/tofu" {
			t.Errorf("made is %+v", made)
		}
		row := &blocks.IntegrationRow{}
		done(w.t, w.store.Read(ctx, func(v control.View) error { return v.Get(ctx, row, made.ID) }))
		if bytes.Contains(row.Secrets, []byte("hunter2")) || len(row.Secrets) == 0 {
			t.Error("the credential lies open, or is not there")
		}

		// Absent, or given by its hash, it stays; another hash is nobody's.
		for _, credential := range []*remuda.Value{nil, {Hash: made.Credential.Hash}} {
			changed := made
			changed.Name, changed.Credential = "renamed", credential
			same(w.t, "hash", made.Credential.Hash, got(w.owner().ChangeIntegration(ctx, made.ID, changed))(w.t).Credential.Hash)
		}
		wrong := made
		wrong.Credential = &remuda.Value{Hash: "0123456789abcdef0123456789abcdef"}
		wantKind(w.t, second(w.owner().ChangeIntegration(ctx, made.ID, wrong)), remuda.Invalid)

		w.order(w.define("pipeline", workflow(made.ID)), nil)
		it := w.claim()
		if it.order.Integration == nil || it.order.Integration.Name != "renamed" {
			t.Fatalf("the run's integration is %+v", it.order.Integration)
		}
		same(w.t, "its credential", "hunter2-key", it.secrets[it.order.Integration.Credential.Hash])

		wantKind(w.t, w.owner().DeleteIntegration(ctx, made.ID), remuda.Conflict) // a version names it
		other := got(w.owner().CreateIntegration(ctx, github()))(w.t)
		same(w.t, "listed", 2, got(w.owner().Integrations(ctx, "plat", blocks.Span{}))(w.t).Total)
		done(w.t, w.owner().DeleteIntegration(ctx, other.ID))
		wantKind(w.t, second(w.owner().Integration(ctx, other.ID)), remuda.NotFound)
	})
}

func TestAnIntegrationIsItsOrganizationsAlone(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		made := got(w.owner().CreateIntegration(ctx, github()))(w.t)
		wantKind(w.t, second(w.consumer().Integration(ctx, made.ID)), remuda.NotFound)
		wantKind(w.t, second(w.consumer().ChangeIntegration(ctx, made.ID, github())), remuda.NotFound)
		wantKind(w.t, second(w.consumer().CreateIntegration(ctx, github())), remuda.Forbidden)
		wantKind(w.t, second(w.as("plat", remuda.RoleMember).ChangeIntegration(ctx, made.ID, github())), remuda.Forbidden)
		got(w.key("plat", remuda.PermitIntegrationList).Integration(ctx, made.ID))(w.t)
		wantKind(w.t, second(w.key("plat", remuda.PermitBlockList).Integrations(ctx, "", blocks.Span{})), remuda.Forbidden)
		wantKind(w.t, w.key("plat", remuda.PermitIntegrationSave).DeleteIntegration(ctx, made.ID), remuda.Forbidden)
		for member, change := range map[string]func(*remuda.Integration){
			"body.name": func(i *remuda.Integration) { i.Name = "" },
			"body.type": func(i *remuda.Integration) { i.Type = "svn" },
			"body.url":  func(i *remuda.Integration) { i.URL = "https://me:hunter2@git.example.com" },
		} {
			bad := github()
			change(&bad)
			_, err := w.owner().CreateIntegration(ctx, bad)
			wantKind(w.t, err, remuda.Invalid)
			if fieldsOf(err)[member] == "" || bytes.Contains([]byte(err.Error()), []byte("hunter2")) {
				t.Errorf("%s: %v", member, err)
			}
		}
		elsewhere := github()
		elsewhere.ResourceClass = "plat/none"
		wantKind(w.t, second(w.owner().CreateIntegration(ctx, elsewhere)), remuda.NotFound)
	})
}

func TestATenantIsAProjectsPlaceOnAPlatform(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		root := w.plane.AsUser(control.User{Name: "root", Admin: true})
		got(root.CreateProject(ctx, remuda.Project{Organization: "acme", Name: "app", Visibility: "private", Weight: 1}))(w.t)
		door := w.as("acme", remuda.RoleAdmin)
		asked := remuda.Tenant{Project: "app", Platform: "aws.eu", PlatformID: "123"}
		made := got(door.CreateTenant(ctx, asked))(w.t)
		if made.Organization != "acme" || made.Project != "app" || made.Platform != "aws.eu" || made.PlatformID != "123" {
			t.Errorf("made is %+v", made)
		}
		same(w.t, "shown", made, got(w.consumer().Tenant(ctx, made.ID))(w.t))
		wantKind(w.t, second(door.CreateTenant(ctx, asked)), remuda.Conflict)
		wantKind(w.t, second(door.CreateTenant(ctx, remuda.Tenant{Project: "none", Platform: "aws.eu"})), remuda.NotFound)
		wantKind(w.t, second(door.CreateTenant(ctx, remuda.Tenant{})), remuda.Invalid)
		wantKind(w.t, second(w.consumer().CreateTenant(ctx, remuda.Tenant{Project: "app", Platform: "gcp"})), remuda.Forbidden)
		wantKind(w.t, second(w.as("umbrella", remuda.RoleAdmin).Tenant(ctx, made.ID)), remuda.NotFound)
		got(door.CreateTenant(ctx, remuda.Tenant{Project: "app", Platform: "gcp"}))(w.t)
		list := got(w.consumer().Tenants(ctx, "acme", "app", blocks.Span{Limit: 1}))(w.t)
		if list.Total != 2 || list.Next == "" || list.Items[0].Platform != "gcp" {
			t.Errorf("listed are %+v", list)
		}
		same(w.t, "the rest", "aws.eu", got(w.consumer().Tenants(ctx, "acme", "app", blocks.Span{Cursor: list.Next}))(w.t).Items[0].Platform)

		d := w.define("bucket", tofu(), func(d *remuda.Definition) { d.Target = remuda.TargetTenant })
		w.order(d, map[string]remuda.Value{"size": value(7)}, func(b *remuda.Block) { b.Tenant = made.ID })
		wantKind(w.t, door.DeleteTenant(ctx, made.ID), remuda.Conflict)
		done(w.t, door.DeleteTenant(ctx, list.Items[0].ID))
		wantKind(w.t, second(door.Tenant(ctx, list.Items[0].ID)), remuda.NotFound)
	})
}

package blocks_test

import (
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

// tenant makes one of acme on a platform.
func (w *town) tenant(project, platform string) remuda.Tenant {
	w.t.Helper()
	admin := w.as("acme", remuda.RoleAdmin)
	return got(admin.CreateTenant(w.t.Context(), remuda.Tenant{Organization: "acme", Project: project, Platform: platform}))(w.t)
}

func TestABlockOfATenantKnowsWhereItIs(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		input := func(a remuda.Assignment) remuda.Input {
			return remuda.Input{Type: remuda.TypeString, Assignment: a}
		}
		project := w.order(w.define("seed", tofu()), nil, func(b *remuda.Block) { b.Project = "shop" }).Project
		tenant := w.tenant(project, "aws.eu")
		d := w.define("landing", with(tofu(), func(v *remuda.Version) {
			v.Inputs = map[string]remuda.Input{
				"project": input(remuda.AssignProject), "platform": input(remuda.AssignPlatform), "tenant": input(remuda.AssignTenant),
			}
			v.Outputs = map[string]remuda.Output{"account": {Type: remuda.TypeString, Assignment: remuda.AssignOutputTenant}}
			v.OncePerTenant = true
		}), func(d *remuda.Definition) { d.Target, d.Platforms = remuda.TargetTenant, []string{"aws.eu"} })
		at := func(id string) func(*remuda.Block) { return func(b *remuda.Block) { b.Tenant = id } }
		b := w.order(d, nil, at(tenant.ID))
		same(w.t, "project", "shop", b.Project)
		it := w.succeed(map[string]any{"account": "123456789"})
		got := map[string]string{}
		for _, in := range it.order.Inputs {
			got[in.Key] = string(in.Value)
		}
		same(w.t, "inputs", map[string]string{"project": `"shop"`, "platform": `"aws.eu"`, "tenant": `"` + tenant.ID + `"`}, got)
		same(w.t, "platform of the order", "aws.eu", it.order.Block.Platform)
		now, err := w.as("acme", remuda.RoleViewer).Tenant(ctx, tenant.ID)
		done(w.t, err)
		same(w.t, "what the platform calls the tenant", "123456789", now.PlatformID)

		for what, c := range map[string]struct {
			tenant string
			want   remuda.Kind
		}{
			"none": {"", remuda.Invalid}, "unknown": {"nobody", remuda.Invalid}, "another platform": {w.tenant(project, "gcp").ID, remuda.Invalid},
			"a second": {tenant.ID, remuda.Conflict},
		} {
			_, err := w.consumer().OrderBlock(ctx, remuda.Block{Name: "b", Definition: d.ID, Tenant: c.tenant}, "")
			if remuda.KindOf(err) != c.want {
				t.Errorf("%s: %v, want %s", what, err, c.want)
			}
		}
		foreign := remuda.Block{Name: "b", Definition: d.ID, Tenant: tenant.ID}
		_, err = w.as("umbrella", remuda.RoleMember).OrderBlock(ctx, foreign, "")
		wantKind(w.t, err, remuda.Invalid)
		for what, f := range map[string]blocks.BlockFilter{
			"by tenant": {Tenant: tenant.ID}, "by platform": {Platform: "aws.eu"}, "by target": {Target: remuda.TargetTenant},
		} {
			same(w.t, what, 1, len(w.found(f)))
		}
	})
}

// found are the blocks that a viewer of acme finds.
func (w *town) found(f blocks.BlockFilter) []remuda.Block {
	w.t.Helper()
	return got(w.as("acme", remuda.RoleViewer).Blocks(w.t.Context(), f, blocks.Span{}))(w.t).Items
}

func TestOrganizationsThatOrderTakeTurnsAtTheOwnersRunners(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		w.order(d, map[string]remuda.Value{"size": value(1)})
		other := w.as("umbrella", remuda.RoleMember)
		got(other.OrderBlock(w.t.Context(), remuda.Block{Name: "b", Definition: d.ID, Inputs: map[string]remuda.Value{"size": value(1)}}, ""))(w.t)
		got(w.owner().OrderBlock(w.t.Context(), remuda.Block{Name: "b", Definition: d.ID, Inputs: map[string]remuda.Value{"size": value(1)}}, ""))(w.t)
		projects := map[string]string{}
		for range 3 {
			it := w.claim()
			projects[it.order.Block.Organization] = it.claim.Task.Organization + " " + it.claim.Task.Project
		}
		same(w.t, "what each counts by", map[string]string{
			"acme": "plat blocks/acme", "umbrella": "plat blocks/umbrella", "plat": "plat default",
		}, projects)
	})
}

func TestARunWhoseClassIsGoneFailsWithASentence(t *testing.T) {
	onBoth(t, func(w *town) {
		admin := w.plane.AsUser(w.user("plat", remuda.RoleAdmin))
		_, err := admin.CreateResourceClass(w.t.Context(), remuda.ResourceClass{Name: "plat/short"})
		done(w.t, err)
		d := w.define("db", with(tofu(), func(v *remuda.Version) { v.ResourceClass = "plat/short" }))
		done(w.t, admin.DeleteResourceClass(w.t.Context(), "plat/short", true))
		b := w.order(d, map[string]remuda.Value{"size": value(1)})
		if b.Status != remuda.BlockFailed || b.Detail == "" {
			t.Errorf("the block is %s: %s", b.Status, b.Detail)
		}
	})
}

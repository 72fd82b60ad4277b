package blocks_test

import (
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

func TestADefinitionBeginsWithAnEmptyDraft(t *testing.T) {
	onBoth(t, func(w *town) {
		d := got(w.owner().CreateDefinition(w.t.Context(), remuda.Definition{Name: "db", Readme: "# db"}))(w.t)
		if d.Latest != 1 || d.Released != 0 || d.Organization != "plat" || d.Access != remuda.AccessOwner || d.Target != remuda.TargetWorkspace || d.Readme != "# db" {
			t.Errorf("the definition is %+v", d)
		}
		v := got(w.owner().Version(w.t.Context(), d.ID, 1))(w.t)
		if v.State != remuda.VersionDraft || v.Implementation.Type != remuda.BlueprintManual || len(v.Inputs) != 0 {
			t.Errorf("the version is %+v", v)
		}
	})
}

func TestAReleasedVersionIsFrozen(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		before := got(w.owner().Version(w.t.Context(), d.ID, 1))(w.t)
		again := got(w.owner().ChangeVersion(w.t.Context(), d.ID, 1, tofu()))(w.t) // as it is
		same(w.t, "the version", before, again)
		_, err := w.owner().ChangeVersion(w.t.Context(), d.ID, 1, with(tofu(), func(v *remuda.Version) { v.Approval = true }))
		wantKind(w.t, err, remuda.Conflict)
		same(w.t, "the sentence", "Updating a version_spec in non-draft state is not allowed", err.Error())
		same(w.t, "the version", before, got(w.owner().Version(w.t.Context(), d.ID, 1))(w.t))
	})
}

func TestADraftIsForItsOwnerAloneAndAVersionTellsOthersWhatItTakes(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		got(w.owner().CreateVersion(w.t.Context(), d.ID, tofu()))(w.t)
		seen := got(w.consumer().Versions(w.t.Context(), d.ID, blocks.Span{}))(w.t)
		if len(seen.Items) != 1 || seen.Total != 1 || seen.Items[0].Number != 1 || seen.Items[0].Implementation.OpenTofu != nil || seen.Items[0].ResourceClass != "" {
			t.Errorf("seen are %+v", seen)
		}
		_, err := w.consumer().Version(w.t.Context(), d.ID, 2)
		wantKind(w.t, err, remuda.NotFound)
		_, err = w.consumer().OrderBlock(w.t.Context(), remuda.Block{Name: "b", Definition: d.ID, Version: 2}, "")
		wantKind(w.t, err, remuda.NotFound)
		_, err = w.owner().OrderBlock(w.t.Context(), remuda.Block{Name: "b", Definition: d.ID, Version: 2}, "")
		done(w.t, err)
		same(w.t, "versions of the owner", 2, got(w.owner().Versions(w.t.Context(), d.ID, blocks.Span{}))(w.t).Total)
	})
}

func TestAllThatIsWrongWithAVersionIsSaidAtOnce(t *testing.T) {
	onBoth(t, func(w *town) {
		d := got(w.owner().CreateDefinition(w.t.Context(), remuda.Definition{Name: "db"}))(w.t)
		_, err := w.owner().ChangeVersion(w.t.Context(), d.ID, 1, with(tofu(), func(v *remuda.Version) {
			v.ResourceClass, v.Dependencies, v.DriftEvery, v.Deletion = "plat/none", []string{"x"}, 1, "burn"
			v.Implementation.OpenTofu.Version = "latest"
			v.Implementation.OpenTofu.Files = map[string]string{"../x": ""}
			v.Inputs = map[string]remuda.Input{
				"a b":     {Type: remuda.TypeString, Assignment: remuda.AssignUser},
				"type":    {Type: "number", Assignment: remuda.AssignUser},
				"assign":  {Type: remuda.TypeString, Assignment: "nobody"},
				"pattern": {Type: remuda.TypeString, Assignment: remuda.AssignUser, Pattern: "("},
				"choice":  {Type: remuda.TypeSingleSelect, Assignment: remuda.AssignUser},
				"fixed":   {Type: remuda.TypeString, Assignment: remuda.AssignStatic},
				"taken":   {Type: remuda.TypeString, Assignment: remuda.AssignOutput, Argument: valued("x")},
				"default": {Type: remuda.TypeInteger, Assignment: remuda.AssignUser, Default: valued("x")},
			}
			v.Outputs = map[string]remuda.Output{"out": {Type: remuda.TypeList}}
		}))
		wantKind(w.t, err, remuda.Invalid)
		fields := fieldsOf(err)
		for _, location := range []string{
			"body.resource_class", "body.dependencies[0]", "body.drift_every", "body.deletion", "body.implementation.opentofu.version",
			"body.implementation.opentofu.files", "body.inputs.a b", "body.inputs.type.type", "body.inputs.assign.assignment", "body.inputs.pattern.pattern",
			"body.inputs.choice.choices", "body.inputs.fixed.argument", "body.inputs.taken.argument", "body.inputs.default.default", "body.outputs.out.type",
		} {
			if fields[location] == "" {
				t.Errorf("%s is not named among %v", location, fields)
			}
		}
	})
}

func TestSecretsOfAVersionAreHashesThatTheNextOneMayTake(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", with(tofu(), func(v *remuda.Version) {
			v.Implementation.OpenTofu.Files, v.Implementation.OpenTofu.Repository = nil, "https://git.example.com/m"
			v.Implementation.OpenTofu.SSHKey = hiddenly("ssh-s3cret")
			v.Implementation.OpenTofu.Credentials = []remuda.GitCredential{{Host: "git.example.com", Token: hiddenly("t0ken")}}
			v.Inputs["fixed"] = remuda.Input{Type: remuda.TypeString, Assignment: remuda.AssignStatic, Sensitive: true, Argument: hiddenly("argum3nt")}
		}))
		one := got(w.owner().Version(w.t.Context(), d.ID, 1))(w.t)
		if o := one.Implementation.OpenTofu; o.SSHKey.Hash == "" || o.Credentials[0].Token.Hash == "" || one.Inputs["fixed"].Argument.Hash == "" {
			t.Fatalf("the version is %+v", one)
		}
		two := got(w.owner().CreateVersion(w.t.Context(), d.ID, one))(w.t)
		got(w.owner().ReleaseVersion(w.t.Context(), d.ID, two.Number))(w.t)
		w.order(d, map[string]remuda.Value{"size": value(1)})
		it := w.claim()
		same(w.t, "secrets", map[string]string{
			"implementation/ssh_key": "ssh-s3cret", "implementation/credentials/0": "t0ken", "input/fixed": "argum3nt",
		}, it.secrets)
		same(w.t, "the names of them", []string{"implementation/ssh_key", "implementation/credentials/0"}, []string{
			it.order.Implementation.OpenTofu.SSHKey.Hash, it.order.Implementation.OpenTofu.Credentials[0].Token.Hash,
		})
		one.Implementation.OpenTofu.SSHKey = &remuda.Value{Hash: strings.Repeat("a", 32)}
		_, err := w.owner().CreateVersion(w.t.Context(), d.ID, one)
		wantKind(w.t, err, remuda.Invalid)
	})
}

func TestADefinitionWithBlocksIsNotDeleted(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		b := w.order(d, nil)
		wantKind(w.t, w.owner().DeleteDefinition(w.t.Context(), d.ID), remuda.Conflict)
		wantKind(w.t, w.owner().DeleteVersion(w.t.Context(), d.ID, 1), remuda.Conflict)
		same(w.t, "blocks", 1, got(w.owner().Definition(w.t.Context(), d.ID))(w.t).Blocks)
		gone := got(w.consumer().DeleteBlock(w.t.Context(), b.ID, false))(w.t)
		same(w.t, "lifecycle of one that never ran", remuda.LifecycleDeleted, gone.Lifecycle)
		wantKind(w.t, w.owner().DeleteVersion(w.t.Context(), d.ID, 1), remuda.Conflict) // the only one
		done(w.t, w.owner().DeleteDefinition(w.t.Context(), d.ID))
		_, err := w.owner().Definition(w.t.Context(), d.ID)
		wantKind(w.t, err, remuda.NotFound)
	})
}

func TestWhoMayOrderSeesADefinitionOnceItIsReleased(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		d := got(w.owner().CreateDefinition(ctx, remuda.Definition{Name: "db", Access: remuda.AccessSome, Organizations: []string{"acme"}}))(w.t)
		count := func(door blocks.UserDoor) int {
			return got(door.Definitions(ctx, blocks.DefinitionFilter{}, blocks.Span{}))(w.t).Total
		}
		other := w.as("umbrella", remuda.RoleAdmin)
		same(w.t, "seen before", []int{1, 0, 0}, []int{count(w.owner()), count(w.consumer()), count(other)})
		got(w.owner().ReleaseVersion(ctx, d.ID, 1))(w.t)
		same(w.t, "seen after", []int{1, 1, 0}, []int{count(w.owner()), count(w.consumer()), count(other)})
		_, err := other.Definition(ctx, d.ID)
		wantKind(w.t, err, remuda.NotFound)
		_, err = other.OrderBlock(ctx, remuda.Block{Name: "b", Definition: d.ID}, "")
		wantKind(w.t, err, remuda.NotFound)
		same(w.t, "who else is told to the owner alone", []int{1, 0}, []int{
			len(got(w.owner().Definition(ctx, d.ID))(w.t).Organizations), len(got(w.consumer().Definition(ctx, d.ID))(w.t).Organizations),
		})
		_, err = w.consumer().ChangeDefinition(ctx, d.ID, d)
		wantKind(w.t, err, remuda.Forbidden)
	})
}

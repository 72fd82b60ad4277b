package blocks_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
)

// everyType is a version with an input of each type.
func everyType() remuda.Version {
	user := func(kind remuda.ValueType) remuda.Input {
		return remuda.Input{Type: kind, Assignment: remuda.AssignUser}
	}
	text := user(remuda.TypeString)
	text.Pattern, text.PatternError = "[a-z]+", "only small letters, please"
	single, multi := user(remuda.TypeSingleSelect), user(remuda.TypeMultiSelect)
	single.Choices, multi.Choices = []string{"red", "blue"}, []string{"red", "blue"}
	secret := user(remuda.TypeInteger)
	secret.Sensitive = true
	return with(tofu(), func(v *remuda.Version) {
		v.Inputs = map[string]remuda.Input{
			"text": text, "code": user(remuda.TypeCode), "integer": user(remuda.TypeInteger), "boolean": user(remuda.TypeBoolean),
			"file": user(remuda.TypeFile), "list": user(remuda.TypeList), "single": single, "multi": multi, "secret": secret,
		}
	})
}

func TestEachTypeTakesTheFormsThatPeopleWrite(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("all", everyType())
		b := w.order(d, map[string]remuda.Value{
			"text": value("abc"), "code": value(`{a = 1, b = [true]}`), "integer": value("42"), "boolean": value("true"),
			"file": value("data:text/plain;base64,SGVsbG8="), "list": value([]string{"x"}), "single": value("red"),
			"multi": value(`["red", "blue"]`), "secret": hidden("17"),
		})
		it := w.claim()
		got := map[string]string{}
		for _, in := range it.order.Inputs {
			got[in.Key] = string(in.Value) + in.Secret
		}
		same(w.t, "what the runner gets", map[string]string{
			"text": `"abc"`, "code": `"{a = 1, b = [true]}"`, "integer": "42", "boolean": "true",
			"file": `"data:text/plain;base64,SGVsbG8="`, "list": `["x"]`, "single": `"red"`, "multi": `["red","blue"]`, "secret": "input/secret",
		}, got)
		same(w.t, "its secrets", map[string]string{"input/secret": "17"}, it.secrets)
		for _, again := range []map[string]remuda.Value{
			{"code": value(map[string]int{"a": 1})}, {"code": value("resource \"x\" \"y\" {\n  z = 1\n}\n")}, {"integer": value(42.0)}, {"file": value("data:,a%20b")},
		} {
			if _, err := w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Inputs: again}); err != nil {
				t.Errorf("%v: %v %v", again, err, fieldsOf(err))
			}
		}
	})
}

func TestAllThatIsWrongWithAnOrderIsSaidAtOnce(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("all", everyType())
		_, err := w.consumer().OrderBlock(w.t.Context(), remuda.Block{Name: "b", Definition: d.ID, Parents: []string{"nobody"}, Tenant: "t", Inputs: map[string]remuda.Value{
			"text": value("ABC"), "code": value("{a = "), "integer": value(1.5), "boolean": value("yes"), "file": value("SGVsbG8="), "list": value("x"),
			"single": value("green"), "multi": value([]string{"red", "red"}), "secret": hidden("many"), "texts": value("x"),
		}}, "")
		wantKind(w.t, err, remuda.Invalid)
		fields := fieldsOf(err)
		for location, part := range map[string]string{
			"body.inputs.text": "only small letters, please", "body.inputs.code": "neither JSON nor HCL: line 1", "body.inputs.integer": "whole number",
			"body.inputs.boolean": "true or false", "body.inputs.file": "data URL", "body.inputs.list": "a list", "body.inputs.single": "one of red, blue",
			"body.inputs.multi": "red is chosen twice", "body.inputs.secret": "whole number", "body.inputs.texts": "did you mean text?",
			"body.parents[0]": "no block nobody", "body.tenant": "not to a tenant",
		} {
			if !strings.Contains(fields[location], part) {
				t.Errorf("%s: %q, want %q", location, fields[location], part)
			}
		}
		if len(fields) != 12 {
			t.Errorf("%d fields are named: %v", len(fields), fields)
		}
	})
}

func TestABlockNamesWhatItWaitsForAndRunsOnceItHasAll(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", with(tofu(), func(v *remuda.Version) {
			v.Inputs = map[string]remuda.Input{
				"name":  {Type: remuda.TypeString, Assignment: remuda.AssignUser},
				"quota": {Type: remuda.TypeInteger, Assignment: remuda.AssignOperator},
				"note":  {Type: remuda.TypeString, Assignment: remuda.AssignUser, Optional: true},
				"zone":  {Type: remuda.TypeString, Assignment: remuda.AssignUser, Default: valued("a")},
				"fixed": {Type: remuda.TypeString, Assignment: remuda.AssignStatic, Argument: valued("f")},
				"org":   {Type: remuda.TypeString, Assignment: remuda.AssignWorkspace},
				"self":  {Type: remuda.TypeString, Assignment: remuda.AssignTenantBlock},
			}
		}))
		b := w.order(d, nil)
		same(w.t, "status", remuda.BlockWaitsForUser, b.Status)
		same(w.t, "missing", []string{"name", "quota"}, b.Missing)
		if b.LatestRun != "" || string(b.Inputs["name"].Value) != "null" {
			t.Errorf("the block is %+v", b)
		}
		b = got(w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Inputs: map[string]remuda.Value{"name": value("n")}}))(w.t)
		same(w.t, "status", remuda.BlockWaitsForOperator, b.Status)
		same(w.t, "missing", []string{"quota"}, b.Missing)
		b = got(w.owner().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Inputs: map[string]remuda.Value{"quota": value(5)}}))(w.t)
		same(w.t, "status", remuda.BlockPending, b.Status)
		got := map[string]string{}
		for _, in := range w.claim().order.Inputs {
			got[in.Key] = string(in.Value)
		}
		same(w.t, "inputs", map[string]string{"name": `"n"`, "quota": "5", "zone": `"a"`, "fixed": `"f"`, "org": `"acme"`, "self": `"` + b.ID + `"`}, got)
	})
}

func TestWhoOrdersGivesNeitherWhatIsFixedNorWhatIsTheOwners(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", with(tofu(), func(v *remuda.Version) {
			v.Inputs = map[string]remuda.Input{
				"fixed":  {Type: remuda.TypeString, Assignment: remuda.AssignStatic, Argument: valued("f")},
				"quota":  {Type: remuda.TypeInteger, Assignment: remuda.AssignOperator, Optional: true},
				"locked": {Type: remuda.TypeString, Assignment: remuda.AssignUser, Locked: true},
			}
		}))
		order := remuda.Block{Name: "b", Definition: d.ID, Inputs: map[string]remuda.Value{"fixed": value("x"), "locked": value("l")}}
		_, err := w.consumer().OrderBlock(w.t.Context(), order, "")
		wantKind(w.t, err, remuda.Invalid)
		same(w.t, "fields", map[string]string{"body.inputs.fixed": "fixed is not defined as a customer or platform-operator input"}, fieldsOf(err))
		order.Inputs = map[string]remuda.Value{"quota": value(1), "locked": value("l")}
		_, err = w.consumer().OrderBlock(w.t.Context(), order, "")
		wantKind(w.t, err, remuda.Forbidden)

		b := w.order(d, map[string]remuda.Value{"locked": value("l")})
		_, err = w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Inputs: map[string]remuda.Value{"locked": value("m")}})
		wantKind(w.t, err, remuda.Forbidden)
		if !strings.Contains(err.Error(), "you don't have sufficient permissions") {
			t.Error(err)
		}
		// The same value again is no change.
		got(w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Inputs: map[string]remuda.Value{"locked": value("l")}}))(w.t)
		now := got(w.owner().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Inputs: map[string]remuda.Value{"locked": value("m")}}))(w.t)
		same(w.t, "what the owner gave", value("m"), now.Inputs["locked"])
	})
}

func TestAnUpgradeFillsInDefaultsAndHoldsValuesToTheNewVersion(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		b := w.order(d, map[string]remuda.Value{"size": value(7)})
		w.succeed(nil)
		two := w.release(d, with(tofu(), func(v *remuda.Version) {
			v.Inputs = map[string]remuda.Input{
				"size":   {Type: remuda.TypeInteger, Assignment: remuda.AssignUser},
				"colour": {Type: remuda.TypeString, Assignment: remuda.AssignUser, Default: valued("red")},
			}
		}))
		three := w.release(d, with(tofu(), func(v *remuda.Version) {
			v.Inputs = map[string]remuda.Input{"size": {Type: remuda.TypeSingleSelect, Assignment: remuda.AssignUser, Choices: []string{"small"}}}
		}))
		now := got(w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Version: &two}))(w.t)
		if now.Version != 2 || string(now.Inputs["colour"].Value) != `"red"` || now.Status != remuda.BlockPending {
			t.Errorf("the block is %+v", now)
		}
		it := w.succeed(nil)
		same(w.t, "trigger", remuda.TriggerUpgrade, it.order.Trigger)
		_, err := w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Version: &three})
		wantKind(w.t, err, remuda.Invalid)
		if !strings.Contains(fieldsOf(err)["body.inputs.size"], "does not fit version 3") {
			t.Errorf("fields are %v", fieldsOf(err))
		}
		now = got(w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Version: &three, Inputs: map[string]remuda.Value{"size": value("small")}}))(w.t)
		same(w.t, "version", 3, now.Version)
	})
}

func TestANameAloneNeedsNoRunAndAChangeThatIsNoneNeither(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		b := w.order(d, map[string]remuda.Value{"size": value(7)})
		w.succeed(nil)
		now := got(w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Name: pointer("another"), Inputs: map[string]remuda.Value{"size": value("7")}}))(w.t)
		if now.Name != "another" || now.Status != remuda.BlockSucceeded || now.LatestRun != b.LatestRun {
			t.Errorf("the block is %+v", now)
		}
	})
}

func TestAnIdempotencyKeyOrdersOneBlock(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", everyType())
		order := remuda.Block{Name: "b", Definition: d.ID, Inputs: map[string]remuda.Value{"secret": hidden("17")}}
		first := got(w.consumer().OrderBlock(w.t.Context(), order, "k"))(w.t)
		again := got(w.consumer().OrderBlock(w.t.Context(), order, "k"))(w.t)
		if diff := cmp.Diff(first, again); diff != "" {
			t.Error(diff)
		}
		order.Inputs = map[string]remuda.Value{"secret": hidden("18")}
		_, err := w.consumer().OrderBlock(w.t.Context(), order, "k")
		wantKind(w.t, err, remuda.Conflict)
	})
}

func TestASecretGivenByItsHashStays(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", with(tofu(), func(v *remuda.Version) {
			v.Inputs = map[string]remuda.Input{"password": {Type: remuda.TypeString, Assignment: remuda.AssignUser, Sensitive: true}}
		}))
		b := w.order(d, map[string]remuda.Value{"password": hidden("p4ssword")})
		w.succeed(nil)
		hash := b.Inputs["password"]
		if hash.Hash == "" || len(hash.Value) > 0 {
			t.Fatalf("shown is %+v", hash)
		}
		now := got(w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Inputs: map[string]remuda.Value{"password": hash}}))(w.t)
		same(w.t, "status", remuda.BlockSucceeded, now.Status)
		_, err := w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Inputs: map[string]remuda.Value{"password": {Hash: strings.Repeat("0", 32)}}})
		wantKind(w.t, err, remuda.Invalid)
		got(w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Inputs: map[string]remuda.Value{"password": hidden("an0ther")}}))(w.t)
		same(w.t, "secrets", map[string]string{"input/password": "an0ther"}, w.claim().secrets)
	})
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
)

func TestABlockIsFoundByIDNameOrItsBeginning(t *testing.T) {
	all := []candidate{
		{"01890a5d-ac96-774b-bcce-b302099a8057", "uploads", "of acme"},
		{"01890a5e-ac96-774b-bcce-b302099a8057", "uploads-old", ""},
		{"01990a5d-ac96-774b-bcce-b302099a8057", "Twin", "one"},
		{"01990a5e-ac96-774b-bcce-b302099a8057", "Twin", "other"},
	}
	find := func(_ context.Context, text string) ([]candidate, error) {
		var found []candidate
		for _, one := range all {
			if strings.Contains(one.name, text) {
				found = append(found, one)
			}
		}
		return found, nil
	}
	for _, one := range []struct{ word, id, says string }{
		{"01c90a5d-ac96-774b-bcce-b302099a8057", "01c90a5d-ac96-774b-bcce-b302099a8057", ""}, // the control plane knows better
		{"uploads", all[0].id, ""},
		{"UPLOADS-", all[1].id, ""},
		{"01890a5e", all[1].id, ""},
		{"up", "", `2 blocks may be meant by "up"`},
		{"Twin", "", "of one:\n  01990a5d-ac96-774b-bcce-b302099a8057  Twin  one\n  01990a5e"},
		{"uplaods", "", `no block is called "uplaods"; did you mean "uploads"?`},
		{"xyz", "", "'remuda block list' names those that you may see"},
		{"", "", "which block?"},
	} {
		id, err := resolve(t.Context(), "block", one.word, find)
		if id != one.id || (err == nil) != (one.says == "") || err != nil && !strings.Contains(err.Error(), one.says) {
			t.Errorf("%q is %q, %v", one.word, id, err)
		}
	}
}

func TestWhatIsTypedForAnInputBecomesItsType(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("{\"a\": 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		text string
		of   remuda.ValueType
		want string // empty for a mistake
	}{
		{"3", remuda.TypeInteger, `3`}, {"3.5", remuda.TypeInteger, ""}, {"three", remuda.TypeInteger, ""},
		{"true", remuda.TypeBoolean, `true`}, {"yes", remuda.TypeBoolean, ""},
		{"3", remuda.TypeString, `"3"`}, {"a\"b", remuda.TypeString, `"a\"b"`}, {"", remuda.TypeString, `""`},
		{"a,b", remuda.TypeList, `["a","b"]`}, {`["a,b"]`, remuda.TypeMultiSelect, `["a,b"]`}, {"", remuda.TypeList, `[]`}, {"[a", remuda.TypeList, ""},
		{"{\"a\": 1}", remuda.TypeCode, `"{\"a\": 1}"`}, {"@" + file, remuda.TypeCode, `"{\"a\": 1}\n"`},
		{"@" + file, remuda.TypeFile, `"data:text/plain; charset=utf-8;base64,eyJhIjogMX0K"`}, {"data:,x", remuda.TypeFile, `"data:,x"`},
		{"@/nowhere", remuda.TypeString, ""},
		{"3", "", `3`}, {"a b", "", `"a b"`},
	} {
		got, err := typedInput(one.text, one.of)
		if string(got) != one.want || (err == nil) != (one.want != "") {
			t.Errorf("%q for %q is %s, %v", one.text, one.of, got, err)
		}
	}
}

func TestAFolderBecomesADefinition(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(says string) {
		t.Helper()
		if _, err := readModule(dir); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("it is read with %v, want %q", err, says)
		}
	}
	refused("has no block.yml")
	write(blockFile, "name: X\nversion: {implementation: {opentofu: {version: 1.10.10}}}\n")
	refused("has no .tf or .tofu file")
	for name, text := range map[string]string{
		"main.tf": "# main", "sub/part.tftpl": "part", ".terraform.lock.hcl": "lock", ".git/config": "no", ".terraform/x": "no",
		"terraform.tfstate": "no", "terraform.tfstate.backup": "no", ".hidden": "no",
	} {
		write(name, text)
	}
	d, err := readModule(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"main.tf": "# main", "sub/part.tftpl": "part", ".terraform.lock.hcl": "lock"}
	if diff := cmp.Diff(want, d.Version.Implementation.OpenTofu.Files); diff != "" || d.Version.Implementation.Type != remuda.BlueprintOpenTofu {
		t.Errorf("its files: -want +got\n%s", diff)
	}
	write("large.tf", strings.Repeat("#", mostModuleBytes))
	refused("keep it in a repository")
	write("large.tf", "\xff\xfe")
	refused("is no text")
	write(blockFile, "name: X\nversion: {implementation: {opentofu: {version: 1.10.10, repositry: x}}}\n")
	refused(`did you mean "repository"?`)
	write(blockFile, "name: X\n")
	refused("which OpenTofu?")
	write(blockFile, "description: X\n")
	refused("needs a name")
}

func TestSecretsHaveTheirPlaceInAVersion(t *testing.T) {
	v := remuda.Version{
		Inputs: map[string]remuda.Input{"pin": {}},
		Implementation: remuda.Blueprint{OpenTofu: &remuda.OpenTofuBlueprint{
			Credentials: []remuda.GitCredential{{Host: "git.example.com"}},
		}, GitLab: &remuda.GitLabBlueprint{}},
	}
	for _, place := range []string{
		"inputs.pin.argument", "inputs.pin.default", "implementation.opentofu.ssh_key",
		"implementation.opentofu.credentials.git.example.com", "implementation.gitlab.token",
	} {
		if err := placeSecret(&v, place, remuda.NewSecret(place)); err != nil {
			t.Error(err)
		}
	}
	tofu := v.Implementation.OpenTofu
	for place, value := range map[string]*remuda.Value{
		"inputs.pin.argument": v.Inputs["pin"].Argument, "inputs.pin.default": v.Inputs["pin"].Default,
		"implementation.opentofu.ssh_key":                     tofu.SSHKey,
		"implementation.opentofu.credentials.git.example.com": tofu.Credentials[0].Token,
		"implementation.gitlab.token":                         v.Implementation.GitLab.Token,
	} {
		if value == nil || value.Secret == nil || value.Secret.Reveal() != place {
			t.Errorf("%s is not in its place", place)
		}
	}
	for _, place := range []string{"inputs.pan.default", "inputs.pin", "implementation.opentofu.credentials.other", "x"} {
		if err := placeSecret(&v, place, remuda.NewSecret("x")); err == nil {
			t.Errorf("%s has a place", place)
		}
	}
}

func TestSecretsComeFromVariablesLinesAndFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("first\nsecond\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &program{stdin: strings.NewReader("from a line\nanother\n"), env: func(name string) (string, bool) {
		return "from a variable", name == "REMUDA_SECRET_A_B"
	}}
	got, err := (&secretFlags{keys: []string{"a.b", "line", "next"}, files: []string{"key=" + file}}).read(p)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"a.b": "from a variable", "line": "from a line", "next": "another", "key": "first\nsecond\n"} {
		if got[key].Reveal() != want {
			t.Errorf("%s is %q", key, got[key].Reveal())
		}
	}
	if _, err := (&secretFlags{keys: []string{"none"}}).read(p); err == nil || !strings.Contains(err.Error(), "REMUDA_SECRET_NONE") {
		t.Errorf("a secret that is nowhere: %v", err)
	}
}

func TestAPlanReadsAsWhatWillBecomeOfThings(t *testing.T) {
	var out bytes.Buffer
	p := &program{stdout: &out, env: func(string) (string, bool) { return "", false }}
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	changes := true
	p.showPlan(remuda.BlockRun{Changes: &changes, Plan: &remuda.PlanSummary{
		Add: 1, Change: 1, Destroy: 2, Import: 1, Outputs: []string{"address"}, Cut: true,
		Resources: []remuda.ResourceChange{
			{Address: "a.new", Actions: []string{"create"}, After: map[string]json.RawMessage{"name": raw(`"x"`), "nothing": raw(`null`)}},
			{Address: "a.same", Actions: []string{"update"}, Drift: true,
				Before: map[string]json.RawMessage{"size": raw(`1`), "id": raw(`"i"`), "tag": raw(`"t"`)},
				After:  map[string]json.RawMessage{"size": raw(`2`), "tag": raw(`null`)}},
			{Address: "a.other\x1b[31m", Actions: []string{"delete", "create"}},
			{Address: "a.gone", Actions: []string{"delete"}},
		},
	}})
	want := `Plan: 1 to import, 1 to add, 1 to change, 2 to destroy
  + a.new
      name = "x"
  ~ a.same (changed outside)
      id = "i" → (known after apply)
      size = 1 → 2
      tag = "t" → (nothing)
  -/+ a.other[31m
  - a.gone
  outputs that change: address
  … and more
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

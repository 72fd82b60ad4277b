package tofu_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// outputs is what a run reported, by key: type and value.
func (d done) outputs() map[string]string {
	all := map[string]string{}
	for key, o := range d.plane.kept().report.Outputs {
		all[key] = string(o.Type) + " " + string(o.Value)
		if o.Sensitive {
			all[key] += " secret"
		}
	}
	return all
}

func (d done) wantOutputs(want map[string]string) {
	d.t.Helper()
	got := d.outputs()
	for key, value := range want {
		if got[key] != value {
			d.t.Errorf("%s is %s, want %s", key, got[key], value)
		}
	}
	if len(got) != len(want) {
		d.t.Errorf("the outputs are %v", got)
	}
}

func TestInputsArriveAsTheirTypesSay(t *testing.T) {
	module := map[string]string{"main.tf": `
variable "number" {}
variable "declared" { type = list(object({ name = string })) }
output "text" { value = "${var.text}|${var.dollar}" }
output "sum" { value = var.number + 1 }
output "not" { value = !var.flag }
output "names" { value = join(",", var.declared[*].name) }
output "hcl" { value = var.hcl.a[1] }
output "attributes" { value = "${var.attributes.a} ${var.attributes.b[0]}" }
output "json" { value = var.json.k }
output "picked" { value = join("+", var.picked) }
output "one" { value = var.one }
output "listed" { value = length(var.listed) }
output "file" { value = trimspace(file("greeting.txt")) }
output "nothing" { value = var.nothing == null }
output "fraction" { value = 1.5 }
output "object" { value = { a = [1, 2] } }
`}
	raw := func(key string, kind remuda.ValueType, value string) remuda.RunInput {
		return remuda.RunInput{Key: key, Type: kind, Value: json.RawMessage(value)}
	}
	d := carryOut(t, newPlane(), files(remuda.Apply, newer, module,
		raw("text", remuda.TypeString, `"a \"b\" ü"`),
		raw("dollar", remuda.TypeString, `"${not.a.template} %{if}"`),
		raw("number", remuda.TypeInteger, `"41"`),
		raw("flag", remuda.TypeBoolean, `"true"`),
		raw("declared", remuda.TypeCode, `"[{\"name\": \"x\"}, {\"name\": \"y\"}]"`),
		raw("hcl", remuda.TypeCode, quotedText("{\n  a = [1, \"two\"] # both\n}")),
		raw("attributes", remuda.TypeCode, quotedText("a = 1\nb = [\"two\"]\n")),
		raw("json", remuda.TypeCode, `{"k": "v"}`),
		raw("picked", remuda.TypeMultiSelect, `["p", "q"]`),
		raw("one", remuda.TypeSingleSelect, `"first"`),
		raw("listed", remuda.TypeList, `["a", "b", "c"]`),
		raw("greeting.txt", remuda.TypeFile, `"data:text/plain;base64,aGVsbG8K"`),
		raw("nothing", remuda.TypeString, `null`),
	)).succeeded()
	d.wantOutputs(map[string]string{
		"text":  `string "a \"b\" ü|${not.a.template} %{if}"`,
		"sum":   "integer 42",
		"not":   "boolean false",
		"names": `string "x,y"`,
		"hcl":   `string "two"`,
		"json":  `string "v"`,

		"attributes": `string "1 two"`,
		"picked":     `string "p+q"`,
		"one":        `string "first"`,
		"listed":     "integer 3",
		"file":       `string "hello"`,
		"nothing":    "boolean true",
		"fraction":   `code "1.5"`,
		"object":     `code "{\"a\":[1,2]}"`,
	})
}

func quotedText(text string) string { return string(quoted(text)) }

func TestAModulesOwnFileOfVariablesWins(t *testing.T) {
	module := map[string]string{
		"main.tf":            `variable "name" {}` + "\n" + `output "name" { value = var.name }`,
		"module.auto.tfvars": `name = "the module's"`,
	}
	carryOut(t, newPlane(), files(remuda.Apply, newer, module, text("name", "the order's"))).succeeded().
		wantOutputs(map[string]string{"name": `string "the module's"`})
}

func TestWhatIsGeneratedOverwritesNothing(t *testing.T) {
	module := map[string]string{
		"main.tf":                   `output "a" { value = var.a }` + "\n" + `output "b" { value = var.b }`,
		"remuda_variables.tf.json":  `{"variable": {"b": {"default": "the module's"}}}`,
		"remuda_backend.tf.json":    `{}`,
		"0-remuda.auto.tfvars.json": `{}`,
	}
	d := carryOut(t, newPlane(), files(remuda.Apply, newer, module, text("a", "given"))).succeeded()
	d.wantOutputs(map[string]string{"a": `string "given"`, "b": `string "the module's"`})
	for name, want := range module {
		if got, err := os.ReadFile(filepath.Join(d.folder.Work(), "source", name)); err != nil || string(got) != want {
			t.Errorf("%s is %q (%v)", name, got, err)
		}
	}
	input := remuda.RunInput{Key: "main.tf", Type: remuda.TypeFile, Value: quoted("data:,x")}
	carryOut(t, newPlane(), files(remuda.Apply, newer, module, input)).failed(remuda.ReasonConfig, "main.tf", "overwrite")
}

func TestFilesWithInputsAreTheTasksAlone(t *testing.T) {
	d := carryOut(t, newPlane(), files(remuda.Apply, newer, greeting, text("name", "x"),
		remuda.RunInput{Key: "file", Type: remuda.TypeFile, Value: quoted("data:,x")})).succeeded()
	for _, name := range []string{"0-remuda.auto.tfvars.json", "file"} {
		if info, err := os.Stat(filepath.Join(d.folder.Work(), "source", name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v (%v)", name, info, err)
		}
	}
}

func TestARunThatCannotBeIsAFailureOfItsConfig(t *testing.T) {
	with := func(change func(*remuda.RunOrder)) remuda.RunOrder {
		order := files(remuda.Apply, newer, greeting, text("name", "x"))
		change(&order)
		return order
	}
	input := func(i remuda.RunInput) remuda.RunOrder {
		return with(func(o *remuda.RunOrder) { o.Inputs = append(o.Inputs, i) })
	}
	for name, test := range map[string]struct {
		order remuda.RunOrder
		want  string
	}{
		"no version":         {with(func(o *remuda.RunOrder) { o.Implementation.OpenTofu.Version = "latest" }), "no exact version"},
		"a version as path":  {with(func(o *remuda.RunOrder) { o.Implementation.OpenTofu.Version = "../1.10.10" }), "no exact version"},
		"an unknown version": {with(func(o *remuda.RunOrder) { o.Implementation.OpenTofu.Version = unknown }), "there is no OpenTofu 9.9.9"},
		"no module":          {with(func(o *remuda.RunOrder) { o.Implementation.OpenTofu.Files = nil }), "neither a repository nor files"},
		"a path outside":     {with(func(o *remuda.RunOrder) { o.Implementation.OpenTofu.Path = "../x" }), "leads out"},
		"a file outside": {with(func(o *remuda.RunOrder) {
			o.Implementation.OpenTofu.Files = map[string]string{"../main.tf": ""}
		}), "leads out"},
		"a folder that is not there": {with(func(o *remuda.RunOrder) { o.Implementation.OpenTofu.Path = "sub" }), `no folder "sub"`},
		"a command as repository": {with(func(o *remuda.RunOrder) {
			o.Implementation.OpenTofu.Files, o.Implementation.OpenTofu.Repository = nil, "ext::sh -c id"
		}), "not allowed"},
		"an unknown behavior": {with(func(o *remuda.RunOrder) { o.Behavior = "LEVITATE" }), "LEVITATE"},
		"no backend":          {with(func(o *remuda.RunOrder) { o.Implementation.OpenTofu.OwnBackend = true }), "its state would be lost"},
		"code that is none":   {input(remuda.RunInput{Key: "c", Type: remuda.TypeCode, Value: quoted("1\nother = 2")}), "neither JSON nor HCL"},
		"code with functions": {input(remuda.RunInput{Key: "c", Type: remuda.TypeCode, Value: quoted(`file("/etc/passwd")`)}), "cannot be evaluated"},
		"code with blocks":    {input(remuda.RunInput{Key: "c", Type: remuda.TypeCode, Value: quoted("rule {\n  port = 1\n}")}), "has blocks of HCL (rule)"},
		"a file as path":      {input(remuda.RunInput{Key: "../x", Type: remuda.TypeFile, Value: quoted("data:,x")}), "no file can be called so"},
		"no data URL":         {input(remuda.RunInput{Key: "x", Type: remuda.TypeFile, Value: quoted("hello")}), "no data URL"},
		"a variable's name":   {input(remuda.RunInput{Key: "A B", Type: remuda.TypeString, Value: quoted("x"), Environment: true}), "no environment variable"},
		"no secret":           {input(remuda.RunInput{Key: "s", Type: remuda.TypeString, Secret: "input/s"}), "not given its secret value"},
		"no script":           {with(func(o *remuda.RunOrder) { o.Behavior = remuda.Maintenance }), "needs a script"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			carryOut(t, newPlane(), test.order).failed(remuda.ReasonConfig, test.want)
		})
	}
}

func TestTheEnvironmentHoldsNothingOfTheRunners(t *testing.T) {
	t.Setenv("REMUDA_RUNNER_TOKEN", "the-runners-own-token")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "the-runners-own-key")
	t.Setenv("TF_CLI_ARGS", "-destroy")
	order := files(remuda.Maintenance, newer, greeting, text("name", "x"),
		remuda.RunInput{Key: "GIVEN", Type: remuda.TypeInteger, Value: json.RawMessage("7"), Environment: true},
		remuda.RunInput{Key: "CODE", Type: remuda.TypeCode, Value: quoted("rule { port = 1 }"), Environment: true},
		remuda.RunInput{Key: "HIDDEN", Type: remuda.TypeString, Secret: "input/HIDDEN", Environment: true},
		remuda.RunInput{Key: "TF_HTTP_ADDRESS", Type: remuda.TypeString, Value: quoted("http://elsewhere.example.com"), Environment: true},
		remuda.RunInput{Key: "TF_CLI_CONFIG_FILE", Type: remuda.TypeString, Value: quoted("/elsewhere"), Environment: true},
	)
	order.Script = "env | sort; test \"$HIDDEN\" = correct-horse-battery"
	d := carryOut(t, newPlane(), order, func(h *agent.Handoff) {
		h.Secrets = map[string]string{"input/HIDDEN": "correct-horse-battery"}
		h.Environment = map[string]string{"OF_THE_OPERATOR": "yes", "PATH": os.Getenv("PATH")}
	}).succeeded()
	said := d.output("maintenance_script")
	for _, wanted := range []string{"GIVEN=7\n", "CODE=rule { port = 1 }\n", "OF_THE_OPERATOR=yes\n", "HOME=" + d.folder.Home() + "\n", "TMPDIR=" + d.folder.Tmp() + "\n", "TF_IN_AUTOMATION=1\n", "CHECKPOINT_DISABLE=1\n", "TF_HTTP_ADDRESS=http://127.0.0.1:"} {
		if !strings.Contains(said, wanted) {
			t.Errorf("the environment has no %q", wanted)
		}
	}
	for _, unwanted := range []string{"the-runners-own", "TF_CLI_ARGS", "elsewhere", "correct-horse-battery", "GIT_"} {
		if strings.Contains(said, unwanted) {
			t.Errorf("the environment has %q", unwanted)
		}
	}
}

func TestAScriptGetsTheRunAndTellsWhoeverOrdered(t *testing.T) {
	order := files(remuda.Apply, newer, greeting, text("name", "world"))
	order.Implementation.OpenTofu.PreRunScript = `
document=$(cat)
case "$document" in *'"behavior":"APPLY"'*'"key":"name"'*) ;; *) echo "the run is $document"; exit 1;; esac
test "$1" = APPLY
test -d .terraform || test -e remuda_backend.tf.json
tofu version
echo "Ready for $1" > "$MESHSTACK_USER_MESSAGE"
test "$MESHSTACK_USER_MESSAGE" = "$REMUDA_USER_MESSAGE"`
	d := carryOut(t, newPlane(), order).succeeded()
	messages := d.plane.kept().report.Messages
	if len(messages) != 1 || messages[0] != (remuda.StepMessage{Step: "pre_run_script", Message: "Ready for APPLY"}) {
		t.Errorf("the messages are %+v", messages)
	}
	if said := d.output("pre_run_script"); !strings.Contains(said, "v"+newer) {
		t.Errorf("the script said %q", said)
	}

	order.Implementation.OpenTofu.PreRunScript = "echo told > $REMUDA_USER_MESSAGE\nfalse | true\necho not reached"
	d = carryOut(t, newPlane(), order).failed(remuda.ReasonStep, "pre_run_script", "exit code 1")
	if messages := d.plane.kept().report.Messages; len(messages) != 1 || messages[0].Message != "told" {
		t.Errorf("the messages of a script that fails are %+v", messages)
	}
	if d.plane.kept().states != 0 {
		t.Error("it was applied after its script had failed")
	}
}

func TestMaintenanceWorksOnTheBlocksState(t *testing.T) {
	applied := carryOut(t, newPlane(), files(remuda.Apply, newer, greeting, text("name", "x"))).succeeded()
	order := files(remuda.Maintenance, newer, greeting, text("name", "x"))
	order.Script = "tofu state mv terraform_data.greeting terraform_data.other"
	d := carryOut(t, applied.plane.next(), order).succeeded()
	if state := string(d.plane.kept().state); !strings.Contains(state, `"other"`) || d.plane.kept().lock.ID != "" {
		t.Errorf("the state is %s, its lock %+v", state, d.plane.kept().lock)
	}
}

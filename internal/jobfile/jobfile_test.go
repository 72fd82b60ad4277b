package jobfile

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
)

const full = `
name: build
organization: acme
resource_class: acme/linux
project: app
working_directory: app
environment: {LEVEL: 3, DEBUG: true, EMPTY: , NAME: herd}
shell: bash -eo pipefail
source: {repository: "https://github.com/acme/app.git", ref: main}
timeout: 1h30m
queue_timeout: 2d
lost_after: 90s
cancel_grace: 500ms
max_attempts: 2
retry_interrupted: true
priority: -5
parallelism: 4
concurrency: {group: deploy prod, limit: 2, policy: replace}
capabilities: [docker, gpu/a100]
secrets: [GIT_TOKEN]
steps:
  - checkout
  - checkout: {path: src, token: GIT_TOKEN, username: bot, depth: 1, name: Fetch}
  - checkout:
  - run: echo one
  - run: |
      echo two
      echo three
  - run:
      name: Serve
      command: ./serve
      shell: sh -e
      environment: {PORT: "8080"}
      working_directory: web
      background: true
      when: always
      no_output_timeout: 1m
      timeout: 2.5m
`

func TestEveryMemberReachesTheSubmission(t *testing.T) {
	env := func(name string) (string, bool) { return "value of " + name, name == "GIT_TOKEN" }
	got, err := Parse("build.yml", []byte(full), env)
	if err != nil {
		t.Fatal(err)
	}
	duration := func(d time.Duration) remuda.Duration { return remuda.Duration(d) }
	want := remuda.Submission{
		Name: "build", Organization: "acme", ResourceClass: "acme/linux", Project: "app",
		Source:  remuda.Source{Repository: "https://github.com/acme/app.git", Ref: "main"},
		Timeout: duration(90 * time.Minute), QueueTimeout: duration(48 * time.Hour),
		LostAfter: duration(90 * time.Second), CancelGrace: duration(500 * time.Millisecond),
		MaxAttempts: 2, RetryInterrupted: true, Priority: -5, Parallelism: 4,
		Concurrency: &remuda.Concurrency{Group: "deploy prod", Limit: 2, Policy: remuda.ConcurrencyReplace}, Capabilities: []string{"docker", "gpu/a100"},
		Secrets: map[string]remuda.Secret{"GIT_TOKEN": remuda.NewSecret("value of GIT_TOKEN")},
		Job: &remuda.Job{
			WorkingDirectory: "app", Shell: "bash -eo pipefail",
			Environment: map[string]string{"LEVEL": "3", "DEBUG": "true", "EMPTY": "", "NAME": "herd"},
			Steps: []remuda.JobStep{
				{Checkout: &remuda.Checkout{}},
				{Checkout: &remuda.Checkout{Path: "src", Token: "GIT_TOKEN", Username: "bot", Depth: 1, Name: "Fetch"}},
				{Checkout: &remuda.Checkout{}},
				{Run: &remuda.Run{Command: "echo one"}},
				{Run: &remuda.Run{Command: "echo two\necho three\n"}},
				{Run: &remuda.Run{
					Name: "Serve", Command: "./serve", Shell: "sh -e", Environment: map[string]string{"PORT": "8080"},
					WorkingDirectory: "web", Background: true, When: remuda.Always,
					NoOutputTimeout: duration(time.Minute), Timeout: duration(150 * time.Second),
				}},
			},
		},
	}
	same := cmp.Comparer(func(a, b remuda.Secret) bool { return a.Reveal() == b.Reveal() })
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := Validate("build.yml", []byte(full)); err != nil {
		t.Errorf("the same file is not valid: %v", err)
	}
}

// oneStep wraps what is wrong in a step into a file that is right otherwise.
func oneStep(text string) string { return "steps:\n  - " + text + "\n" }

// top wraps what is wrong at the top.
func top(text string) string { return text + "\nsteps:\n  - run: echo hello\n" }

func TestAWrongFileSaysWhereAndWhatToDo(t *testing.T) {
	for name, test := range map[string]struct {
		file string
		want string // of the error, from its beginning
		// crossing rules tie one part of a file to another by name; a schema cannot say them.
		crossing bool
	}{
		"nothing":                   {file: "", want: "f.yml:1:1: the file is empty"},
		"null":                      {file: "# soon\n", want: "f.yml:1:1: the file is empty"},
		"no mapping":                {file: "- run: x", want: "f.yml:1:1: expected a mapping"},
		"unknown key":               {file: top("resourceclass: acme/linux"), want: `f.yml:1:1: unknown key "resourceclass"; did you mean "resource_class"?`},
		"unknown key in run":        {file: oneStep("run: {command: x, enviroment: {}}"), want: `f.yml:2:23: steps[0].run: unknown key "enviroment"; did you mean "environment"?`},
		"unknown key in checkout":   {file: "source: {repository: r}\n" + oneStep("checkout: {dept: 1}"), want: `f.yml:3:16: steps[0].checkout: unknown key "dept"; did you mean "depth"?`},
		"no steps":                  {file: "name: x", want: "f.yml:1:1: a job needs at least one step"},
		"empty steps":               {file: "name: x\nsteps: []", want: "f.yml:2:8: steps: a job needs at least one step"},
		"steps of nothing":          {file: "name: x\nsteps:", want: "f.yml:2:7: steps: a job needs at least one step"},
		"misspelt step":             {file: oneStep("chekout"), want: `f.yml:2:5: steps[0]: "chekout" is no step; did you mean "checkout"?`},
		"a command as a step":       {file: oneStep("make test"), want: `f.yml:2:5: steps[0]: "make test" is no step; write run: and then the command`},
		"misspelt key of a step":    {file: oneStep("rum: x"), want: `f.yml:2:5: steps[0]: unknown key "rum"; did you mean "run"?`},
		"two things in a step":      {file: oneStep("run: x\n    checkout:"), want: "f.yml:3:5: steps[0]: a step is one thing"},
		"run without command":       {file: oneStep("run:"), want: "f.yml:2:5: steps[0]: run needs a command"},
		"run of members without it": {file: oneStep("run: {name: x}"), want: "f.yml:2:10: steps[0].run: run needs a command"},
		"blank command":             {file: oneStep("run: ' '"), want: "f.yml:2:10: steps[0].run: run needs a command"},
		"number as a command":       {file: oneStep("run: 5"), want: "f.yml:2:10: steps[0].run: expected text, got 5"},
		"misspelt when":             {file: oneStep("run: {command: x, when: on_failure}"), want: `f.yml:2:29: steps[0].run.when: expected on_success, on_fail or always, got "on_failure"; did you mean "on_fail"?`},
		"blank shell":               {file: top("shell: ''"), want: "f.yml:1:8: shell: expected a shell"},
		"number as a name":          {file: top("name: 5"), want: "f.yml:1:7: name: expected text, got 5"},
		"long name":                 {file: top("name: " + strings.Repeat("é", 201)), want: "f.yml:1:7: name: it has 201 characters"},
		"class without namespace":   {file: top("resource_class: linux"), want: "f.yml:1:17: resource_class: expected a resource class as namespace/name"},
		"name of a variable":        {file: top("environment: {1A: x}"), want: `f.yml:1:15: environment: "1A" cannot be the name of a variable`},
		"name of a step's variable": {file: oneStep("run: {command: x, environment: {A-B: x}}"), want: `f.yml:2:37: steps[0].run.environment: "A-B" cannot be the name`},
		"list as environment":       {file: top("environment: [A=b]"), want: "f.yml:1:14: environment: expected a mapping"},
		"nested environment":        {file: top("environment: {A: {B: c}}"), want: "f.yml:1:18: environment.A: expected text"},
		"duration without unit":     {file: top("timeout: 90"), want: `f.yml:1:10: timeout: expected a duration such as 90s, 10m, 5h or 2d, got "90"`},
		"duration of nothing":       {file: top("timeout: 0s"), want: "f.yml:1:10: timeout: expected more than nothing"},
		"negative duration":         {file: top("timeout: -5m"), want: `f.yml:1:10: timeout: expected a duration such as 90s, 10m, 5h or 2d, got "-5m"`},
		"endless duration":          {file: top("timeout: 99999999h"), want: "f.yml:1:10: timeout: expected a duration"},
		"parallelism of none":       {file: top("parallelism: 0"), want: "f.yml:1:14: parallelism: expected a number from 1 to 256, got 0"},
		"too many tasks":            {file: top("parallelism: 257"), want: "f.yml:1:14: parallelism: expected a number from 1 to 256"},
		"text as a number":          {file: top("parallelism: many"), want: "f.yml:1:14: parallelism: expected a whole number"},
		"no attempts":               {file: top("max_attempts: 0"), want: "f.yml:1:15: max_attempts: expected a number from 1 to 10"},
		"priority":                  {file: top("priority: 101"), want: "f.yml:1:11: priority: expected a number from -100 to 100"},
		"group of no name":          {file: top("concurrency: {limit: 2}"), want: "f.yml:1:14: concurrency: it needs group, a name such as deploy-prod"},
		"group of an empty name":    {file: top("concurrency: {group: ''}"), want: "f.yml:1:22: concurrency.group: expected a name"},
		"group of spaces":           {file: top("concurrency: {group: ' prod'}"), want: "f.yml:1:22: concurrency.group: expected a name"},
		"group of a long name":      {file: top("concurrency: {group: " + strings.Repeat("é", 201) + "}"), want: "f.yml:1:22: concurrency.group: it has 201 characters; 200 are allowed"},
		"group of nobody":           {file: top("concurrency: {group: prod, limit: 0}"), want: "f.yml:1:35: concurrency.limit: expected a number from 1 to 10000, got 0"},
		"group as text":             {file: top("concurrency: prod"), want: "f.yml:1:14: concurrency: expected a mapping"},
		"misspelt policy":           {file: top("concurrency: {group: prod, policy: replaced}"), want: `f.yml:1:36: concurrency.policy: expected queue, replace or reject, got "replaced"; did you mean "replace"?`},
		"misspelt limit":            {file: top("concurrency: {group: prod, limits: 1}"), want: `f.yml:1:28: concurrency: unknown key "limits"; did you mean "limit"?`},
		"two words as a capability": {file: top("capabilities: [docker run]"), want: `f.yml:1:16: capabilities[0]: "docker run" cannot be a capability: one word`},
		"too many capabilities":     {file: top("capabilities: [" + strings.Repeat("a, ", 20) + "a]"), want: "f.yml:1:15: capabilities: it has 21 capabilities; 20 are allowed"},
		"capability as text":        {file: top("capabilities: docker"), want: "f.yml:1:15: capabilities: expected a list"},
		"yes is no boolean":         {file: top("retry_interrupted: yes"), want: "f.yml:1:20: retry_interrupted: expected true or false"},
		"source without repository": {file: top("source: {ref: main}"), want: "f.yml:1:9: source: it needs repository"},
		"an option as repository":   {file: top("source: {repository: --upload-pack=x}"), want: "f.yml:1:22: source.repository: a repository cannot begin with a dash"},
		"an option as ref":          {file: top("source: {repository: r, ref: -f}"), want: "f.yml:1:30: source.ref: a ref cannot begin with a dash"},
		"password in the address":   {file: top("source: {repository: 'https://bot:pw@example.com/a.git'}"), want: "f.yml:1:22: source.repository: a password in the address"},
		"checkout without source":   {file: oneStep("checkout"), want: "f.yml:2:5: steps[0]: checkout needs to know what"},
		"two ways to check out":     {file: "secrets: [A]\nsource: {repository: r}\n" + oneStep("checkout: {token: A, ssh_key: A}"), want: "f.yml:4:35: steps[0].checkout.ssh_key: a checkout goes over HTTPS with token or over SSH"},
		"negative depth":            {file: "source: {repository: r}\n" + oneStep("checkout: {depth: -1}"), want: "f.yml:3:23: steps[0].checkout.depth: expected how many commits"},
		"secret of the checkout":    {file: "secrets: [GIT_TOKEN]\nsource: {repository: r}\n" + oneStep("checkout: {token: GIT_TOKN}"), want: `f.yml:4:23: steps[0].checkout.token: it names the secret "GIT_TOKN", which is not listed; did you mean "GIT_TOKEN"?`, crossing: true},
		"name of a secret":          {file: top("secrets: [MY-KEY]"), want: `f.yml:1:11: secrets[0]: "MY-KEY" cannot be the name of a secret`},
		"the same secret twice":     {file: top("secrets: [A, A]"), want: "f.yml:1:14: secrets[1]: the secret A is named twice"},
		"secrets as a mapping":      {file: top("secrets: {A: b}"), want: "f.yml:1:10: secrets: expected a list"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("f.yml", []byte(test.file), nil)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if err := validate("f.yml", []byte(test.file)); (err == nil) != test.crossing {
				t.Errorf("the schema says %v", err)
			}
		})
	}
}

func TestTheSchemaAgreesWithParse(t *testing.T) {
	for _, file := range []string{
		full,
		oneStep("run: echo hello"),
		oneStep("run: {command: x}"),
		top("environment:"),
		top("secrets:"),
		top("timeout: 1d2h3m4s5ms"),
		top("timeout: 0.5s"),
		top("source: {repository: 'git@github.com:acme/app.git'}"),
		top("source: {repository: 'https://bot@example.com/a.git', ref: ''}"),
		"x-base: &b {command: y}\nsteps: []", // and refuses what Parse refuses
	} {
		_, parsed := Parse("f.yml", []byte(file), nil)
		if validated := validate("f.yml", []byte(file)); (parsed == nil) != (validated == nil) {
			t.Errorf("%s\nParse says  %v\nschema says %v", file, parsed, validated)
		}
	}
}

func TestEveryProblemOfAFileIsSaidAtOnce(t *testing.T) {
	_, err := Parse("f.yml", []byte("nam: x\ntimeout: 5\nsteps:\n  - rum: y\n"), nil)
	if err == nil || len(strings.Split(err.Error(), "\n")) != 3 {
		t.Errorf("got %v, want three lines", err)
	}
}

func TestASecretThatIsNotSetIsSaidBeforeAnythingIsSubmitted(t *testing.T) {
	file := top("secrets: [SET, UNSET]")
	env := func(name string) (string, bool) { return "hunter2", name == "SET" }
	_, err := Parse("f.yml", []byte(file), env)
	want := "f.yml:1:16: secrets[1]: the secret UNSET takes its value from your environment, where it is not set"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("the error tells the other secret")
	}
}

func TestThePublishedSchemaIsTheOneThatIsUsed(t *testing.T) {
	published, err := os.ReadFile("../../docs/job.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(published, Schema()) {
		t.Error("docs/job.schema.json differs: write it with `go run ./cmd/remuda task schema > docs/job.schema.json`")
	}
}

func TestBoundsAreHeldWhereOtherMembersCannotBeRead(t *testing.T) {
	_, err := Parse("build.yml", []byte("timeout: 90\npriority: many\nparallelism: 1000\nshell: [bash]\nenvironment: {1A: x}\nsteps: [run: make]\n"), nil)
	if err == nil {
		t.Fatal("accepted")
	}
	var places []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		place, _, _ := strings.Cut(line, " ")
		places = append(places, place)
	}
	want := []string{"build.yml:1:10:", "build.yml:2:11:", "build.yml:3:14:", "build.yml:4:8:", "build.yml:5:15:"}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Errorf("-want +got:\n%s\n%v", diff, err)
	}
}

func TestASecretTooShortToHideIsRefused(t *testing.T) {
	for value, accepted := range map[string]bool{"": false, "abc": false, "abcd": true} {
		_, err := Parse("build.yml", []byte("secrets: [PIN]\nsteps: [run: make]\n"), func(string) (string, bool) { return value, true })
		if (err == nil) != accepted {
			t.Errorf("a secret of %d bytes: %v", len(value), err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "build.yml:1:11: secrets[0]: the value of the secret PIN") {
			t.Error(err)
		}
	}
}

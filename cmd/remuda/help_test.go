package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// commands are all that a person may type, but for those that cobra adds.
func commands(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		if sub.Name() != "help" && sub.Name() != "completion" {
			all = append(all, commands(sub)...)
		}
	}
	return all
}

// typed runs a command line in this process, without any environment.
func typed(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, complaints bytes.Buffer
	p := &program{
		args: args, stdin: strings.NewReader(""), stdout: &out, stderr: &complaints,
		env: func(string) (string, bool) { return "", false },
	}
	code = p.run(t.Context())
	return code, out.String(), complaints.String()
}

func TestHelpIsAsItWasRead(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range commands((&program{env: func(string) (string, bool) { return "", false }}).root()) {
		words := strings.Fields(c.CommandPath())
		name := strings.Join(words, "_") + ".txt"
		seen[name] = true
		t.Run(strings.Join(words, " "), func(t *testing.T) {
			code, got, _ := typed(t, append(words[1:], "--help")...)
			if code != exitDone {
				t.Fatalf("exit code %d", code)
			}
			golden := filepath.Join("testdata", "help", name)
			got = trimmed(got)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("read it, then go test ./cmd/remuda -update: -want +got:\n%s", diff)
			}
			if c.Example == "" || !strings.Contains(got, "Exit codes:") {
				t.Error("it has no example, or does not tell its exit codes")
			}
			if strings.ContainsRune(got, '`') {
				t.Error("a quote that cobra would take for the name of a value is shown")
			}
		})
	}
	files, err := os.ReadDir(filepath.Join("testdata", "help"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !seen[file.Name()] {
			t.Errorf("testdata/help/%s is of no command", file.Name())
		}
	}
}

// trimmed is text without the spaces with which fang fills lines.
func trimmed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return strings.TrimSpace(b.String()) + "\n"
}

func TestEveryExampleIsUnderstood(t *testing.T) {
	root := (&program{env: func(string) (string, bool) { return "", false }}).root()
	for _, c := range commands(root) {
		for example := range strings.SplitSeq(c.Example, "\n") {
			_, line, found := strings.Cut(example, "remuda ")
			if !found {
				t.Errorf("%s: the example %q is of something else", c.CommandPath(), example)
				continue
			}
			line, _, _ = strings.Cut(line, " > ")
			line, _, _ = strings.Cut(line, " < ")
			words := shellFields(line)
			target, rest, err := (&program{env: func(string) (string, bool) { return "", false }}).root().Find(words)
			if err == nil {
				err = target.ParseFlags(rest)
			}
			if err == nil {
				err = target.ValidateArgs(target.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: the example %q is wrong: %v", c.CommandPath(), example, err)
			}
		}
	}
}

// shellFields splits as a shell does, as far as our examples need it.
func shellFields(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

func TestWhatIsTypedWrongMeansExitCode2(t *testing.T) {
	for _, line := range []string{
		"runn", "run --locl", "task", "task show", "task show a b", "task list --state lost", "org create", "task list -o xml",
		"run --local --url http://127.0.0.1:1 -- true", "token create x", "token create x --admin --org acme",
		"runner --slots many", "runner --url http://127.0.0.1:1 --dir /dev/null/x", "runner lst", "server --listen nowhere",
		"server --tls-cert only.pem", "server --log-level loud", "server --config nowhere.yml", "up --listen 0.0.0.0:0", "login",
	} {
		code, stdout, stderr := typed(t, strings.Fields(line)...)
		want := exitUsage
		if line == "task" {
			want = exitDone // A noun alone explains itself.
		}
		if code != want {
			t.Errorf("remuda %s: exit code %d\n%s%s", line, code, stdout, stderr)
		}
		if lines := strings.Count(stderr, "\n"); want == exitUsage && lines != 1 {
			t.Errorf("remuda %s: complains in %d lines:\n%s", line, lines, stderr)
		}
	}
}

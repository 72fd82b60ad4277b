package jobfile

import (
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/yaml"
)

// FuzzParse reads anything: it is a submission within the bounds that the control plane has, or problems that each have
// a place. Values of secrets are told to nobody.
func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	for _, name := range []string{"checkout", "hello", "parallel", "service"} {
		example, err := os.ReadFile("../../examples/" + name + ".yml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(example)
	}
	for _, text := range []string{
		"", "{}", "[]", "steps: []", "steps: [run: x]", "steps: [run: {}]", "steps: [checkout]", "steps: [{run: a, checkout: b}]",
		"steps: [run: a]\nsecrets: [A, A, 1x, B]", "steps: &a [run: x]\nname: *a", "steps: [run: x]\nparallelism: 257\npriority: -101\nmax_attempts: 0",
		"resource_class: nowhere\nsteps: run", "steps: [run: x]\nsource: {ref: -x}", "steps: [run: x]\nsource: {repository: 'https://a:b@c/d'}",
		"steps: [run: x]\ntimeout: 1h30", "steps: [run: x]\nenvironment: {1: 2, A: [b], C: \"\\0\"}", "stesp: [run: x]", "steps: [runn: x]", "shell: ' '",
	} {
		f.Add([]byte(text))
	}
	const value = "the value of a secret"
	f.Fuzz(func(t *testing.T, data []byte) {
		env := func(name string) (string, bool) { return value, name != "B" }
		got, err := Parse("job.yml", data, env)
		if err != nil {
			placed(t, err)
			if strings.Contains(err.Error(), value) && !strings.Contains(string(data), value) {
				t.Fatalf("the problem %q tells a secret", err)
			}
			return
		}
		bounded(t, got)
		for name, secret := range got.Secrets {
			if secret.Reveal() != value || !variableName.MatchString(name) {
				t.Fatalf("the secret %q is %q", name, secret.Reveal())
			}
		}
		without, err := Parse("job.yml", data, nil)
		if err != nil {
			t.Fatalf("with its secrets it is a job, without them: %v", err)
		}
		without.Secrets, got.Secrets = nil, nil
		if diff := cmp.Diff(got, without); diff != "" {
			t.Fatalf("without its secrets it is another job: %s", diff)
		}
	})
}

func placed(t *testing.T, err error) {
	t.Helper()
	var problems yaml.Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("it is refused with %v, which has no place", err)
	}
	for _, p := range problems {
		if p.File != "job.yml" || p.Line < 1 || p.Column < 1 || p.Message == "" || !utf8.ValidString(p.Message) {
			t.Fatalf("a problem is %+v", p)
		}
	}
}

// bounded holds a submission to what the native API takes.
func bounded(t *testing.T, s remuda.Submission) {
	t.Helper()
	switch {
	case s.Job == nil, len(s.Job.Steps) == 0, len(s.Job.Steps) > mostSteps:
		t.Fatal("its steps are none, or too many")
	case utf8.RuneCountInString(s.Name) > longestName, s.Parallelism < 0, s.Parallelism > mostTasks,
		s.MaxAttempts < 0, s.MaxAttempts > mostAttempts, s.Priority < -mostPriority, s.Priority > mostPriority:
		t.Fatalf("a bound does not hold: %+v", s)
	case s.Timeout < 0, s.QueueTimeout < 0, s.LostAfter < 0, s.CancelGrace < 0:
		t.Fatalf("a time is negative: %+v", s)
	case s.Source.HasPassword():
		t.Fatalf("its address %q has a password", s.Source.Repository)
	}
	for i, step := range s.Job.Steps {
		if (step.Run == nil) == (step.Checkout == nil) || step.Run != nil && step.Run.Command == "" {
			t.Fatalf("step %d is %+v", i, step)
		}
	}
}

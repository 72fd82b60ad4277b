package job_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

func itoa(n int) string { return strconv.Itoa(n) }

// environment is what env prints, by name.
func environment(text string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		found[name] = value
	}
	return found
}

func TestTheEnvironmentOfAStepHoldsThisAndNothingElse(t *testing.T) {
	t.Setenv("LEAKED", "from the agent's own environment")
	d := carryOut(t, shell("env"), func(h *agent.Handoff) {
		h.Claim.Attempt = 2
		h.Claim.Task.Index, h.Claim.Task.Total = 1, 3
		h.Claim.Task.Source = remuda.Source{Repository: "https://example.com/app.git", Ref: "main"}
		h.Environment = map[string]string{"HTTPS_PROXY": "http://proxy:3128", "LANG": "de_DE.UTF-8"}
	}).succeeded()
	got, folder := environment(d.Plane.Output(0)), d.Handoff.Folder()
	for name, want := range map[string]string{
		"PATH":                     "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME":                     folder.Home(),
		"TMPDIR":                   folder.Tmp(),
		"SHELL":                    "/bin/sh",
		"LANG":                     "de_DE.UTF-8",
		"TERM":                     "xterm-256color",
		"HTTPS_PROXY":              "http://proxy:3128",
		"CI":                       "true",
		"REMUDA":                   "true",
		"REMUDA_TASK_ID":           d.Handoff.Claim.Task.ID,
		"REMUDA_TASK_NAME":         "a task",
		"REMUDA_JOB_ID":            d.Handoff.Claim.Task.JobID,
		"REMUDA_TASK_INDEX":        "1",
		"REMUDA_TASK_TOTAL":        "3",
		"REMUDA_ATTEMPT":           "2",
		"REMUDA_ORGANIZATION":      "acme",
		"REMUDA_PROJECT":           "app",
		"REMUDA_RESOURCE_CLASS":    "acme/linux",
		"REMUDA_SOURCE_REPOSITORY": "https://example.com/app.git",
		"REMUDA_SOURCE_REF":        "main",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, not %q", name, got[name], want)
		}
		delete(got, name)
	}
	for _, name := range []string{"USER", "LOGNAME", "REMUDA_ENV", "BASH_ENV", "PWD"} {
		if got[name] == "" {
			t.Errorf("%s is not set", name)
		}
		delete(got, name)
	}
	delete(got, "SHLVL") // bash's own
	delete(got, "_")
	if len(got) > 0 {
		t.Errorf("there is more: %v", slices.Sorted(maps.Keys(got)))
	}
}

func TestTheMostSpecificVariableWins(t *testing.T) {
	d := carryOut(t, payload(remuda.Job{
		Environment: map[string]string{"A": "job", "B": "job", "C": "job", "D": "job", "CI": "job"},
		Steps: []remuda.JobStep{
			run(remuda.Run{Command: `echo "C=added" >> "$REMUDA_ENV"; echo "D=added" >> "$REMUDA_ENV"`}),
			run(remuda.Run{Command: `echo $CI $OPERATOR $A $B $C $D`, Environment: map[string]string{"D": "step"}}),
			run(remuda.Run{Command: `echo $D`}),
		},
	}), func(h *agent.Handoff) {
		h.Environment = map[string]string{"OPERATOR": "operator", "A": "operator", "CI": "operator"}
		h.Secrets = map[string]string{"B": "the-secret", "C": "the-secret", "D": "the-secret"}
	})
	d.succeeded().wrote(1, "job operator job [secret] added step\n")
	d.wrote(2, "added\n")
}

func TestValuesAreTakenAsTheyAre(t *testing.T) {
	d := carryOut(t, payload(remuda.Job{
		Environment: map[string]string{"A": "a", "B": "$A `id` \"quoted\" \n second line"},
		Steps:       []remuda.JobStep{run(remuda.Run{Command: `printf '%s' "$B"`})},
	}))
	d.succeeded().wrote(0, "$A `id` \"quoted\" \n second line")
}

func TestWhatAStepLeavesInRemudaEnvIsSetInTheStepsAfterIt(t *testing.T) {
	d := carryOut(t, shell(
		`echo "ONE=1 = one" >> $REMUDA_ENV
echo >> $REMUDA_ENV
cat >> $REMUDA_ENV <<OUTER
MANY<<END_OF_IT
first << line
SECOND=line

END_OF_IT
EMPTY=
NONE<<END_OF_IT
END_OF_IT
OUTER
echo "now: $ONE"`,
		`echo "ONE=overwritten" > $REMUDA_ENV; printf '%s|%s|%s|%s' "$ONE" "$MANY" "${EMPTY-unset}" "${NONE-unset}"`,
		`echo "$ONE"; printf 'LAST=without a line end' >> $REMUDA_ENV`,
		`echo "$LAST"`,
	))
	d.succeeded().wrote(0, "now: \n")
	d.wrote(1, "1 = one|first << line\nSECOND=line\n||")
	d.wrote(2, "overwritten\n")
	d.wrote(3, "without a line end\n")
}

func TestABadLineInRemudaEnvFailsItsStepAndIsNamed(t *testing.T) {
	for command, want := range map[string]string{
		`printf 'A=1\nhunter2 is the value\n' >> $REMUDA_ENV`: "line 2 of $REMUDA_ENV is neither KEY=value nor KEY<<WORD",
		`echo 'A B=1' >> $REMUDA_ENV`:                         "line 1 of $REMUDA_ENV: what is before = or << is no name",
		`printf 'A=1\nB<<EOF\nvalue\n' >> $REMUDA_ENV`:        `line 2 of $REMUDA_ENV: the value does not end, there is no line "EOF" after it`,
		`echo 'B<<' >> $REMUDA_ENV`:                           "line 1 of $REMUDA_ENV: after << comes the word that ends the value",
		`printf 'B=\000' >> $REMUDA_ENV`:                      "NUL",
		`rm $REMUDA_ENV; mkfifo $REMUDA_ENV`:                  "$REMUDA_ENV is no file any more",
	} {
		d := carryOut(t, steps(run(remuda.Run{Name: "set", Command: command}))).failed(remuda.ReasonStep, `step "set" left what cannot be read: `, want)
		if strings.Contains(d.result.Detail, "hunter2") {
			t.Error("a value was quoted")
		}
		if !strings.HasPrefix(d.Plane.Output(0), "remuda: ") {
			t.Errorf("the output %q does not say it", d.Plane.Output(0))
		}
	}
}

func TestWhatIsAppendedToBashEnvIsSetInLaterBashSteps(t *testing.T) {
	d := carryOut(t, steps(
		run(remuda.Run{Command: `echo 'export X=1; greet() { echo hello; }' >> "$BASH_ENV"; echo "${X-unset}"`}),
		run(remuda.Run{Command: `echo $X; greet; bash -c 'echo inner $X'`}),
		run(remuda.Run{Command: `echo "${X-unset}"`, Shell: "sh -e"}),
	))
	d.succeeded().wrote(0, "unset\n")
	d.wrote(1, "1\nhello\ninner 1\n")
	if got := d.Plane.Output(2); got != "unset\n" {
		t.Skipf("sh reads BASH_ENV on this machine: %q", got)
	}
}

func TestAnEnvironmentThatNoProcessCanHaveIsSaidInASentence(t *testing.T) {
	d := carryOut(t, steps(run(remuda.Run{Name: "big", Command: "true", Environment: map[string]string{"A": strings.Repeat("x", 200<<10)}})))
	d.failed(remuda.ReasonConfig, `step "big" cannot start: its environment is too large`)
}

package tofu_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// withProof is a module's beginning that needs our own provider.
const withProof = `
terraform {
  required_providers {
    proof = { source = "registry.example.test/remuda/proof" }
  }
}
`

// needProof skips a test where our own provider was not built.
func needProof(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(providers(t), "registry.example.test")); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("there is no provider in %s: make tools", providers(t))
	}
	t.Skipf("there is no provider in %s: make tools", providers(t))
}

func TestASecretIsShownNowhere(t *testing.T) {
	needProof(t)
	const secret = "correct-horse\nbattery-staple"
	module := map[string]string{"main.tf": withProof + `
resource "proof_echo" "it" { secret = var.password }
resource "terraform_data" "open" { input = "it is ${nonsensitive(var.password)}" }
output "password" {
  value     = proof_echo.it.text
  sensitive = true
}
output "made" {
  value     = { token = "made-while-running", list = [12345678] }
  sensitive = true
}
`}
	for _, version := range []string{newer, terraform} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			order := files(remuda.Apply, version, module, remuda.RunInput{Key: "password", Type: remuda.TypeString, Secret: "input/password"})
			secrets := func(h *agent.Handoff) { h.Secrets = map[string]string{"input/password": secret} }
			d := carryOut(t, newPlane(), order, secrets).succeeded()
			report := d.plane.kept().report
			if o := report.Outputs["password"]; !o.Sensitive || string(o.Value) != `"I know correct-horse\nbattery-staple"` {
				t.Errorf("the secret output is %+v", o)
			}
			order.Behavior = remuda.Maintenance
			order.Script = "tofu output -json 2>/dev/null || terraform output -json\ntofu state pull 2>/dev/null || terraform state pull"
			again := carryOut(t, d.plane.next(), order, secrets).succeeded()
			plan, err := json.Marshal(report.Plan)
			if err != nil {
				t.Fatal(err)
			}
			for n, place := range []string{string(d.plane.Seen().All), string(again.plane.Seen().All), string(plan), d.result.Detail} {
				for _, form := range []string{secret, "correct-horse", `correct-horse\nbattery`, "battery-staple", base64.StdEncoding.EncodeToString([]byte(secret)), "made-while-running"} {
					if strings.Contains(place, form) {
						t.Errorf("place %d holds %q:\n%s", n, form, place)
					}
				}
			}
		})
	}
}

// Whoever wrote the module did not say that it is a secret; whoever made the version did.
func TestAnOutputThatTheVersionAloneCallsSecretIsShownNowhere(t *testing.T) {
	module := map[string]string{"main.tf": `
resource "terraform_data" "it" { input = "made-while-running" }
output "token" { value = terraform_data.it.output }
output "known" { value = "known-before" }
output "open" { value = "seen-by-all" }
`}
	for _, version := range []string{newer, older, terraform} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			order := files(remuda.Apply, version, module)
			order.Outputs = map[string]remuda.Output{"token": {Type: remuda.TypeString, Sensitive: true}, "known": {Type: remuda.TypeString, Sensitive: true}, "open": {Type: remuda.TypeString}, "absent": {Type: remuda.TypeString, Sensitive: true}}
			d := carryOut(t, newPlane(), order).succeeded()
			report := d.plane.kept().report
			if o := report.Outputs["token"]; !o.Sensitive || string(o.Value) != `"made-while-running"` {
				t.Errorf("the secret output is %+v", o)
			}
			said := string(d.plane.Seen().All)
			if strings.Contains(said, "known-before") || strings.Count(said, "made-while-running") > 1 || !strings.Contains(said, "seen-by-all") {
				t.Errorf("it prints\n%s", said) // once, as the input of a resource that nobody calls secret
			}
		})
	}
}

func TestAFailureSaysWhichCommandFailed(t *testing.T) {
	needProof(t)
	module := map[string]string{"main.tf": withProof + `
resource "terraform_data" "made" { input = "before" }
resource "proof_failing" "it" {
  text       = "no such luck"
  depends_on = [terraform_data.made]
}`}
	d := carryOut(t, newPlane(), files(remuda.Apply, newer, module)).failed(remuda.ReasonStep, "execute_tf", "tofu apply", "exit code 1")
	if said := d.output("execute_tf"); !strings.Contains(said, "no such luck") {
		t.Errorf("tofu said %q", said)
	}
	kept := d.plane.kept()
	if !strings.Contains(string(kept.state), `"made"`) || kept.lock.ID != "" {
		t.Errorf("what was made is not in the state %s, or its lock is held: %+v", kept.state, kept.lock)
	}
}

func TestAnAbortLeavesStateAndNoLock(t *testing.T) {
	needProof(t)
	for _, version := range []string{newer, older, terraform} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			begun := filepath.Join(t.TempDir(), "begun")
			module := map[string]string{"main.tf": withProof + `
resource "terraform_data" "made" { input = "before" }
resource "proof_slow" "it" {
  text       = "` + begun + `"
  seconds    = 600
  depends_on = [terraform_data.made]
}`}
			b := begin(t, newPlane(), files(remuda.Apply, version, module))
			awaitFile(t, begun)
			began := time.Now()
			b.cancel()
			d := b.wait()
			if d.result.State != remuda.Canceled {
				t.Errorf("the run ended as %+v", d.result)
			}
			kept := d.plane.kept()
			if kept.lock.ID != "" || !strings.Contains(string(kept.state), `"made"`) {
				t.Errorf("the lock is held by %+v, the state is %s", kept.lock, kept.state)
			}
			if took := time.Since(began); took > 50*time.Second {
				t.Errorf("it took %s: it was killed, not ended", took)
			}
		})
	}
}

func TestAnAbortedScriptIsEndedAndOneThatDefiesIsKilled(t *testing.T) {
	for name, script := range map[string]string{
		"heeds":  "touch %s; sleep 1000",
		"defies": "trap '' TERM INT; touch %s; sleep 1000",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const grace = 2 * time.Second
			begun := filepath.Join(t.TempDir(), "begun")
			order := files(remuda.Maintenance, newer, greeting, text("name", "x"))
			order.Script = fmt.Sprintf(script, begun)
			b := begin(t, newPlane(), order, func(h *agent.Handoff) { h.Claim.CancelGrace = remuda.Duration(grace) })
			awaitFile(t, begun)
			began := time.Now()
			b.cancel()
			d := b.wait()
			if d.result.State != remuda.Canceled {
				t.Errorf("the run ended as %+v", d.result)
			}
			if took := time.Since(began); name == "defies" && took < grace || took > time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// awaitFile waits until a file is there.
func awaitFile(t *testing.T, path string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(2 * time.Minute)
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s did not appear", path)
		}
	}
}

func TestAStateThatSomebodyElseHoldsIsNotTouched(t *testing.T) {
	p := newPlane()
	p.said.lock = remuda.StateLock{ID: "another", Who: "ada@laptop", Operation: "OperationTypeApply"}
	d := carryOut(t, p, files(remuda.Apply, newer, greeting, text("name", "x"))).failed(remuda.ReasonStep, "tofu plan")
	if said := d.output("execute_tf"); !strings.Contains(said, "ada@laptop") {
		t.Errorf("tofu does not say who holds the lock: %q", said)
	}
	if d.plane.kept().states != 0 {
		t.Error("the state was written")
	}
}

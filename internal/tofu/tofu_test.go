package tofu_test

import (
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

// greeting is a module with one resource and one output.
var greeting = map[string]string{"main.tf": `
variable "name" { type = string }

resource "terraform_data" "greeting" {
  input = "hello ${var.name}"
}

output "said" { value = terraform_data.greeting.output }
`}

func TestAnApplyMakesWhatTheModuleSaysAndReportsIt(t *testing.T) {
	for _, version := range []string{newer, older, terraform} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			d := carryOut(t, newPlane(), files(remuda.Apply, version, greeting, text("name", "world"))).succeeded()
			kept := d.plane.kept()
			if got := string(kept.report.Outputs["said"].Value); got != `"hello world"` {
				t.Errorf("the output is %s", got)
			}
			if kept.report.Plan == nil || kept.report.Plan.Add != 1 || kept.report.Plan.Resources[0].Address != "terraform_data.greeting" {
				t.Errorf("the plan is %+v", kept.report.Plan)
			}
			if !strings.Contains(string(kept.state), "hello world") {
				t.Errorf("the state is %s", kept.state)
			}
			if kept.lock.ID != "" || kept.locks == 0 {
				t.Errorf("the lock was taken %d times, and is held by %+v", kept.locks, kept.lock)
			}
			if output := d.output("execute_tf"); !strings.Contains(output, "1 added") {
				t.Errorf("tofu said %s", output)
			}
		})
	}
}

func TestABlockIsPlannedAppliedAndDestroyed(t *testing.T) {
	for _, version := range []string{newer, older, terraform} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			planned := carryOut(t, newPlane(), files(remuda.Detect, version, greeting, text("name", "plan"))).succeeded()
			kept := planned.plane.kept()
			if kept.plan == nil || kept.report.Changes == nil || !*kept.report.Changes || kept.state != nil {
				t.Fatalf("the plan has %d bytes, changes are %v, the state is %s", len(kept.plan), kept.report.Changes, kept.state)
			}
			order := files(remuda.Apply, version, greeting, text("name", "plan"))
			order.Plan = true
			applied := carryOut(t, planned.plane.next(), order).succeeded()
			if got := string(applied.plane.kept().report.Outputs["said"].Value); got != `"hello plan"` {
				t.Errorf("the output is %s", got)
			}
			again := carryOut(t, applied.plane.next(), files(remuda.Detect, version, greeting, text("name", "plan"))).succeeded()
			if changes := again.plane.kept().report.Changes; changes == nil || *changes {
				t.Errorf("a plan without changes reports %v", changes)
			}
			destroyed := carryOut(t, applied.plane.next(), files(remuda.Destroy, version, greeting, text("name", "plan"))).succeeded()
			kept = destroyed.plane.kept()
			if kept.report.Plan == nil || kept.report.Plan.Destroy != 1 || strings.Contains(string(kept.state), "greeting") {
				t.Errorf("after the end the plan is %+v and the state %s", kept.report.Plan, kept.state)
			}
		})
	}
}

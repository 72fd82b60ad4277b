package meshstack_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// carryOut has the vendor's runner carry out the next run, which must be of this behavior, to a good end.
func (v vendor) carryOut(behavior string, last m) carried {
	v.t.Helper()
	run := v.claimed()
	if run.text("spec", "behavior") != behavior {
		v.t.Fatalf("the run is %s, want a %s", run, behavior)
	}
	run.register("tofu", m{"id": "execute_tf", "displayName": "Run"})
	last["status"], last["steps"] = "SUCCEEDED", []m{step("execute_tf", "SUCCEEDED", "done\n")}
	run.patch(last)
	return run
}

func TestTheVendorsRunnerLooksForChangesAndDestroys(t *testing.T) {
	v := newVendor(t, nil)
	block := v.order()
	v.carryOut("APPLY", m{})
	applied := v.settled(block, "SUCCEEDED").text("status", "latestRunUuid")

	v.want(202, "POST", kindBlock, blockV2, "/"+block+"/trigger-run", m{"dryRun": true})
	detect := v.carryOut("DETECT", m{"changesDetected": true})
	looked := v.settled(block, "SUCCEEDED")
	if looked.text("status", "latestDryRunUuid") != detect.id || looked.text("status", "latestRunUuid") != applied {
		t.Errorf("after a dry run it is %s", looked)
	}
	if native := v.send("GET", "/api/v1/blocks/"+block, "application/json", nil); native.at("drifted") != true {
		t.Errorf("the change that it found is not known of the block: %s", native)
	}

	v.want(202, "DELETE", kindBlock, blockV2, "/"+block, nil)
	destroy := v.carryOut("DESTROY", m{})
	if reason := destroy.text("spec", "trigger", "reason"); reason != "BUILDING_BLOCK_DELETION" {
		t.Errorf("it is destroyed because of %s", reason)
	}
	for end := time.Now().Add(patience); ; {
		gone := v.want(200, "GET", kindBlock, blockV2, "/"+block, nil)
		if gone.text("status", "lifecycle", "state") == "DELETED" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("destroyed, it is %s", gone)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestWhatSourcesSayIsBounded(t *testing.T) {
	v := newVendor(t, nil)
	block := v.order()
	run := v.claimed()
	many := make([]m, 101)
	for i := range many {
		many[i] = m{"id": fmt.Sprintf("step-%d", i), "displayName": "Step"}
	}
	if all := run.register("tofu", many...); all.status != 400 || !strings.Contains(all.String(), "at most 100 steps") {
		t.Errorf("101 steps are answered %s", all)
	}
	if nameless := run.register("tofu", m{"id": "", "displayName": "Step"}); nameless.status != 400 {
		t.Errorf("a step without an id is answered %s", nameless)
	}
	for i := range 20 {
		if one := run.register(fmt.Sprintf("source-%d", i)); one.status/100 != 2 {
			t.Fatalf("source %d is answered %s", i, one)
		}
	}
	if more := run.register("one-too-many"); more.status != 400 || !strings.Contains(more.String(), "at most 20 sources") {
		t.Errorf("the 21st source is answered %s", more)
	}
	// What is refused changes nothing: the run goes on.
	report := m{"blockRunId": run.id, "source": "source-0", "type": "TERRAFORM", "createdOn": "2026-11-22T09:00:00Z", "status": "IN_PROGRESS", "steps": many}
	path := strings.ReplaceAll(strings.TrimPrefix(run.text("_links", "updateSource", "href"), v.url), "{sourceId}", "source-0")
	if all := run.token.send("PATCH", path, "application/vnd.meshcloud.api.meshbuildingblockrun.v1.hal+json", report); all.status != 400 {
		t.Errorf("a report of 101 steps is answered %s", all)
	}
	report["steps"] = []m{step("huge", "IN_PROGRESS", strings.Repeat("x", 64<<20))}
	if huge := run.token.send("PATCH", path, "application/vnd.meshcloud.api.meshbuildingblockrun.v1.hal+json", report); huge.status != 413 {
		t.Errorf("a report of 64 MiB is answered %d", huge.status)
	}
	v.settled(block, "IN_PROGRESS")
}

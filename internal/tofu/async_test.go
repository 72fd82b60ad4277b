package tofu_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

func TestAnAsynchronousRunIsOneStepAndItsScriptKnowsHowToReport(t *testing.T) {
	for _, version := range []string{newer, terraform} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			seen := filepath.Join(t.TempDir(), "seen")
			order := files(remuda.Apply, version, greeting, text("name", "pipeline"))
			order.Implementation.OpenTofu.Async = true
			order.Implementation.OpenTofu.PreRunScript = `
tee "` + seen + `"
echo "it goes on elsewhere" > "$MESHSTACK_USER_MESSAGE"`
			d := carryOut(t, newPlane(), order).succeeded()
			if !d.result.External {
				t.Errorf("it ended as %+v", d.result)
			}
			steps := []string{}
			for _, step := range d.result.Steps {
				steps = append(steps, step.Name+" "+string(step.State))
			}
			if !slices.Equal(steps, []string{"trigger succeeded"}) {
				t.Errorf("its steps are %v", steps)
			}
			kept := d.plane.kept()
			if string(kept.report.Outputs["said"].Value) != `"hello pipeline"` || kept.lock.ID != "" {
				t.Errorf("it reports %+v, and the lock is %+v", kept.report.Outputs, kept.lock)
			}
			if m := kept.report.Messages; len(m) != 1 || m[0].Step != "trigger" || m[0].Message != "it goes on elsewhere" {
				t.Errorf("it says %+v", m)
			}
			document, err := os.ReadFile(seen)
			if err != nil {
				t.Fatal(err)
			}
			var run struct {
				Spec struct {
					RunToken string `json:"runToken"`
				} `json:"spec"`
				Links map[string]struct {
					Href string `json:"href"`
				} `json:"_links"`
			}
			if err := json.Unmarshal(document, &run); err != nil {
				t.Fatal(err)
			}
			if run.Spec.RunToken != runToken || run.Links["registerSource"].Href != "https://remuda.example.test/api/meshobjects/meshbuildingblockruns/"+order.Run+"/status/source" {
				t.Errorf("its script was told %s", document)
			}
			if said := string(d.plane.Seen().All); strings.Contains(said, runToken) || !strings.Contains(said, "hello") {
				t.Errorf("it prints\n%s", said)
			}
		})
	}
}

func TestADetectOfAnAsynchronousVersionEndsByItself(t *testing.T) {
	order := files(remuda.Detect, newer, greeting, text("name", "plan"))
	order.Implementation.OpenTofu.Async = true
	if d := carryOut(t, newPlane(), order).succeeded(); d.result.External || d.plane.kept().plan == nil {
		t.Errorf("it ended as %+v, with a plan of %d bytes", d.result, len(d.plane.kept().plan))
	}
}

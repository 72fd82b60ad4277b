package tofu_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

func TestTheStateIsForThisRunAlone(t *testing.T) {
	order := files(remuda.Maintenance, newer, greeting, text("name", "x"))
	order.Script = `
case "$TF_HTTP_ADDRESS" in http://127.0.0.1:*) ;; *) exit 1;; esac
for password in "" wrong "$TF_HTTP_PASSWORD"x; do
  status=$(curl -s -o /dev/null -w '%{http_code}' -u "run:$password" "$TF_HTTP_ADDRESS")
  test "$status" = 401 || { echo "with $password: $status"; exit 1; }
done
test "$(curl -s -o /dev/null -w '%{http_code}' -u "run:$TF_HTTP_PASSWORD" "$TF_HTTP_ADDRESS")" = 204
test "$(curl -s -o /dev/null -w '%{http_code}' -u "run:$TF_HTTP_PASSWORD" -X PATCH "$TF_HTTP_ADDRESS")" = 405
curl -s -u "run:$TF_HTTP_PASSWORD" -X LOCK -d '{"ID": "mine", "Who": "me"}' "$TF_HTTP_ADDRESS"
test "$(curl -s -o held -w '%{http_code}' -u "run:$TF_HTTP_PASSWORD" -X LOCK -d '{"ID": "yours"}' "$TF_HTTP_ADDRESS")" = 423
grep -q '"ID":"mine"' held
test "$(curl -s -o /dev/null -w '%{http_code}' -u "run:$TF_HTTP_PASSWORD" -X UNLOCK -d '{"ID": "yours"}' "$TF_HTTP_ADDRESS")" = 409
test "$(curl -s -o /dev/null -w '%{http_code}' -u "run:$TF_HTTP_PASSWORD" -X POST -H 'Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==' -d '{}' "$TF_HTTP_ADDRESS?ID=mine")" = 400
test "$(curl -s -o /dev/null -w '%{http_code}' -u "run:$TF_HTTP_PASSWORD" -X POST -d '{}' "$TF_HTTP_ADDRESS?ID=mine")" = 200
curl -s -u "run:$TF_HTTP_PASSWORD" -X UNLOCK -d '{"ID": "mine"}' "$TF_HTTP_ADDRESS"
if grep -rq "$TF_HTTP_PASSWORD" .; then echo "the password is in a file"; exit 1; fi
`
	d := carryOut(t, newPlane(), order).succeeded()
	if kept := d.plane.kept(); string(kept.state) != "{}" || kept.lock.ID != "" {
		t.Errorf("the state is %s, its lock %+v", kept.state, kept.lock)
	}
}

func TestAModulesOwnBackendHasAWorkspaceForTheBlock(t *testing.T) {
	for _, version := range []string{newer, terraform} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			states := filepath.Join(t.TempDir(), "states")
			module := map[string]string{"main.tf": `
terraform {
  backend "local" { workspace_dir = "` + states + `" }
}
resource "terraform_data" "it" { input = "mine" }
output "said" {
  value     = "${terraform_data.it.output} alone"
  sensitive = true
}`}
			order := files(remuda.Apply, version, module)
			order.Implementation.OpenTofu.OwnBackend = true
			d := carryOut(t, newPlane(), order).succeeded()
			d.wantOutputs(map[string]string{"said": `string "mine alone" secret`})
			if kept := d.plane.kept(); kept.states != 0 || kept.locks != 0 {
				t.Errorf("the control plane was given %d states and %d locks", kept.states, kept.locks)
			}
			made, err := os.ReadDir(states)
			if err != nil || len(made) != 1 || !strings.HasSuffix(made[0].Name(), order.Block.ID) {
				t.Errorf("the workspaces are %v (%v)", made, err)
			}
			order.Block.Name = "the same block under another name"
			again := carryOut(t, newPlane(), order).succeeded()
			if changes := again.plane.kept().report.Changes; changes == nil || *changes {
				t.Error("the second run did not find what the first had made")
			}
		})
	}
}

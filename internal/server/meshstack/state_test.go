package meshstack_test

import (
	"encoding/base64"
	"testing"
)

// state calls the state backend as OpenTofu does: by HTTP Basic, with the run token as the password.
func (c carried) state(method, query string, body any) got {
	c.t.Helper()
	by := c.token
	by.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte("any:"+c.text("spec", "runToken")))
	return by.send(method, "/api/terraform/state/workspace/acme/buildingBlock/"+c.text("spec", "buildingBlock", "uuid")+query, "application/json", body)
}

func TestTheStateIsKeptForTheHolderOfTheLock(t *testing.T) {
	v := newVendor(t, nil)
	v.order()
	run := v.claimed()
	run.register("tofu")
	if none := run.state("GET", "", nil); none.status != 404 {
		t.Errorf("where there is no state, it is answered %s", none)
	}
	lock := m{"ID": "lock-1", "Operation": "OperationTypeApply", "Info": "", "Who": "node-1", "Version": "1.10.10", "Created": "2026-11-22T09:00:00Z", "Path": ""}
	if held := run.state("LOCK", "", lock); held.status != 200 {
		t.Fatalf("a lock is answered %s", held)
	}
	if second := run.state("LOCK", "", m{"ID": "lock-2"}); second.status != 423 || second.text("ID") != "lock-1" || second.text("Who") != "node-1" {
		t.Errorf("a second lock is answered %s", second)
	}
	state := m{"version": 4, "serial": 1, "lineage": "l", "outputs": m{}}
	if kept := run.state("POST", "?ID=lock-1", state); kept.status != 200 {
		t.Errorf("a state is answered %s", kept)
	}
	if stolen := run.state("POST", "?ID=lock-2", state); stolen.status != 423 {
		t.Errorf("a state without the lock is answered %s", stolen)
	}
	if read := run.state("GET", "", nil); read.status != 200 || read.at("serial") != 1.0 || read.header.Get("Content-MD5") == "" {
		t.Errorf("read, it is %s", read)
	}
	if wrong := run.state("UNLOCK", "", m{"ID": "lock-2"}); wrong.status != 409 || wrong.text("ID") != "lock-1" {
		t.Errorf("another's unlocking is answered %s", wrong)
	}
	if given := run.state("UNLOCK", "", lock); given.status != 200 {
		t.Errorf("unlocking is answered %s", given)
	}
	if gone := run.state("DELETE", "", nil); gone.status != 200 || run.state("GET", "", nil).status != 404 {
		t.Errorf("deleting is answered %s", gone)
	}
	other := v.order()
	foreign := run.token.send("GET", "/api/terraform/state/workspace/acme/buildingBlock/"+other, "application/json", nil)
	if foreign.status != 403 {
		t.Errorf("another block's state is answered %s", foreign)
	}
}

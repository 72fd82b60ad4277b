package meshstack_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the format has it
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// vendor is a workspace whose pool the vendor's runner serves, with a definition that it carries out.
type vendor struct {
	client
	key                       *rsa.PrivateKey
	pool, definition, version string
	node                      client // the runner's machine, signed in with an API key
}

func newVendor(t *testing.T, more m) vendor {
	t.Helper()
	o := newOutpost(t)
	v := vendor{client: o.founded("acme")}
	var public string
	v.key, public = keyPair(t)
	v.pool = v.runner("acme", "tofu", "TERRAFORM", public)
	v.definition, v.version = v.client.definition("acme", "Bucket", nil)
	tofu := m{"terraformVersion": "1.10.10", "repositoryUrl": "git@example.com:acme/bucket.git", "refName": "main", "async": false, "useMeshHttpBackendFallback": true, "sshPrivateKey": m{"plaintext": "the-ssh-private-key"}}
	for member, value := range more {
		tofu[member] = value
	}
	spec := manual(v.definition, m{
		"name":  userInput("STRING", nil),
		"count": userInput("INTEGER", m{"isEnvironment": true}),
		"token": userInput("STRING", m{"isSensitive": true}),
	})
	spec["state"], spec["runnerRef"], spec["implementation"] = "RELEASED", m{"uuid": v.pool, "kind": kindRunner}, m{"type": "terraform", "terraform": tofu}
	spec["outputs"] = m{"url": m{"displayName": "URL", "type": "STRING", "assignmentType": "RESOURCE_URL"}, "size": m{"displayName": "Size", "type": "INTEGER", "assignmentType": "NONE"},
		"password": m{"displayName": "Password", "type": "STRING", "assignmentType": "NONE"}}
	v.want(200, "PUT", kindVersion, preview, "/"+v.version, thing(kindVersion, preview, m{}, spec))
	v.node = v.client
	v.node.extra = map[string]string{"X-Block-Runner-Node-Id": "node-1", "X-Meshcloud-Runner-Name": "tofu-block-runner", "X-Meshcloud-Runner-Version": "2026.30.0"}
	return v
}

const secretToken = "the-secret-token-of-the-user"

func (v vendor) order() string {
	v.t.Helper()
	made := v.want(201, "POST", kindBlock, blockV2, "", order(v.version, "acme", m{"name": value("logs"), "count": value(3), "token": value(m{"plaintext": secretToken})}))
	return made.text("metadata", "uuid")
}

// claim asks for a run.
func (v vendor) claim() got {
	return v.node.ask("POST", kindRun, "v1", "/create?forRunnerUuid="+v.pool, nil)
}

// carried is a run that the vendor's runner carries out.
type carried struct {
	vendor
	got
	token client
	id    string
}

func (v vendor) claimed() carried {
	v.t.Helper()
	claim := v.claim()
	if claim.status != 201 {
		v.t.Fatalf("a claim is answered %s", claim)
	}
	return carried{v, claim, v.as(claim.text("spec", "runToken")), claim.text("metadata", "uuid")}
}

// follow makes a request to a link of the run, in the format of runs.
func (c carried) follow(method, name string, body any) got {
	c.t.Helper()
	path := strings.TrimPrefix(c.text("_links", name, "href"), c.url)
	return c.token.send(method, strings.ReplaceAll(path, "{sourceId}", "tofu"), "application/vnd.meshcloud.api.meshbuildingblockrun.v1.hal+json", body)
}

func (c carried) register(source string, steps ...m) got {
	return c.follow("POST", "registerSource", m{"source": m{"id": source}, "steps": steps})
}

// patch reports, and gives whether the run was aborted.
func (c carried) patch(body m) bool {
	c.t.Helper()
	body["blockRunId"], body["source"], body["type"], body["createdOn"] = c.id, "tofu", "TERRAFORM", "2026-11-22T09:00:00Z"
	answer := c.follow("PATCH", "updateSource", body)
	if answer.status != 200 {
		c.t.Fatalf("a report is answered %s", answer)
	}
	aborted, _ := answer.at("runAborted").(bool)
	return aborted
}

func step(id, status, log string) m {
	return m{"id": id, "displayName": "Step " + id, "status": status, "userMessage": nil, "systemMessage": log}
}

func (v vendor) open(sealed string) string {
	v.t.Helper()
	data, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		v.t.Fatal(err)
	}
	size := v.key.Size()
	once, err := rsa.DecryptOAEP(sha1.New(), nil, v.key, data[:size], nil) //nolint:gosec // as above
	if err != nil {
		v.t.Fatal(err)
	}
	if len(once) != 16 || binary.BigEndian.Uint32(data[size:]) != 12 {
		v.t.Fatalf("the form is another one: a key of %d bytes", len(once))
	}
	block, err := aes.NewCipher(once)
	if err != nil {
		v.t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		v.t.Fatal(err)
	}
	plain, err := gcm.Open(nil, data[size+4:size+16], data[size+16:], nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return string(plain)
}

func TestTheVendorsRunnerCarriesOutARun(t *testing.T) {
	v := newVendor(t, nil)
	if none := v.claim(); none.status != 404 || none.text("detail") == "" {
		t.Errorf("where no run waits, a claim is answered %s", none)
	}
	block := v.order()
	run := v.claimed()
	golden(t, "run", got{run.status, run.header, []byte(sealedValue.ReplaceAllString(string(run.body), `"<sealed>"`))})
	if again := v.claim(); again.text("metadata", "uuid") != run.id {
		t.Errorf("whose answer was lost gets %s", again)
	}
	if key := v.open(run.text("spec", "buildingBlockDefinition", "spec", "implementation", "sshPrivateKey")); key != "the-ssh-private-key" {
		t.Errorf("the key that was sealed is %s", key)
	}
	for i := range 3 {
		input := dig(run.at("spec", "buildingBlock", "spec", "inputs"), i)
		if dig(input, "key") == "token" && v.open(dig(input, "value").(string)) != secretToken {
			t.Error("the token that was sealed is another one")
		}
	}

	steps := []m{{"id": "sources", "displayName": "Step sources"}, {"id": "execute_tf", "displayName": "Step execute_tf"}}
	if first := run.register("tofu", steps...); first.status/100 != 2 {
		t.Fatalf("a source is answered %s", first)
	}
	if again := run.register("tofu", steps...); again.status != 409 {
		t.Errorf("the same source is answered %s", again)
	}
	v.settled(block, "IN_PROGRESS")
	if run.patch(m{"status": "IN_PROGRESS", "steps": []m{step("sources", "SUCCEEDED", "cloned\n"), step("execute_tf", "IN_PROGRESS", "planning\n")}}) {
		t.Error("nobody aborted it")
	}
	run.patch(m{"status": "IN_PROGRESS", "steps": []m{step("execute_tf", "IN_PROGRESS", "planning\napplying with "+secretToken+"\nhalf of it is the-secret")}})
	logs := v.want(200, "GET", kindRun, "v1", "/"+run.id+"/logs", nil)
	if logs.text("steps", 1, "systemMessage") != "planning\napplying with [secret]\nhalf of it is " || logs.text("steps", 0, "status") != "SUCCEEDED" {
		t.Errorf("the logs are %s", logs)
	}
	// What begins anew is another revision of the step.
	run.patch(m{"status": "IN_PROGRESS", "steps": []m{step("execute_tf", "IN_PROGRESS", "once more\n")}})
	if logs = v.want(200, "GET", kindRun, "v1", "/"+run.id+"/logs", nil); logs.text("steps", 1, "systemMessage") != "once more\n" || logs.at("steps", 2) != nil {
		t.Errorf("revised, the logs are %s", logs)
	}

	last := step("execute_tf", "SUCCEEDED", "once more\ndone\n")
	last["userMessage"] = "Here you are"
	last["outputs"] = m{
		"url": m{"value": "https://x", "type": "STRING", "isSensitive": false}, "size": m{"value": 7, "type": "INTEGER", "isSensitive": false},
		"password": m{"value": "a-secret-output", "type": "STRING", "isSensitive": true},
	}
	final := m{"status": "SUCCEEDED", "summary": "all is well", "steps": []m{last}}
	run.patch(final)
	if run.patch(final) {
		t.Error("said again, it is aborted")
	}
	done := v.settled(block, "SUCCEEDED")
	if done.text("status", "outputs", "url", "value") != "https://x" || done.at("status", "outputs", "size", "value") != 7.0 || done.text("status", "outputs", "password", "value", "hash") == "" {
		t.Errorf("done, it is %s", done)
	}
	logs = v.want(200, "GET", kindRun, "v1", "/"+run.id+"/logs", nil)
	golden(t, "logs", logs)
	for what, text := range map[string]string{"an answer": done.String() + logs.String(), "the log": v.log.String()} {
		for _, secret := range []string{secretToken, "a-secret-output", "the-ssh-private-key", run.text("spec", "runToken")} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds the secret %s", what, secret)
			}
		}
	}
}

func TestTheVendorsRunnerIsToldThatItsRunWasAborted(t *testing.T) {
	v := newVendor(t, nil)
	block := v.order()
	run := v.claimed()
	run.register("tofu", m{"id": "execute_tf", "displayName": "Apply"})
	lock := m{"ID": "lock-1", "Operation": "OperationTypeApply", "Who": "node-1"}
	if held := run.state("LOCK", "", lock); held.status != 200 {
		t.Fatalf("a lock is answered %s", held)
	}
	aborted := v.send("POST", "/api/v1/runs/"+run.id+"/abort", "application/json", nil)
	if aborted.status != 200 {
		t.Fatalf("aborting is answered %s", aborted)
	}
	if !run.patch(m{"status": "IN_PROGRESS", "steps": []m{step("execute_tf", "IN_PROGRESS", "half way\n")}}) {
		t.Fatal("it is not told so")
	}
	v.settled(block, "ABORTED")
	if !run.patch(m{"status": "SUCCEEDED", "steps": []m{}}) {
		t.Error("told once, it is not told so again")
	}
	if last := run.state("POST", "?ID=lock-1", m{"version": 4, "serial": 1, "lineage": "x"}); last.status != 200 {
		t.Errorf("the state that was written at its end is answered %s", last)
	}
	v.want(202, "POST", kindBlock, blockV2, "/"+block+"/trigger-run", nil)
	next := v.claimed()
	next.register("tofu")
	if held := next.state("LOCK", "", m{"ID": "lock-2"}); held.status != 200 {
		t.Errorf("the lock of the run that was aborted is still held: %s", held)
	}
	if late := run.state("POST", "?ID=lock-1", m{"version": 4, "serial": 1, "lineage": "x"}); late.status != 410 {
		t.Errorf("a state that comes after its run is answered %s", late)
	}
}

func TestThePlanThatWasApprovedIsTheOneThatIsApplied(t *testing.T) {
	v := newVendor(t, nil)
	// An approval is ours: it is set on the draft of the next version by our own API, and stays when this format's client
	// writes that again.
	said := v.want(200, "GET", kindVersion, preview, "/"+v.version, nil).at("spec").(m)
	said["state"] = "DRAFT"
	v.version = v.want(201, "POST", kindVersion, preview, "", thing(kindVersion, preview, m{}, said)).text("metadata", "uuid")
	native := "/api/v1/definitions/" + v.definition + "/versions/2"
	var words m
	if err := json.Unmarshal(v.send("GET", native, "application/json", nil).body, &words); err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{"id", "definition", "number", "state", "blocks", "created_at"} {
		delete(words, member)
	}
	words["approval"] = true
	if put := v.send("PUT", native, "application/json", words); put.status != 200 {
		t.Fatalf("asking for approval is answered %s", put)
	}
	said["state"] = "RELEASED"
	v.want(200, "PUT", kindVersion, preview, "/"+v.version, thing(kindVersion, preview, m{}, said))

	block := v.order()
	detect := v.claimed()
	if detect.text("spec", "behavior") != "DETECT" || detect.at("_links", "planArtifact") != nil {
		t.Fatalf("the first run is %s", detect)
	}
	detect.register("tofu", m{"id": "execute_tf", "displayName": "Plan"})
	plan := []byte("a plan\x00of bytes")
	detect.patch(m{"status": "SUCCEEDED", "changesDetected": true, "artifact": base64.StdEncoding.EncodeToString(plan), "steps": []m{step("execute_tf", "SUCCEEDED", "planned\n")}})
	waiting := v.settled(block, "WAITING_FOR_APPROVAL")
	if approved := v.send("POST", "/api/v1/runs/"+waiting.text("status", "latestRunUuid")+"/approve", "application/json", nil); approved.status != 200 {
		t.Fatalf("approving is answered %s", approved)
	}
	apply := v.claimed()
	if apply.text("spec", "behavior") != "APPLY" {
		t.Fatalf("the second run is %s", apply)
	}
	apply.register("tofu", m{"id": "execute_tf", "displayName": "Apply"})
	given := apply.token.send("GET", strings.TrimPrefix(apply.text("_links", "planArtifact", "href"), v.url), "application/octet-stream", nil)
	if given.status != 200 || !bytes.Equal(given.body, plan) {
		t.Errorf("the plan is %s", given)
	}
	apply.patch(m{"status": "SUCCEEDED", "steps": []m{step("execute_tf", "SUCCEEDED", "applied\n")}})
	v.settled(block, "SUCCEEDED")
}

func TestAnAsynchronousRunWaitsForWhatItSetGoing(t *testing.T) {
	v := newVendor(t, m{"async": true})
	block := v.order()
	run := v.claimed()
	run.register("tofu", m{"id": "trigger", "displayName": "Trigger"})
	run.patch(m{"status": "SUCCEEDED", "steps": []m{step("trigger", "SUCCEEDED", "triggered\n")}})
	v.settled(block, "IN_PROGRESS")
	task := v.as(v.admin).send("GET", "/api/v1/runs/"+run.id, "application/json", nil).text("task")
	pipeline := run.follow("POST", "registerSource", m{"source": m{"id": "pipeline", "externalId": "77", "externalUrl": "https://ci/77"}, "steps": []m{{"id": "apply", "displayName": "Apply"}}})
	if pipeline.status/100 != 2 {
		t.Fatalf("the pipeline's source is answered %s", pipeline)
	}
	done := run.token.send("PATCH", "/api/meshobjects/meshbuildingblockruns/"+run.id+"/status/source/pipeline", "application/json",
		m{"status": "FAILED", "summary": "the pipeline broke", "steps": []m{step("apply", "FAILED", "no\n")}})
	if done.status != 200 {
		t.Fatalf("its report is answered %s", done)
	}
	v.settled(block, "FAILED")
	ended := v.as(v.admin).send("GET", "/api/v1/tasks/"+task, "application/json", nil)
	if ended.text("detail") != "the pipeline broke" || len(ended.at("attempts", 0, "steps").([]any)) != 2 {
		t.Errorf("its task is %s", ended)
	}
}

func TestARunTokenSpeaksForItsOwnRunAlone(t *testing.T) {
	v := newVendor(t, nil)
	v.order()
	v.order()
	one := v.claimed()
	one.register("tofu")
	two := v.claimed()
	if two.id == one.id {
		t.Fatal("there is one run")
	}
	if other := one.token.ask("POST", kindRun, "v1", "/"+two.id+"/status/source", m{"source": m{"id": "x"}}); other.status != 403 {
		t.Errorf("another run's report is answered %s", other)
	}
	if user := one.token.ask("GET", kindBlock, blockV2, "", nil); user.status != 403 {
		t.Errorf("a list of blocks is answered %s", user)
	}
	if claim := one.token.ask("POST", kindRun, "v1", "/create?forRunnerUuid="+v.pool, nil); claim.status != 403 {
		t.Errorf("a claim is answered %s", claim)
	}
	if own := one.token.ask("GET", kindRun, "v1", "/"+one.id, nil); own.status != 200 || own.text("status") != "IN_PROGRESS" && own.text("status") != "PENDING" {
		t.Errorf("its own run is answered %s", own)
	}
	if other := one.token.ask("GET", kindRun, "v1", "/"+two.id, nil); other.status != 403 {
		t.Errorf("another run is answered %s", other)
	}
	if person := v.ask("PATCH", kindRun, "v1", "/"+one.id+"/status/source/tofu", m{}); person.status != 403 {
		t.Errorf("a person's report is answered %s", person)
	}
}

func TestWhatTheFormatCannotSayFailsWithASentence(t *testing.T) {
	v := newVendor(t, nil)
	block := v.order()
	run := v.claimed()
	run.register("tofu")
	run.patch(m{"status": "SUCCEEDED", "steps": []m{}})
	v.settled(block, "SUCCEEDED")
	script := v.send("POST", "/api/v1/blocks/"+block+"/runs", "application/json", m{"behavior": "MAINTENANCE", "script": "true"})
	if script.status != 201 {
		t.Fatalf("asking for maintenance is answered %s", script)
	}
	if none := v.claim(); none.status != 404 {
		t.Errorf("the vendor's runner is given %s", none)
	}
	path := "/api/v1/runs/" + script.text("id")
	for end := time.Now().Add(patience); v.send("GET", path, "application/json", nil).text("status") != "failed"; {
		if time.Now().After(end) {
			t.Fatalf("the run is %s", v.send("GET", path, "application/json", nil))
		}
		<-time.After(20 * time.Millisecond)
	}
	if failed := v.send("GET", path, "application/json", nil); !strings.Contains(failed.text("detail"), "MAINTENANCE") {
		t.Errorf("it failed with %s", failed)
	}
}

func TestTooManyWrongLoginsAreHeldBack(t *testing.T) {
	o := newOutpost(t)
	held := got{}
	for i := 0; i < 1200 && held.status != 429; i++ {
		held = client{outpost: o}.send("POST", "/api/login", "application/json", fmt.Sprintf(`{"clientId": "x%d", "clientSecret": "y"}`, i))
	}
	if held.status != 429 || held.header.Get("Retry-After") == "" || held.text("detail") == "" {
		t.Errorf("the last of many is answered %s", held)
	}
}

func TestARunnerSignsInByHTTPBasicToo(t *testing.T) {
	v := newVendor(t, nil)
	v.order()
	made := v.want(201, "POST", kindKey, preview, "", thing(kindKey, preview, m{"ownedByWorkspace": "acme"}, m{"displayName": "runner", "permissions": []string{"BUILDINGBLOCKRUN_SAVE"}}))
	id, secret := made.text("status", "clientId"), made.text("status", "clientSecret")
	by := v.node
	by.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte("x"+id+":"+secret))
	if wrong := by.ask("POST", kindRun, "v1", "/create?forRunnerUuid="+v.pool, nil); wrong.status != 401 {
		t.Errorf("another's secret is answered %s", wrong)
	}
	by.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	if claim := by.ask("POST", kindRun, "v1", "/create?forRunnerUuid="+v.pool, nil); claim.status != 201 {
		t.Errorf("a claim is answered %s", claim)
	}
}

// sealedValue is one that differs each time.
var sealedValue = regexp.MustCompile(`"[A-Za-z0-9+/]{300,}=*"`)

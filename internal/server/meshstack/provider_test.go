package meshstack_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

const (
	kindWorkspace   = "meshWorkspace"
	kindProject     = "meshProject"
	kindTenant      = "meshTenant"
	kindKey         = "meshApiKey"
	kindIntegration = "meshIntegration"
	kindRunner      = "meshBuildingBlockRunner"
	kindDefinition  = "meshBuildingBlockDefinition"
	kindVersion     = "meshBuildingBlockDefinitionVersion"
	kindBlock       = "meshBuildingBlock"
	kindRun         = "meshBuildingBlockRun"
	preview         = "v1-preview"
	blockV2         = "v2-preview"
)

var update = flag.Bool("update", false, "write the golden files anew")

var changing = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[0-9:.]+Z|rmd_[A-Za-z0-9_]+|"hash":"[0-9a-f]+"|-----BEGIN[^"]*|127\.0\.0\.1:\d+`)

// golden holds an answer to the file of that name. What changes by itself is numbered in the order in which it is told.
func golden(t *testing.T, name string, answer got) {
	t.Helper()
	seen := map[string]string{}
	text := changing.ReplaceAllStringFunc(string(answer.body), func(found string) string {
		if seen[found] == "" {
			seen[found] = "<" + string(rune('a'+len(seen))) + ">"
		}
		return seen[found]
	})
	text = answer.header.Get("Content-Type") + "\n" + text
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("%s is\n%s\nwant\n%s", name, text, want)
	}
}

// keyPair makes the key of a pool.
func keyPair(t *testing.T) (*rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// founded makes a workspace, and signs in with an API key of it that may do all there is to do in a workspace.
func (o *outpost) founded(name string) client {
	o.t.Helper()
	o.as(o.admin).want(201, "POST", kindWorkspace, "v2", "", thing(kindWorkspace, "v2", m{"name": name, "tags": m{}}, m{"displayName": strings.ToUpper(name)}))
	var words []string
	for _, word := range remuda.Permissions() {
		if !strings.HasPrefix(word, remuda.AdmPrefix) {
			words = append(words, word)
		}
	}
	made := o.as(o.admin).want(201, "POST", kindKey, preview, "", thing(kindKey, preview, m{"ownedByWorkspace": name}, m{"displayName": "all of " + name, "permissions": words}))
	return o.login(made.text("status", "clientId"), made.text("status", "clientSecret"))
}

func TestWhoSignsInWithAnAPIKeyGetsATokenForAnHour(t *testing.T) {
	o := newOutpost(t)
	info := client{outpost: o}.send("GET", "/mesh/info", "application/json", nil)
	if info.status != 200 || info.text("version") < "2026.34.0" || info.at("is4EPEnabled") != false || info.at("metadata") == nil {
		t.Errorf("info is %s", info)
	}
	acme := o.founded("acme")
	acme.want(200, "GET", kindWorkspace, "v2", "/acme", nil)
	for _, wrong := range []string{`{"clientId": "x", "clientSecret": "y"}`, `{}`} {
		if answer := (client{outpost: o}).send("POST", "/api/login", "application/json", wrong); answer.status != 401 || answer.text("detail") == "" {
			t.Errorf("a wrong login answered %s", answer)
		}
	}
	if answer := (client{outpost: o}).ask("GET", kindWorkspace, "v2", "/acme", nil); answer.status != 401 {
		t.Errorf("nobody is answered %s", answer)
	}
}

func TestAWorkspaceIsAnOrganizationWithItsNamespace(t *testing.T) {
	o := newOutpost(t)
	admin := o.as(o.admin)
	sent := thing(kindWorkspace, "v2", m{"name": "acme", "tags": m{"team": []string{"a"}}}, m{"displayName": "Acme", "platformBuilderAccessEnabled": true})
	golden(t, "workspace", admin.want(201, "POST", kindWorkspace, "v2", "", sent))
	sent["spec"].(m)["displayName"] = "Acme Inc"
	admin.want(200, "PUT", kindWorkspace, "v2", "/acme", sent)
	if read := admin.want(200, "GET", kindWorkspace, "v2", "/acme", nil); read.text("spec", "displayName") != "Acme Inc" || read.text("metadata", "tags", "team", 0) != "a" {
		t.Errorf("read again, it is %s", read)
	}
	native := admin.send("GET", "/api/v1/namespaces/acme", "application/json", nil)
	if native.text("organization") != "acme" {
		t.Errorf("its namespace is %s", native)
	}
	if all := admin.want(200, "GET", kindWorkspace, "v2", "?size=1&page=1", nil); all.at("_embedded", "meshWorkspaces", 0) != nil || all.at("page", "totalElements") != 1.0 {
		t.Errorf("the second page of one is %s", all)
	}
	admin.want(409, "POST", kindWorkspace, "v2", "", sent)
	admin.want(204, "DELETE", kindWorkspace, "v2", "/acme", nil)
	admin.want(404, "GET", kindWorkspace, "v2", "/acme", nil)
}

func TestProjectsAndTenantsGoByTheirWorkspace(t *testing.T) {
	o := newOutpost(t)
	acme := o.founded("acme")
	golden(t, "project", acme.want(201, "POST", kindProject, "v2", "", thing(kindProject, "v2", m{"name": "shop", "ownedByWorkspace": "acme"}, m{"displayName": "Shop", "tags": m{"env": []string{"prod"}}})))
	acme.want(200, "PUT", kindProject, "v2", "/acme.shop", thing(kindProject, "v2", m{"name": "shop", "ownedByWorkspace": "acme"}, m{"displayName": "The shop"}))
	if all := acme.want(200, "GET", kindProject, "v2", "?workspaceIdentifier=acme", nil); all.text("_embedded", "meshProjects", 0, "spec", "displayName") != "The shop" {
		t.Errorf("projects are %s", all)
	}
	made := acme.want(201, "POST", kindTenant, "v4", "", thing(kindTenant, "v4", m{"ownedByWorkspace": "acme", "ownedByProject": "shop"}, m{"platformIdentifier": "aws.eu"}))
	golden(t, "tenant", made)
	id := made.text("metadata", "uuid")
	if all := acme.want(200, "GET", kindTenant, "v4", "?workspaceIdentifier=acme&projectIdentifier=shop", nil); all.text("_embedded", "meshTenants", 0, "metadata", "uuid") != id {
		t.Errorf("tenants are %s", all)
	}
	acme.want(204, "DELETE", kindTenant, "v4", "/"+id, nil)
	acme.want(404, "GET", kindTenant, "v4", "/"+id, nil)
	acme.want(204, "DELETE", kindProject, "v2", "/acme.shop", nil)
	acme.want(404, "GET", kindProject, "v2", "/acme.shop", nil)
}

func TestAnAPIKeyIsMadeChangedAndRevoked(t *testing.T) {
	o := newOutpost(t)
	acme := o.founded("acme")
	sent := thing(kindKey, preview, m{"ownedByWorkspace": "acme"}, m{"displayName": "ci", "permissions": []string{"BUILDINGBLOCK_LIST"}, "expiresAt": "2999-01-31"})
	made := acme.want(201, "POST", kindKey, preview, "", sent)
	golden(t, "api_key", made)
	id := made.text("metadata", "uuid")
	if read := acme.want(200, "GET", kindKey, preview, "/"+id, nil); read.at("status", "clientSecret") != nil || read.text("status", "clientId") != id {
		t.Errorf("read again, it is %s", read)
	}
	ci := o.login(id, made.text("status", "clientSecret"))
	if denied := ci.ask("GET", kindRunner, preview, "", nil); denied.status != 403 || !strings.Contains(denied.text("detail"), "BUILDINGBLOCKRUNNER_LIST") {
		t.Errorf("what it may not is answered %s", denied)
	}
	sent["spec"].(m)["permissions"] = []string{"BUILDINGBLOCKRUNNER_LIST"}
	acme.want(200, "PUT", kindKey, preview, "/"+id, sent)
	ci.want(200, "GET", kindRunner, preview, "", nil)
	acme.want(204, "DELETE", kindKey, preview, "/"+id, nil)
	acme.want(404, "GET", kindKey, preview, "/"+id, nil)
	if revoked := ci.ask("GET", kindRunner, preview, "", nil); revoked.status != 401 {
		t.Errorf("revoked, it is answered %s", revoked)
	}
}

func (c client) runner(workspace, name, implementation, key string) string {
	c.t.Helper()
	made := c.want(201, "POST", kindRunner, preview, "", thing(kindRunner, preview, m{"ownedByWorkspace": workspace},
		m{"displayName": name, "publicKey": key, "implementationType": implementation, "isSelfHosted": true}))
	return made.text("metadata", "uuid")
}

func TestTheProviderManagesRunners(t *testing.T) {
	o := newOutpost(t)
	acme := o.founded("acme")
	_, key := keyPair(t)
	id := acme.runner("acme", "Our Tofu Pool", "TERRAFORM", key)
	golden(t, "runner", acme.want(200, "GET", kindRunner, preview, "/"+id, nil))
	changed := acme.want(200, "PUT", kindRunner, preview, "/"+id, thing(kindRunner, preview, m{"uuid": id, "ownedByWorkspace": "acme"},
		m{"displayName": "Pool", "publicKey": key, "implementationType": "ALL", "workloadIdentityFederation": m{"issuer": "i", "subject": "s"}}))
	if changed.text("spec", "restriction") != "PRIVATE" || changed.text("spec", "workloadIdentityFederation", "issuer") != "i" {
		t.Errorf("changed, it is %s", changed)
	}
	if all := acme.want(200, "GET", kindRunner, preview, "", nil); all.text("_embedded", "meshBuildingBlockRunners", 0, "metadata", "uuid") != id {
		t.Errorf("runners are %s", all)
	}
	classes := o.as(o.admin).send("GET", "/api/v1/resource-classes", "application/json", nil)
	if name := classes.text("items", 0, "name"); name != "acme/our-tofu-pool-"+id[:8] {
		t.Errorf("its class is %s", name)
	}
	acme.want(404, "PUT", kindRunner, preview, "/00000000-0000-0000-0000-000000000000", thing(kindRunner, preview, m{"ownedByWorkspace": "acme"},
		m{"displayName": "Pool", "publicKey": key, "implementationType": "ALL"}))
	acme.want(204, "DELETE", kindRunner, preview, "/"+id, nil)
	acme.want(404, "GET", kindRunner, preview, "/"+id, nil)
}

func TestTheProviderManagesIntegrations(t *testing.T) {
	o := newOutpost(t)
	acme := o.founded("acme")
	_, key := keyPair(t)
	pool := acme.runner("acme", "hub", "GITHUB_WORKFLOW", key)
	config := m{"owner": "acme", "baseUrl": "https://api.github.com", "appId": "7", "appPrivateKey": m{"plaintext": "the-private-key-of-the-app"}, "runnerRef": m{"uuid": pool, "kind": kindRunner}}
	made := acme.want(201, "POST", kindIntegration, "v1", "", thing(kindIntegration, "v1", m{"ownedByWorkspace": "acme"}, m{"displayName": "GitHub", "config": m{"type": "github", "github": config}}))
	golden(t, "integration", made)
	id := made.text("metadata", "uuid")
	config["appPrivateKey"], config["owner"] = made.at("spec", "config", "github", "appPrivateKey"), "other"
	changed := acme.want(200, "PUT", kindIntegration, "v1", "/"+id, thing(kindIntegration, "v1", m{"ownedByWorkspace": "acme"}, m{"displayName": "GitHub", "config": m{"type": "github", "github": config}}))
	if changed.text("spec", "config", "github", "owner") != "other" || changed.text("spec", "config", "github", "runnerRef", "uuid") != pool {
		t.Errorf("changed, it is %s", changed)
	}
	acme.want(204, "DELETE", kindIntegration, "v1", "/"+id, nil)
	acme.want(404, "GET", kindIntegration, "v1", "/"+id, nil)
}

func TestWhatIsOutOfScopeIsNotHere(t *testing.T) {
	o := newOutpost(t)
	for _, path := range []string{"meshplatforms", "meshlandingzones", "meshtagdefinitions", "meshpaymentmethods/x"} {
		answer := o.as(o.admin).send("GET", "/api/meshobjects/"+path, "application/json", nil)
		if answer.status != 404 || answer.text("detail") == "" {
			t.Errorf("%s is answered %s", path, answer)
		}
	}
	answer := o.as(o.admin).ask("GET", kindBlock, "v9", "", nil)
	if answer.status != 400 || !strings.Contains(answer.text("detail"), "v2-preview and v1") {
		t.Errorf("an unknown version is answered %s", answer)
	}
}

func TestUnknownMembersAreIgnoredAndCounted(t *testing.T) {
	o := newOutpost(t)
	o.as(o.admin).want(201, "POST", kindWorkspace, "v2", "", thing(kindWorkspace, "v2", m{"name": "acme", "colour": "red"}, m{"displayName": "Acme", "mood": m{"a": 1}}))
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ignored[kindWorkspace] != 2 {
		t.Errorf("counted are %v", o.ignored)
	}
}

func names(items any, path ...any) (found []string) {
	list, _ := items.([]any)
	for _, item := range list {
		text, _ := dig(item, path...).(string)
		found = append(found, text)
	}
	slices.Sort(found)
	return found
}

package meshstack_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// definition makes one, and gives its id and that of its first version, an empty draft.
func (c client) definition(workspace, name string, spec m) (id, version string) {
	c.t.Helper()
	all := m{"displayName": name, "targetType": "WORKSPACE_LEVEL", "description": "A thing", "runTransparency": true, "useInLandingZonesOnly": false, "supportedPlatforms": []any{}}
	for member, value := range spec {
		all[member] = value
	}
	made := c.want(201, "POST", kindDefinition, preview, "", thing(kindDefinition, preview, m{"ownedByWorkspace": workspace, "tags": m{}}, all))
	return made.text("metadata", "uuid"), made.text("status", "latestVersionUuid")
}

func manual(definition string, inputs m) m {
	return m{
		"buildingBlockDefinitionRef": m{"uuid": definition, "kind": kindDefinition}, "onlyApplyOncePerTenant": false, "deletionMode": "DELETE",
		"inputs": inputs, "outputs": m{}, "state": "DRAFT", "implementation": m{"type": "manual", "manual": m{}},
	}
}

func userInput(kind string, more m) m {
	in := m{"displayName": "A " + kind, "type": kind, "assignmentType": "USER_INPUT", "isEnvironment": false, "isSensitive": false, "updateableByConsumer": true, "displayOrder": 0}
	for member, value := range more {
		in[member] = value
	}
	return in
}

func TestTheProviderManagesDefinitionsAndTheirVersions(t *testing.T) {
	o := newOutpost(t)
	acme := o.founded("acme")
	_, key := keyPair(t)
	pool := acme.runner("acme", "tofu", "TERRAFORM", key)
	other, _ := acme.definition("acme", "Network", nil)
	id, first := acme.definition("acme", "Bucket", m{"symbol": "data:image/png;base64,AA==", "supportUrl": "https://help", "notificationSubscriberUsernames": []string{"ann"}})
	golden(t, "definition", acme.want(200, "GET", kindDefinition, preview, "/"+id, nil))

	spec := m{
		"buildingBlockDefinitionRef": m{"uuid": id, "kind": kindDefinition}, "onlyApplyOncePerTenant": true, "deletionMode": "PURGE", "state": "DRAFT", "versionNumber": 1,
		"permissions": []string{"TENANT_LIST"}, "runnerRef": m{"uuid": pool, "kind": kindRunner}, "dependencyDefinitionRefs": []m{{"uuid": other, "kind": kindDefinition}},
		"inputs": m{
			"name":   userInput("STRING", m{"valueValidationRegex": "[a-z]+", "validationRegexErrorMessage": "small letters", "description": "Its name", "displayOrder": 1}),
			"size":   userInput("INTEGER", m{"defaultValue": 3, "updateableByConsumer": false}),
			"tier":   userInput("SINGLE_SELECT", m{"selectableValues": []string{"a", "b"}}),
			"token":  m{"displayName": "Token", "type": "STRING", "assignmentType": "STATIC", "isSensitive": true, "isEnvironment": true, "updateableByConsumer": false, "argument": m{"plaintext": "a-static-secret"}},
			"net":    m{"displayName": "Net", "type": "STRING", "assignmentType": "BUILDING_BLOCK_OUTPUT", "argument": other + ".id"},
			"ws":     m{"displayName": "Workspace", "type": "STRING", "assignmentType": "WORKSPACE_IDENTIFIER"},
			"limits": m{"displayName": "Limits", "type": "CODE", "assignmentType": "PLATFORM_OPERATOR_MANUAL_INPUT"},
		},
		"outputs": m{"url": m{"displayName": "URL", "type": "STRING", "assignmentType": "RESOURCE_URL", "displayOrder": 2}},
		"implementation": m{"type": "terraform", "terraform": m{
			"terraformVersion": "1.10.10", "repositoryUrl": "git@example.com:acme/bucket.git", "repositoryPath": "modules/bucket", "refName": "main", "async": false,
			"sshPrivateKey": m{"plaintext": "the-ssh-private-key"}, "sshKnownHost": m{"host": "example.com", "keyType": "ssh-ed25519", "keyValue": "AAAA"},
			"useMeshHttpBackendFallback": true, "preRunScript": "echo hello",
		}},
	}
	put := acme.want(200, "PUT", kindVersion, preview, "/"+first, thing(kindVersion, preview, m{"uuid": first, "ownedByWorkspace": "acme"}, spec))
	golden(t, "version", put)
	if strings.Contains(put.String(), "a-static-secret") || strings.Contains(put.String(), "the-ssh-private-key") {
		t.Errorf("a secret is shown: %s", put)
	}

	// What came is sent back with its hashes, as the provider does: it is kept, and frozen once it is released.
	back := put.at("spec").(m)
	back["state"] = "RELEASED"
	released := acme.want(200, "PUT", kindVersion, preview, "/"+first, thing(kindVersion, preview, m{}, back))
	if released.text("status", "state") != "RELEASED" || released.text("spec", "inputs", "token", "argument", "hash") != put.text("spec", "inputs", "token", "argument", "hash") {
		t.Errorf("released, it is %s", released)
	}
	acme.want(200, "PUT", kindVersion, preview, "/"+first, thing(kindVersion, preview, m{}, back)) // which says the same
	back["deletionMode"] = "DELETE"
	if frozen := acme.ask("PUT", kindVersion, preview, "/"+first, thing(kindVersion, preview, m{}, back)); frozen.status/100 != 4 || frozen.text("detail") != "Updating a version_spec in non-draft state is not allowed" {
		t.Errorf("a change of a released version is answered %s", frozen)
	}

	back["state"] = "DRAFT"
	second := acme.want(201, "POST", kindVersion, preview, "", thing(kindVersion, preview, m{"ownedByWorkspace": "acme"}, back))
	if second.at("spec", "versionNumber") != 2.0 {
		t.Errorf("the next version is %s", second)
	}
	shown := acme.want(200, "GET", kindDefinition, preview, "/"+id, nil)
	if shown.at("status", "latestVersion") != 2.0 || shown.at("status", "latestReleasedVersion") != 1.0 || shown.text("status", "latestReleasedVersionUuid") != first {
		t.Errorf("the definition says %s", shown)
	}
	all := acme.want(200, "GET", kindVersion, preview, "?buildingBlockDefinitionUuid="+id, nil)
	if len(all.at("_embedded", "meshBuildingBlockDefinitionVersions").([]any)) != 2 {
		t.Errorf("versions are %s", all)
	}
	acme.want(204, "DELETE", kindVersion, preview, "/"+second.text("metadata", "uuid"), nil)
	acme.want(404, "GET", kindVersion, preview, "/"+second.text("metadata", "uuid"), nil)
	acme.want(200, "PUT", kindDefinition, preview, "/"+id, thing(kindDefinition, preview, m{"tags": m{"a": []string{"b"}}}, m{"displayName": "Bucket 2", "targetType": "WORKSPACE_LEVEL", "description": "x"}))
	if shown = acme.want(200, "GET", kindDefinition, preview, "?ownedByWorkspace=acme", nil); !slices.Equal(names(shown.at("_embedded", "meshBuildingBlockDefinitions"), "spec", "displayName"), []string{"Bucket 2", "Network"}) {
		t.Errorf("definitions are %s", shown)
	}
	acme.want(204, "DELETE", kindDefinition, preview, "/"+id, nil)
	acme.want(404, "GET", kindDefinition, preview, "/"+id, nil)
}

func TestAVersionSaysHowAPipelineIsCarriedOut(t *testing.T) {
	o := newOutpost(t)
	acme := o.founded("acme")
	made := acme.want(201, "POST", kindIntegration, "v1", "", thing(kindIntegration, "v1", m{"ownedByWorkspace": "acme"}, m{"displayName": "GitLab", "config": m{"type": "gitlab", "gitlab": m{"baseUrl": "https://gitlab.example.com"}}}))
	with := m{"uuid": made.text("metadata", "uuid"), "kind": kindIntegration}
	for kind, members := range map[string]m{
		"githubWorkflows":     {"repository": "r", "branch": "main", "applyWorkflow": "a.yml", "destroyWorkflow": "d.yml", "async": true, "omitRunObjectInput": true, "integrationRef": with},
		"gitlabPipeline":      {"projectId": "7", "refName": "main", "pipelineTriggerToken": m{"plaintext": "trigger-token"}, "integrationRef": with},
		"azureDevOpsPipeline": {"project": "p", "pipelineId": "7", "refName": "main", "async": true, "integrationRef": with},
	} {
		id, version := acme.definition("acme", kind, nil)
		spec := manual(id, m{})
		spec["implementation"] = m{"type": kind, kind: members}
		put := acme.want(200, "PUT", kindVersion, preview, "/"+version, thing(kindVersion, preview, m{}, spec))
		golden(t, "implementation_"+kind, got{put.status, put.header, []byte(jsonOf(t, put.at("spec", "implementation")))})
		spec["implementation"] = put.at("spec", "implementation")
		acme.want(200, "PUT", kindVersion, preview, "/"+version, thing(kindVersion, preview, m{}, spec))
	}
}

// desk is a released manual definition of three inputs, and its version.
func (c client) desk(workspace string) (definition, version string) {
	c.t.Helper()
	definition, version = c.definition(workspace, "Desk", nil)
	spec := manual(definition, m{
		"floor": userInput("INTEGER", nil),
		"color": userInput("SINGLE_SELECT", m{"selectableValues": []string{"oak", "white"}, "defaultValue": "oak", "updateableByConsumer": false}),
		"pin":   userInput("STRING", m{"isSensitive": true}),
		"owner": m{"displayName": "Owner", "type": "STRING", "assignmentType": "STATIC", "argument": "facility"},
	})
	spec["state"] = "RELEASED"
	put := c.want(200, "PUT", kindVersion, preview, "/"+version, thing(kindVersion, preview, m{}, spec))
	if put.text("spec", "outputs", "color", "type") != "STRING" {
		c.t.Fatalf("the outputs of a manual version do not follow from its inputs: %s", put)
	}
	return definition, version
}

func order(version, workspace string, inputs m) m {
	return thing(kindBlock, blockV2, m{"ownedByWorkspace": workspace}, m{
		"buildingBlockDefinitionVersionRef": m{"uuid": version, "kind": kindVersion}, "targetRef": m{"kind": kindWorkspace, "name": workspace},
		"displayName": "mine", "inputs": inputs, "parentBuildingBlockRefs": []any{},
	})
}

func value(v any) m { return m{"value": v} }

// patience is how long something may take: only what is broken reaches it.
const patience = 2 * time.Minute

// settled reads a block until it stands somewhere.
func (c client) settled(id string, want string) got {
	c.t.Helper()
	for end := time.Now().Add(patience); ; {
		read := c.want(200, "GET", kindBlock, blockV2, "/"+id, nil)
		if read.text("status", "status") == want {
			return read
		}
		if time.Now().After(end) {
			c.t.Fatalf("it does not become %s: %s", want, read)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestTheProviderManagesBlocks(t *testing.T) {
	o := newOutpost(t)
	acme, shop := o.founded("acme"), o.founded("shop")
	definition, version := acme.desk("acme")

	made := shop.want(201, "POST", kindBlock, blockV2, "", order(version, "shop", m{"pin": value(m{"plaintext": "1234-secret"})}))
	id := made.text("metadata", "uuid")
	if made.text("status", "status") != "WAITING_FOR_USER_INPUT" || made.at("spec", "inputs", "floor", "value") != nil || made.text("spec", "inputs", "floor", "assignmentType") != "USER_INPUT" {
		t.Fatalf("what lacks an input is %s", made)
	}
	change := func(spec m) got {
		return shop.ask("PUT", kindBlock, blockV2, "/"+id, thing(kindBlock, blockV2, m{}, spec))
	}
	if given := change(m{"displayName": "mine", "inputs": m{"floor": value(3)}}); given.status != 200 {
		t.Fatalf("giving it is answered %s", given)
	}
	done := shop.settled(id, "SUCCEEDED")
	golden(t, "block", done)
	if done.at("status", "outputs", "floor", "value") != 3.0 || done.text("status", "outputs", "pin", "value", "hash") == "" || strings.Contains(done.String(), "1234-secret") {
		t.Errorf("done, it is %s", done)
	}
	golden(t, "block_v1", shop.want(200, "GET", kindBlock, "v1", "/"+id, nil))

	if locked := change(m{"inputs": m{"color": value("white")}}); locked.status != 403 || !strings.Contains(locked.text("detail"), "you don't have sufficient permissions") {
		t.Errorf("changing a locked input is answered %s", locked)
	}
	if static := change(m{"inputs": m{"owner": value("me")}}); static.status != 400 || !strings.Contains(static.text("detail"), "is not defined as a customer or platform-operator input") {
		t.Errorf("giving a static input is answered %s", static)
	}
	runs := done.text("status", "latestRunUuid")
	if named := change(m{"displayName": "ours"}); named.status != 200 || named.text("status", "latestRunUuid") != runs {
		t.Errorf("a new name is answered %s", named)
	}
	shop.want(202, "POST", kindBlock, blockV2, "/"+id+"/trigger-run", nil)
	shop.want(202, "POST", kindBlock, blockV2, "/"+id+"/trigger-run", m{"dryRun": true})
	if again := shop.settled(id, "SUCCEEDED"); again.text("status", "latestRunUuid") == runs || again.at("status", "latestDryRunUuid") == nil {
		t.Errorf("after two runs it is %s", again)
	}

	// Upgraded, it takes the default of what is new.
	next := manual(definition, m{"floor": userInput("INTEGER", nil), "lamp": userInput("BOOLEAN", m{"defaultValue": true})})
	next["state"] = "RELEASED"
	second := acme.want(201, "POST", kindVersion, preview, "", thing(kindVersion, preview, m{}, next))
	if up := change(m{"buildingBlockDefinitionVersionRef": m{"uuid": second.text("metadata", "uuid")}}); up.status != 200 || up.at("spec", "inputs", "lamp", "value") != true {
		t.Errorf("an upgrade is answered %s", up)
	}
	shop.settled(id, "SUCCEEDED")

	for query, want := range map[string]int{
		"": 1, "?workspaceIdentifier=shop": 1, "?workspaceIdentifier=acme": 0, "?name=ours": 1, "?name=other": 0, "?definitionUuid=" + definition: 1,
		"?versionUuid=" + version: 0, "?versionNumber=v2": 1, "?versionNumber=2": 1, "?versionNumber=1": 0, "?targetRefKind=meshWorkspace": 1, "?targetRefKind=meshTenant": 0,
		"?status=SUCCEEDED": 1, "?status=FAILED": 0, "?managedByWorkspaceIdentifier=acme": 1, "?managedByWorkspaceIdentifier=shop": 0, "?managedByDefinitionUuid=" + definition: 1,
		"?projectIdentifier=none": 0, "?platformIdentifier=aws": 0, "?tenantUuid=" + id: 0, "?page=1&size=1": 0,
	} {
		for _, edition := range []string{blockV2, "v1"} {
			all := shop.want(200, "GET", kindBlock, edition, query, nil)
			items, is := all.at("_embedded", "meshBuildingBlocks").([]any)
			if !is || len(items) != want {
				t.Errorf("%s as %s lists %s, want %d", query, edition, all, want)
			}
		}
	}

	shop.want(202, "DELETE", kindBlock, blockV2, "/"+id, nil)
	for end := time.Now().Add(patience); ; {
		gone := shop.want(200, "GET", kindBlock, blockV2, "/"+id, nil)
		if gone.text("status", "lifecycle", "state") == "DELETED" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("deleted, it is %s", gone)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestABlockOfATenantIsOrderedInBothVersions(t *testing.T) {
	o := newOutpost(t)
	acme := o.founded("acme")
	acme.want(201, "POST", kindProject, "v2", "", thing(kindProject, "v2", m{"name": "shop", "ownedByWorkspace": "acme"}, m{"displayName": "Shop"}))
	tenant := acme.want(201, "POST", kindTenant, "v4", "", thing(kindTenant, "v4", m{"ownedByWorkspace": "acme", "ownedByProject": "shop"}, m{"platformIdentifier": "aws.eu"})).text("metadata", "uuid")
	definition, version := acme.definition("acme", "Account", m{"targetType": "TENANT_LEVEL"})
	spec := manual(definition, m{
		"owner": userInput("STRING", nil), "project": m{"type": "STRING", "assignmentType": "PROJECT_IDENTIFIER"},
		"platform": m{"type": "STRING", "assignmentType": "FULL_PLATFORM_IDENTIFIER"},
	})
	spec["state"] = "RELEASED"
	acme.want(200, "PUT", kindVersion, preview, "/"+version, thing(kindVersion, preview, m{}, spec))

	sent := order(version, "acme", m{"owner": value("ann")})
	sent["spec"].(m)["targetRef"] = m{"kind": kindTenant, "uuid": tenant}
	made := acme.want(201, "POST", kindBlock, blockV2, "", sent)
	if made.text("spec", "targetRef", "uuid") != tenant || made.text("spec", "inputs", "project", "value") != "shop" || made.text("spec", "inputs", "platform", "value") != "aws.eu" {
		t.Errorf("the order is %s", made)
	}
	old := acme.want(201, "POST", kindBlock, "v1", "", m{
		"apiVersion": "v1", "kind": kindBlock, "metadata": m{"definitionUuid": definition, "definitionVersion": 1, "tenantIdentifier": "acme.shop.aws.eu"},
		"spec": m{"displayName": "old", "inputs": []m{{"key": "owner", "value": "bob", "valueType": "STRING"}}, "parentBuildingBlocks": []any{m{"buildingBlockUuid": made.text("metadata", "uuid"), "definitionUuid": definition}}},
	})
	id := old.text("metadata", "uuid")
	if old.text("metadata", "tenantIdentifier") != "acme.shop.aws.eu" || old.text("spec", "parentBuildingBlocks", 0, "definitionUuid") != definition {
		t.Errorf("the order in v1 is %s", old)
	}
	read := acme.settled(id, "SUCCEEDED")
	if read.text("spec", "parentBuildingBlockRefs", 0, "uuid") != made.text("metadata", "uuid") {
		t.Errorf("in the other version it is %s", read)
	}
	if all := acme.want(200, "GET", kindBlock, blockV2, "?tenantUuid="+tenant+"&projectIdentifier=shop&platformIdentifier=aws.eu&targetRefKind=meshTenant", nil); all.at("page", "totalElements") != 2.0 {
		t.Errorf("blocks of the tenant are %s", all)
	}
	acme.want(202, "DELETE", kindBlock, "v1", "/"+id+"/purge", nil)
	if gone := acme.want(200, "GET", kindBlock, "v1", "/"+id, nil); gone.at("metadata", "forcePurge") != true || gone.text("metadata", "markedForDeletionOn") == "" {
		t.Errorf("purged, it is %s", gone)
	}
}

func TestWhoMayNotSeeRunsLearnsOfNoRun(t *testing.T) {
	o := newOutpost(t)
	acme, shop := o.founded("acme"), o.founded("shop")
	definition, version := acme.definition("acme", "Desk", m{"runTransparency": false})
	spec := manual(definition, m{"floor": userInput("INTEGER", nil)})
	spec["state"] = "RELEASED"
	acme.want(200, "PUT", kindVersion, preview, "/"+version, thing(kindVersion, preview, m{}, spec))
	id := shop.want(201, "POST", kindBlock, blockV2, "", order(version, "shop", m{"floor": value("3")})).text("metadata", "uuid")
	read := shop.settled(id, "SUCCEEDED")
	if run, is := read.at("status").(m)["latestRunUuid"]; !is || run != nil {
		t.Errorf("who ordered it sees %s", read)
	}
	if read = acme.settled(id, "SUCCEEDED"); read.text("status", "latestRunUuid") == "" {
		t.Errorf("the definition's owner sees %s", read)
	}
}

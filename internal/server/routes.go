package server

import (
	"time"

	"github.com/remuda-dev/remuda"
)

// longestHold is how long a sync is held when nothing happens; the rule decides, this bounds the connection.
const longestHold = 50 * time.Second

// addRoutes is the table of contents: who may call what, and what answers. Every line is also in the OpenAPI
// document, under its id; texts.go says there what it does.
func addRoutes(s *Server) {
	const v1 = "/api/v1"

	forUser(s, "GET "+v1+"/organizations", "list-organizations", listOrganizations)
	forUser(s, "POST "+v1+"/organizations", "create-organization", createOrganization, made)
	forUser(s, "GET "+v1+"/organizations/{organization}", "show-organization", showOrganization)
	forUser(s, "PATCH "+v1+"/organizations/{organization}", "change-organization", changeOrganization)
	forUser(s, "DELETE "+v1+"/organizations/{organization}", "delete-organization", deleteOrganization)
	forUser(s, "GET "+v1+"/organizations/{organization}/suggested-namespace", "suggest-namespace", suggestNamespace)

	forUser(s, "GET "+v1+"/namespaces", "list-namespaces", listNamespaces)
	forUser(s, "POST "+v1+"/namespaces", "claim-namespace", claimNamespace, made)
	forUser(s, "GET "+v1+"/namespaces/{namespace}", "show-namespace", showNamespace)
	forUser(s, "DELETE "+v1+"/namespaces/{namespace}", "delete-namespace", deleteNamespace)
	forUser(s, "POST "+v1+"/namespaces/{namespace}/transfer", "transfer-namespace", transferNamespace)
	forUser(s, "POST "+v1+"/namespaces/{namespace}/rename", "rename-namespace", renameNamespace)

	forUser(s, "GET "+v1+"/organizations/{organization}/projects", "list-projects", listProjects)
	forUser(s, "POST "+v1+"/organizations/{organization}/projects", "create-project", createProject, made)
	forUser(s, "GET "+v1+"/organizations/{organization}/projects/{project}", "show-project", showProject)
	forUser(s, "PATCH "+v1+"/organizations/{organization}/projects/{project}", "change-project", changeProject)
	forUser(s, "DELETE "+v1+"/organizations/{organization}/projects/{project}", "delete-project", deleteProject)

	forUser(s, "GET "+v1+"/resource-classes", "list-resource-classes", listResourceClasses)
	forUser(s, "POST "+v1+"/resource-classes", "create-resource-class", createResourceClass, made)
	forUser(s, "GET "+v1+"/resource-classes/{namespace}/{name}", "show-resource-class", showResourceClass)
	forUser(s, "PATCH "+v1+"/resource-classes/{namespace}/{name}", "change-resource-class", changeResourceClass)
	forUser(s, "DELETE "+v1+"/resource-classes/{namespace}/{name}", "delete-resource-class", deleteResourceClass)
	forScaler(s, "GET "+v1+"/resource-classes/{namespace}/{name}/scaling", "show-scaling", showScaling)

	forUser(s, "GET "+v1+"/tokens", "list-tokens", listTokens)
	forUser(s, "POST "+v1+"/tokens", "create-token", createToken, made)
	forUser(s, "DELETE "+v1+"/tokens/{token}", "revoke-token", revokeToken)

	forAnyone(s, "POST "+v1+"/runners", "register-runner", s.registerRunner, made)
	forUser(s, "GET "+v1+"/runners", "list-runners", listRunners)
	forUser(s, "GET "+v1+"/runners/{runner}", "show-runner", showRunner)
	forUser(s, "POST "+v1+"/runners/{runner}/pause", "pause-runner", pauseRunner)
	forUser(s, "POST "+v1+"/runners/{runner}/resume", "resume-runner", resumeRunner)
	forUser(s, "POST "+v1+"/runners/{runner}/drain", "drain-runner", drainRunner)
	forRunner(s, "POST "+v1+"/runners/{runner}/sync", "sync-runner", s.syncRunner, held(longestHold), answers[remuda.SyncAnswer])
	forRunner(s, "DELETE "+v1+"/runners/{runner}", "goodbye-runner", goodbyeRunner)

	forUser(s, "POST "+v1+"/tasks", "submit-job", submitJob, made, large)
	forUser(s, "GET "+v1+"/tasks", "list-tasks", listTasks)
	forUser(s, "GET "+v1+"/tasks/{task}", "show-task", showTask)
	forUser(s, "POST "+v1+"/tasks/{task}/cancel", "cancel-task", cancelTask)
	forUser(s, "POST "+v1+"/tasks/{task}/retry", "retry-task", retryTask, made)
	forUser(s, "GET "+v1+"/tasks/{task}/why", "explain-task", explainTask)
	forUser(s, "GET "+v1+"/tasks/{task}/output", "read-output", s.readOutput, streams(plainText, eventStream))

	forUser(s, "GET "+v1+"/activity", "show-activity", showActivity)
	forUser(s, "GET "+v1+"/events", "list-events", s.listEvents, streams(eventStream), answers[remuda.Page[remuda.Event]])

	addBlockRoutes(s)

	forTask(s, "POST "+v1+"/claims/{claim}/begin", "begin-claim", beginClaim)
	forTask(s, "PUT "+v1+"/claims/{claim}/steps", "report-steps", reportSteps)
	forTask(s, "GET "+v1+"/claims/{claim}/steps/{step}/output", "show-stream", showStream)
	forTask(s, "POST "+v1+"/claims/{claim}/steps/{step}/output", "append-output", appendOutput, large)
	forTask(s, "POST "+v1+"/claims/{claim}/steps/{step}/output/close", "close-stream", closeStream)
	forRunner(s, "POST "+v1+"/runners/{runner}/finish", "finish-claims", finishClaims, large)
	forRunner(s, "POST "+v1+"/claims/{claim}/finish", "finish-claim", finishClaim)
	forRunner(s, "POST "+v1+"/claims/{claim}/return", "return-claim", returnClaim)

	forUser(s, "GET "+v1+"/whoami", "whoami", whoAmI)
	forAnyone(s, "GET "+v1+"/version", "version", s.version)
	s.plain("GET "+v1+"/openapi.json", "openapi-json", "application/openapi+json", s.openAPIJSON)
	s.plain("GET "+v1+"/openapi.yaml", "openapi-yaml", "application/openapi+yaml", s.openAPIYAML)
	s.plain("GET "+v1+"/docs", "docs", "text/html", s.docs)

	s.plain("GET /healthz", "healthz", plainText, s.healthz)
	s.plain("GET /readyz", "readyz", plainText, s.readyz)
	s.plain("GET /metrics", "metrics", plainText, s.showMetrics)

	if s.options.Home != nil {
		s.pages(s.options.Home)
	}
	s.mux.HandleFunc("/", s.elsewhere)
}

// addBlockRoutes has the routes of building blocks.
func addBlockRoutes(s *Server) {
	const v1 = "/api/v1"

	forUser(s, "GET "+v1+"/definitions", "list-definitions", listDefinitions)
	forUser(s, "POST "+v1+"/definitions", "create-definition", createDefinition, made, large)
	forUser(s, "GET "+v1+"/definitions/{definition}", "show-definition", showDefinition)
	forUser(s, "PUT "+v1+"/definitions/{definition}", "change-definition", changeDefinition, large)
	forUser(s, "DELETE "+v1+"/definitions/{definition}", "delete-definition", deleteDefinition)
	forUser(s, "GET "+v1+"/definitions/{definition}/versions", "list-versions", listVersions)
	forUser(s, "POST "+v1+"/definitions/{definition}/versions", "create-version", createVersion, made, large)
	forUser(s, "GET "+v1+"/definitions/{definition}/versions/{version}", "show-version", showVersion)
	forUser(s, "PUT "+v1+"/definitions/{definition}/versions/{version}", "change-version", changeVersion, large)
	forUser(s, "DELETE "+v1+"/definitions/{definition}/versions/{version}", "delete-version", deleteVersion)
	forUser(s, "POST "+v1+"/definitions/{definition}/versions/{version}/release", "release-version", releaseVersion)

	forUser(s, "GET "+v1+"/blocks", "list-blocks", listBlocks)
	forUser(s, "POST "+v1+"/blocks", "order-block", orderBlock, made, large)
	forUser(s, "GET "+v1+"/blocks/{block}", "show-block", s.showBlock, streams(eventStream), answers[remuda.Block])
	forUser(s, "PATCH "+v1+"/blocks/{block}", "change-block", changeBlock, large)
	forUser(s, "DELETE "+v1+"/blocks/{block}", "delete-block", deleteBlock)
	forUser(s, "GET "+v1+"/blocks/{block}/runs", "list-block-runs", listBlockRuns)
	forUser(s, "POST "+v1+"/blocks/{block}/runs", "run-block", runBlock, made, large)
	forUser(s, "GET "+v1+"/blocks/{block}/states", "list-states", listStates)
	forUser(s, "GET "+v1+"/blocks/{block}/states/{number}", "read-state-version", readStateVersion, bytesOf(jsonType))
	forUser(s, "POST "+v1+"/blocks/{block}/states/{number}/rollback", "roll-back-state", rollBackState, made)
	forUser(s, "GET "+v1+"/blocks/{block}/lock", "show-lock", showLock)
	forUser(s, "DELETE "+v1+"/blocks/{block}/lock", "force-unlock", forceUnlock)
	forUser(s, "GET "+v1+"/runs", "list-runs", listRuns)
	forUser(s, "GET "+v1+"/runs/{run}", "show-run", showRun)
	forUser(s, "GET "+v1+"/runs/{run}/plan", "read-plan", readPlan, bytesOf(rawContent))
	forUser(s, "POST "+v1+"/runs/{run}/approve", "approve-run", approveRun)
	forUser(s, "POST "+v1+"/runs/{run}/reject", "reject-run", rejectRun)
	forUser(s, "POST "+v1+"/runs/{run}/abort", "abort-run", abortRun)
	forUser(s, "POST "+v1+"/runs/{run}/finish", "finish-run", finishRun)

	forUser(s, "GET "+v1+"/integrations", "list-integrations", listIntegrations)
	forUser(s, "POST "+v1+"/integrations", "create-integration", createIntegration, made)
	forUser(s, "GET "+v1+"/integrations/{integration}", "show-integration", showIntegration)
	forUser(s, "PUT "+v1+"/integrations/{integration}", "change-integration", changeIntegration)
	forUser(s, "DELETE "+v1+"/integrations/{integration}", "delete-integration", deleteIntegration)
	forUser(s, "GET "+v1+"/tenants", "list-tenants", listTenants)
	forUser(s, "POST "+v1+"/tenants", "create-tenant", createTenant, made)
	forUser(s, "GET "+v1+"/tenants/{tenant}", "show-tenant", showTenant)
	forUser(s, "DELETE "+v1+"/tenants/{tenant}", "delete-tenant", deleteTenant)
	forUser(s, "GET "+v1+"/runner-entries", "list-runner-entries", listEntries)
	forUser(s, "POST "+v1+"/runner-entries", "create-runner-entry", createEntry, made)
	forUser(s, "GET "+v1+"/runner-entries/{entry}", "show-runner-entry", showEntry)
	forUser(s, "PUT "+v1+"/runner-entries/{entry}", "change-runner-entry", changeEntry)
	forUser(s, "DELETE "+v1+"/runner-entries/{entry}", "delete-runner-entry", deleteEntry)

	forTask(s, "GET "+v1+"/claims/{claim}/state", "read-state", readState, bytesOf(jsonType))
	forTask(s, "POST "+v1+"/claims/{claim}/state", "write-state", writeState, stateSized, holding("423"))
	forTask(s, "DELETE "+v1+"/claims/{claim}/state", "delete-state", deleteState, holding("423"))
	forTask(s, "PUT "+v1+"/claims/{claim}/state/lock", "lock-state", lockState, holding("423"))
	forTask(s, "DELETE "+v1+"/claims/{claim}/state/lock", "unlock-state", unlockState, holding("409"))
	forTask(s, "PUT "+v1+"/claims/{claim}/plan", "save-plan", savePlan, stateSized)
	forTask(s, "GET "+v1+"/claims/{claim}/plan", "read-saved-plan", readSavedPlan, bytesOf(rawContent))
	forTask(s, "PUT "+v1+"/claims/{claim}/run", "report-run", reportRun, large)
	forTask(s, "GET "+v1+"/claims/{claim}/run-token", "show-run-token", showRunToken)
}

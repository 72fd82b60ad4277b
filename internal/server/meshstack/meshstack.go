// Package meshstack lets meshStack's clients speak to the same rules: its Terraform provider, its OpenTofu block runner
// and its run controller. It translates, and holds neither a rule nor a state. docs/meshstack.md names the versions of
// the clients that it is made for.
package meshstack

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

// Version is the version of meshStack that this face says it is: the newest that the clients it is made for ask for.
const Version = "2026.34.0"

// Door is what a face asks of the server that it is part of: one account of wrong credentials for every format.
type Door interface {
	Authenticate(r *http.Request, token string) (control.Principal, error)
	Login(r *http.Request, clientID, clientSecret string) (token string, expiresIn time.Duration, err error)
}

// Options is what a Face is made of. All but Ignored are needed.
type Options struct {
	Plane  *control.Plane
	Blocks *blocks.Rules
	Door   Door
	Log    *slog.Logger

	// Ignored is told how many members of a body of a kind nobody here knows.
	Ignored func(kind string, members int)
}

// Face answers meshStack's clients.
type Face struct {
	options Options
	mux     *http.ServeMux
}

// Patterns are what a server gives to a Face.
func Patterns() []string {
	return []string{"/api/login", "/mesh/info", objects, "/api/terraform/state/"}
}

const objects = "/api/meshobjects/"

// kind is one of meshStack's kinds of objects, with its versions, the one for who names none first.
type kind struct {
	name     string
	versions []string
}

// The kinds. What is not among them is not there.
func kinds() map[string]kind {
	all := map[string]kind{}
	for _, k := range []kind{
		{"meshWorkspace", []string{"v2"}},
		{"meshProject", []string{"v2"}},
		{"meshTenant", []string{"v4", "v4-preview"}},
		{"meshApiKey", []string{"v1-preview"}},
		{"meshIntegration", []string{"v1", "v1-preview"}},
		{"meshBuildingBlockRunner", []string{"v1-preview"}},
		{"meshBuildingBlockDefinition", []string{"v1-preview"}},
		{"meshBuildingBlockDefinitionVersion", []string{"v1-preview"}},
		{"meshBuildingBlock", []string{"v2-preview", "v1"}},
		{"meshBuildingBlockRun", []string{"v1"}},
	} {
		all[k.name] = k
	}
	return all
}

// New makes a Face.
func New(o Options) *Face {
	f := &Face{options: o, mux: http.NewServeMux()}
	f.addRoutes()
	return f
}

// ServeHTTP answers one request.
func (f *Face) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.mux.ServeHTTP(w, r) }

// addRoutes is the table of contents: what there is, and what answers.
func (f *Face) addRoutes() {
	f.mux.HandleFunc("POST /api/login", f.login)
	f.mux.HandleFunc("GET /mesh/info", f.info)

	f.crud("meshWorkspace", listWorkspaces, createWorkspace, showWorkspace, changeWorkspace, deleteWorkspace)
	f.crud("meshProject", listProjects, createProject, showProject, changeProject, deleteProject)
	f.crud("meshTenant", listTenants, createTenant, showTenant, nil, deleteTenant)
	f.crud("meshApiKey", listKeys, createKey, showKey, changeKey, deleteKey)
	f.crud("meshIntegration", listIntegrations, createIntegration, showIntegration, changeIntegration, deleteIntegration)
	f.crud("meshBuildingBlockRunner", listRunners, createRunner, showRunner, changeRunner, deleteRunner)
	f.crud("meshBuildingBlockDefinition", listDefinitions, createDefinition, showDefinition, changeDefinition, deleteDefinition)
	f.crud("meshBuildingBlockDefinitionVersion", listVersions, createVersion, showVersion, changeVersion, deleteVersion)
	f.crud("meshBuildingBlock", listBlocks, orderBlock, showBlock, changeBlock, deleteBlock)
	f.user("POST", "meshBuildingBlock", "/{id}/trigger-run", triggerRun)
	f.user("DELETE", "meshBuildingBlock", "/{id}/purge", purgeBlock)

	f.user("GET", "meshBuildingBlockRun", "", listRuns)
	f.user("POST", "meshBuildingBlockRun", "/create", claimRun)
	f.user("GET", "meshBuildingBlockRun", "/{id}/logs", readLogs)
	f.either("GET", "/{id}", showRun, showOwnRun)
	f.run("POST", "/{id}/status/source", registerSource)
	f.run("PATCH", "/{id}/status/source/{source}", reportSource)
	f.run("GET", "/{id}/plan", readPlan)

	const state = "/api/terraform/state/workspace/{workspace}/buildingBlock/{block}"
	f.mux.HandleFunc("GET "+state, f.state(readState))
	f.mux.HandleFunc("POST "+state, f.state(writeState))
	f.mux.HandleFunc("DELETE "+state, f.state(deleteState))
	f.mux.HandleFunc("LOCK "+state, f.state(lockState))
	f.mux.HandleFunc("UNLOCK "+state, f.state(unlockState))

	f.mux.HandleFunc("/", f.nowhere)
}

// crud has the usual calls of a kind; nil for one that there is not.
func (f *Face) crud(name string, list, create, show, change, remove handler) {
	for _, one := range []struct {
		method, path string
		handle       handler
	}{
		{"GET", "", list}, {"POST", "", create}, {"GET", "/{id}", show}, {"PUT", "/{id}", change}, {"DELETE", "/{id}", remove},
	} {
		if one.handle != nil {
			f.user(one.method, name, one.path, one.handle)
		}
	}
}

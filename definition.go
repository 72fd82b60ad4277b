package remuda

import (
	"encoding/json"
	"time"
)

// Definition is the template of building blocks. What it does lies in its versions.
type Definition struct {
	ID              string    `json:"id"`
	Organization    string    `json:"organization" doc:"Its owner; the caller's own organization when empty"`
	Name            string    `json:"name" minLength:"1" maxLength:"200" doc:"What people call it"`
	Description     string    `json:"description,omitempty" maxLength:"10000"`
	Readme          string    `json:"readme,omitempty" maxLength:"1048576" doc:"Markdown"`
	Target          Target    `json:"target,omitempty" enum:"workspace,tenant" doc:"What its blocks belong to; workspace when empty"`
	Platforms       []string  `json:"platforms,omitempty" maxItems:"1000" doc:"Of tenants that it is for; all when empty"`
	Access          Access    `json:"access,omitempty" enum:"owner,some,all" doc:"Who may order it once a version is released; owner when empty"`
	Organizations   []string  `json:"organizations,omitempty" maxItems:"1000" doc:"Who else may order it when access is 'some'"`
	RunTransparency bool      `json:"run_transparency,omitempty" doc:"Whether those who order it see the runs' steps, plan and output"`
	Symbol          string    `json:"symbol,omitempty" maxLength:"100000" doc:"Address or data URL of a picture"`
	SupportURL      string    `json:"support_url,omitempty" maxLength:"2048"`
	DocsURL         string    `json:"docs_url,omitempty" maxLength:"2048"`
	Notify          []string  `json:"notify,omitempty" maxItems:"1000" doc:"Names of those who are told about its runs"`
	Extra           Extra     `json:"extra,omitempty" doc:"What another system's format says beyond this, kept as it came"`
	Latest          int       `json:"latest" doc:"Number of its newest version"`
	Released        int       `json:"released,omitempty" doc:"Number of its newest released version; 0 for none"`
	Blocks          int       `json:"blocks" doc:"How many blocks of it there are"`
	CreatedAt       time.Time `json:"created_at"`
}

// Extra holds members that one client's format has and ours does not, by their names there.
type Extra map[string]json.RawMessage

// Target is what a block belongs to.
type Target string

// The targets.
const (
	TargetWorkspace Target = "workspace" // an organization
	TargetTenant    Target = "tenant"    // a tenant of one of its projects
)

// Version is one edition of a definition: a draft until it is released, frozen from then on.
type Version struct {
	ID             string            `json:"id"`
	Definition     string            `json:"definition" doc:"Id of its definition"`
	Number         int               `json:"number" doc:"From 1"`
	State          VersionState      `json:"state" enum:"draft,released"`
	ResourceClass  string            `json:"resource_class,omitempty" maxLength:"130" doc:"The pool that carries out its runs, as namespace/name; not needed for manual ones"`
	Implementation Blueprint         `json:"implementation"`
	Inputs         map[string]Input  `json:"inputs,omitempty" maxProperties:"200" doc:"By key"`
	Outputs        map[string]Output `json:"outputs,omitempty" maxProperties:"200" doc:"By key. Of a manual one they follow from its inputs"`
	Dependencies   []string          `json:"dependencies,omitempty" maxItems:"100" doc:"Ids of definitions of which its blocks need a parent each"`
	Permissions    []string          `json:"permissions,omitempty" maxItems:"100" doc:"What a run's token may do beside its run"`
	Deletion       Deletion          `json:"deletion,omitempty" enum:"destroy,purge" doc:"What deleting a block does; destroy when empty"`
	OncePerTenant  bool              `json:"once_per_tenant,omitempty" doc:"Whether a target has at most one block of it"`
	Approval       bool              `json:"approval,omitempty" doc:"Whether each change is planned first, and applied when its plan was approved"`
	DriftEvery     Duration          `json:"drift_every,omitempty" doc:"How often its blocks are compared with what is there; never when empty"`
	Timeout        Duration          `json:"timeout,omitempty" doc:"How long a run may take; 1h when empty"`
	Extra          Extra             `json:"extra,omitempty" doc:"What another system's format says beyond this, kept as it came"`
	Blocks         int               `json:"blocks" doc:"How many blocks are of it"`
	CreatedAt      time.Time         `json:"created_at"`
	ReleasedAt     *time.Time        `json:"released_at,omitempty"`
}

// VersionState is where a version stands.
type VersionState string

// The states of a version.
const (
	VersionDraft    VersionState = "draft"
	VersionReleased VersionState = "released"
)

// Deletion says what deleting a block does.
type Deletion string

// The ways to delete.
const (
	DeletionDestroy Deletion = "destroy" // a run destroys what it made
	DeletionPurge   Deletion = "purge"   // it is forgotten, whatever becomes of what it made
)

// ValueType is the type of an input or output.
type ValueType string

// The types. Code is JSON or HCL text, a file is a data URL; a selection is one or several of an input's choices.
const (
	TypeString       ValueType = "string"
	TypeCode         ValueType = "code"
	TypeInteger      ValueType = "integer"
	TypeBoolean      ValueType = "boolean"
	TypeFile         ValueType = "file"
	TypeList         ValueType = "list"
	TypeSingleSelect ValueType = "single_select"
	TypeMultiSelect  ValueType = "multi_select"
)

// Assignment says where an input's value comes from.
type Assignment string

// The assignments. Each after AssignOutput is filled in from what is known of the block.
const (
	AssignUser              Assignment = "user"     // whoever orders the block
	AssignOperator          Assignment = "operator" // the definition's owner, for each block
	AssignStatic            Assignment = "static"   // the version itself, by Argument
	AssignOutput            Assignment = "output"   // a parent's output: Argument is <definition id>.<output key>
	AssignWorkspace         Assignment = "workspace"
	AssignProject           Assignment = "project"
	AssignPlatform          Assignment = "platform"
	AssignPlatformTenant    Assignment = "platform_tenant"
	AssignTenant            Assignment = "tenant"
	AssignTenantBlock       Assignment = "tenant_block"
	AssignUserPermissions   Assignment = "user_permissions"
	AssignAuthor            Assignment = "author"
	AssignNone              Assignment = ""                   // of an output: nothing is done with it
	AssignOutputTenant      Assignment = "platform_tenant_id" // of an output: it is the id of the target's tenant
	AssignOutputSignInURL   Assignment = "sign_in_url"
	AssignOutputResourceURL Assignment = "resource_url"
	AssignOutputSummary     Assignment = "summary"
)

// Input is what a version asks for.
type Input struct {
	Name         string     `json:"name,omitempty" maxLength:"200" doc:"What people call it; its key when empty"`
	Description  string     `json:"description,omitempty" maxLength:"10000"`
	Type         ValueType  `json:"type" enum:"string,code,integer,boolean,file,list,single_select,multi_select"`
	Assignment   Assignment `json:"assignment" enum:"user,operator,static,output,workspace,project,platform,platform_tenant,tenant,tenant_block,user_permissions,author"`
	Argument     *Value     `json:"argument,omitempty" doc:"Of a static one, its value; of an output, <definition id>.<output key>"`
	Default      *Value     `json:"default,omitempty" doc:"Taken when nothing is given"`
	Optional     bool       `json:"optional,omitempty" doc:"Whether a block may go without it"`
	Sensitive    bool       `json:"sensitive,omitempty" doc:"Whether its values are secret"`
	Environment  bool       `json:"environment,omitempty" doc:"Whether it is an environment variable of the run, not a variable of the module"`
	Locked       bool       `json:"locked,omitempty" doc:"Whether those who order may not change it afterwards"`
	Choices      []string   `json:"choices,omitempty" maxItems:"1000" doc:"Of a selection"`
	Pattern      string     `json:"pattern,omitempty" maxLength:"10000" doc:"A regular expression (RE2) that the whole of a text matches"`
	PatternError string     `json:"pattern_error,omitempty" maxLength:"1000" doc:"What to say when it does not"`
	Order        int        `json:"order,omitempty" doc:"Where it stands among the others"`
}

// Output is what a version's runs give.
type Output struct {
	Name       string     `json:"name,omitempty" maxLength:"200" doc:"What people call it; its key when empty"`
	Type       ValueType  `json:"type" enum:"string,code,integer,boolean"`
	Assignment Assignment `json:"assignment,omitempty" enum:"platform_tenant_id,sign_in_url,resource_url,summary"`
	Sensitive  bool       `json:"sensitive,omitempty" doc:"Whether its value is secret: passed to children, shown to nobody"`
	Order      int        `json:"order,omitempty" doc:"Where it stands among the others"`
}

// Value is the value of an input or output. A secret one is given as Secret and never answered: Hash stands for it,
// and sending the hash back keeps the value.
type Value struct {
	Value  json.RawMessage `json:"value,omitempty" doc:"Any JSON; absent for a secret, null for none"`
	Secret *Secret         `json:"secret,omitempty" doc:"A secret value: text as it is, anything else as JSON. Write-only"`
	Hash   string          `json:"hash,omitempty" doc:"HMAC of a secret value"`
}

// Blueprint is how a version is carried out: its type, and exactly the member of that name, but for manual ones.
type Blueprint struct {
	Type        string                `json:"type" enum:"manual,opentofu,github,gitlab,azuredevops"`
	OpenTofu    *OpenTofuBlueprint    `json:"opentofu,omitempty"`
	GitHub      *GitHubBlueprint      `json:"github,omitempty"`
	GitLab      *GitLabBlueprint      `json:"gitlab,omitempty"`
	AzureDevOps *AzureDevOpsBlueprint `json:"azuredevops,omitempty"`
}

// The types of a Blueprint. A runner's capability and a task's implementation have the same name.
const (
	BlueprintManual      = "manual"
	BlueprintOpenTofu    = "opentofu"
	BlueprintGitHub      = "github"
	BlueprintGitLab      = "gitlab"
	BlueprintAzureDevOps = "azuredevops"
)

// OpenTofuBlueprint is an OpenTofu or Terraform module: in a repository, or in Files.
type OpenTofuBlueprint struct {
	Version      string            `json:"version" maxLength:"50" doc:"Exact, such as 1.10.10. Below 1.6, which is the first OpenTofu, it is Terraform"`
	Repository   string            `json:"repository,omitempty" maxLength:"2048" doc:"Clone address"`
	Path         string            `json:"path,omitempty" maxLength:"4096" doc:"The module's folder in it; its root when empty"`
	Ref          string            `json:"ref,omitempty" maxLength:"1024" doc:"Branch, tag or commit; the default branch when empty"`
	Files        map[string]string `json:"files,omitempty" maxProperties:"500" doc:"The module itself by relative path, when it is in no repository; 1 MiB together"`
	SSHKey       *Value            `json:"ssh_key,omitempty" doc:"A private key for repository and modules; a secret"`
	KnownHost    *KnownHost        `json:"known_host,omitempty" doc:"The repository's host; the machine's own known hosts when empty"`
	Credentials  []GitCredential   `json:"credentials,omitempty" maxItems:"20" doc:"For repositories and modules over HTTPS"`
	OwnBackend   bool              `json:"own_backend,omitempty" doc:"Whether the module brings a backend; else the control plane keeps the state"`
	PreRunScript string            `json:"pre_run_script,omitempty" maxLength:"1048576" doc:"Bash, after init; $1 is the behavior, standard input the run as JSON"`
	Async        bool              `json:"async,omitempty" doc:"Whether something else reports how it ended"`
}

// KnownHost is a line of known_hosts.
type KnownHost struct {
	Host    string `json:"host" maxLength:"255"`
	KeyType string `json:"key_type" maxLength:"100"`
	Key     string `json:"key" maxLength:"10000" doc:"Base64"`
}

// GitCredential is for repositories of one host.
type GitCredential struct {
	Host     string `json:"host" minLength:"1" maxLength:"255" doc:"Such as git.example.com"`
	Username string `json:"username,omitempty" maxLength:"200" doc:"x-access-token when empty"`
	Token    *Value `json:"token" doc:"A secret"`
}

// GitHubBlueprint dispatches a workflow.
type GitHubBlueprint struct {
	Integration     string `json:"integration" doc:"Id of the integration that knows the host and its credentials"`
	Repository      string `json:"repository" maxLength:"200"`
	Branch          string `json:"branch" maxLength:"1024"`
	ApplyWorkflow   string `json:"apply_workflow" maxLength:"1024"`
	DestroyWorkflow string `json:"destroy_workflow,omitempty" maxLength:"1024"`
	Async           bool   `json:"async,omitempty" doc:"Whether the workflow itself reports how it ended"`
	OmitRun         bool   `json:"omit_run,omitempty" doc:"Whether the workflow does not get the run as an input"`
}

// GitLabBlueprint triggers a pipeline.
type GitLabBlueprint struct {
	Integration string `json:"integration" doc:"Id of the integration that knows the host"`
	Project     string `json:"project" maxLength:"200"`
	Ref         string `json:"ref" maxLength:"1024"`
	Token       *Value `json:"token" doc:"The pipeline's trigger token; a secret"`
}

// AzureDevOpsBlueprint runs a pipeline.
type AzureDevOpsBlueprint struct {
	Integration string `json:"integration" doc:"Id of the integration that knows the organization and its credentials"`
	Project     string `json:"project" maxLength:"200"`
	Pipeline    string `json:"pipeline" maxLength:"200"`
	Ref         string `json:"ref,omitempty" maxLength:"1024"`
	Async       bool   `json:"async,omitempty" doc:"Whether the pipeline itself reports how it ended"`
}

// Integration is a platform for pipelines, with credentials for it.
type Integration struct {
	ID            string    `json:"id"`
	Organization  string    `json:"organization" doc:"Its owner; the caller's own organization when empty"`
	Name          string    `json:"name" minLength:"1" maxLength:"200"`
	Type          string    `json:"type" enum:"github,gitlab,azuredevops"`
	URL           string    `json:"url" maxLength:"2048" doc:"Of the host's API, such as https://api.github.com"`
	Owner         string    `json:"owner,omitempty" maxLength:"200" doc:"GitHub's owner, or the organization in Azure DevOps"`
	AppID         string    `json:"app_id,omitempty" maxLength:"200" doc:"Of a GitHub app"`
	Credential    *Value    `json:"credential,omitempty" doc:"A GitHub app's private key, or a personal access token; a secret"`
	ResourceClass string    `json:"resource_class,omitempty" doc:"The pool that speaks to it"`
	CreatedAt     time.Time `json:"created_at"`
}

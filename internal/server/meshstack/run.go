package meshstack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

// run is a run as a claim gives it to whoever is to carry it out.
type run struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Metadata   runMetadata     `json:"metadata"`
	Spec       runSpec         `json:"spec"`
	Status     string          `json:"status"`
	Links      map[string]link `json:"_links,omitempty"`
}

type runMetadata struct {
	UUID string `json:"uuid"`
}

type link struct {
	Href      string `json:"href"`
	Templated bool   `json:"templated,omitempty"`
}

type runSpec struct {
	RunNumber               int            `json:"runNumber"`
	Behavior                string         `json:"behavior"`
	RunToken                string         `json:"runToken,omitempty"`
	Trigger                 trigger        `json:"trigger"`
	BuildingBlock           runBlock       `json:"buildingBlock"`
	BuildingBlockDefinition *runDefinition `json:"buildingBlockDefinition,omitempty"`
}

type trigger struct {
	Reason string    `json:"reason"`
	Author runAuthor `json:"author"`
}

type runAuthor struct {
	Identifier  string  `json:"identifier"`
	Type        string  `json:"type"`
	DisplayName string  `json:"displayName"`
	Username    *string `json:"username"`
	Email       *string `json:"email"`
	EUID        *string `json:"euid"`
}

type runBlock struct {
	UUID string        `json:"uuid"`
	Spec *runBlockSpec `json:"spec,omitempty"`
}

type runBlockSpec struct {
	DisplayName            string     `json:"displayName"`
	WorkspaceIdentifier    string     `json:"workspaceIdentifier"`
	ProjectIdentifier      *string    `json:"projectIdentifier,omitempty"`
	FullPlatformIdentifier *string    `json:"fullPlatformIdentifier,omitempty"`
	Inputs                 []runInput `json:"inputs"`
	ParentBuildingBlocks   []parent   `json:"parentBuildingBlocks"`
}

type runInput struct {
	Key           string          `json:"key"`
	Value         json.RawMessage `json:"value"`
	Type          string          `json:"type"`
	IsSensitive   bool            `json:"isSensitive"`
	IsEnvironment bool            `json:"isEnvironment"`
}

type runDefinition struct {
	UUID string            `json:"uuid"`
	Spec runDefinitionSpec `json:"spec"`
}

type runDefinitionSpec struct {
	WorkspaceIdentifier string `json:"workspaceIdentifier"`
	Version             int    `json:"version"`
	Implementation      any    `json:"implementation"`
}

// claimRun gives a node of a pool a run to carry out.
func claimRun(c *call) (answer, error) {
	header := c.request.Header
	node, name := header.Get("X-Block-Runner-Node-Id"), header.Get("X-Meshcloud-Runner-Name")
	if node == "" {
		node = name // a pool of one
	}
	claim, err := c.blocks().ClaimRun(c.ctx, c.query("forRunnerUuid"), node, name, header.Get("X-Meshcloud-Runner-Version"), unsayable)
	if err != nil {
		return answer{}, err
	}
	if claim == nil {
		return answer{}, remuda.Fail(remuda.NotFound, "no run waits for this runner")
	}
	words, err := c.claimed(claim)
	return created(words), err
}

// unsayable says what of a run this format has no words for; empty when it can be told whole.
func unsayable(claim *remuda.Claim) string {
	var o remuda.RunOrder
	if json.Unmarshal(claim.Payload, &o) != nil {
		return "this runner carries out runs of building blocks alone"
	}
	tofu := o.Implementation.OpenTofu
	switch {
	case o.Behavior == remuda.Maintenance:
		return "meshStack's runners know no MAINTENANCE; have it carried out by a runner of Remuda's own"
	case tofu != nil && tofu.Repository == "":
		return "meshStack's runners take a module from a repository alone, and this one lies in its version"
	}
	return ""
}

// claimed is a claim in this format's words.
func (c *call) claimed(claim *remuda.Claim) (run, error) {
	var o remuda.RunOrder
	if err := json.Unmarshal(claim.Payload, &o); err != nil {
		return run{}, fmt.Errorf("read the order of claim %s: %w", claim.ID, err)
	}
	sealed := map[string]string{}
	if len(claim.Sealed) > 0 {
		if err := json.Unmarshal(claim.Sealed, &sealed); err != nil {
			return run{}, fmt.Errorf("read the sealed values of claim %s: %w", claim.ID, err)
		}
	}
	of, err := c.namespace(o.Block.Organization)
	if err != nil {
		return run{}, err
	}
	owner, err := c.namespace(o.Definition.Organization)
	if err != nil {
		return run{}, err
	}
	r := run{APIVersion: c.edition, Kind: c.kind.name, Metadata: runMetadata{o.Run}, Status: shout(remuda.RunInProgress), Links: c.links(o)}
	r.Spec = runSpec{
		RunNumber: o.Number, Behavior: string(o.Behavior), RunToken: claim.Token, Trigger: triggerWords(o.Trigger, o.Author),
		BuildingBlock: runBlock{UUID: o.Block.ID, Spec: &runBlockSpec{
			DisplayName: o.Block.Name, WorkspaceIdentifier: of, ProjectIdentifier: optional(o.Block.Project),
			FullPlatformIdentifier: optional(o.Block.Platform), Inputs: []runInput{}, ParentBuildingBlocks: []parent{},
		}},
		BuildingBlockDefinition: &runDefinition{UUID: o.Definition.ID, Spec: runDefinitionSpec{
			WorkspaceIdentifier: owner, Version: o.Definition.Version, Implementation: runImplementation(o, sealed),
		}},
	}
	s := r.Spec.BuildingBlock.Spec
	for _, in := range o.Inputs {
		words := runInput{Key: in.Key, Value: in.Value, Type: shout(in.Type), IsEnvironment: in.Environment}
		if in.Secret != "" {
			words.IsSensitive = true
			if words.Value, err = json.Marshal(sealed[in.Secret]); err != nil {
				return run{}, err
			}
		}
		s.Inputs = append(s.Inputs, words)
	}
	for _, p := range o.Parents {
		s.ParentBuildingBlocks = append(s.ParentBuildingBlocks, parent{p.Block, p.Definition})
	}
	return r, nil
}

func triggerWords(reason remuda.RunTrigger, by remuda.RunAuthor) trigger {
	if reason == remuda.TriggerSchedule {
		reason = remuda.TriggerManual // this format knows no schedule
	}
	name := by.DisplayName
	if name == "" {
		name = by.Name
	}
	author := runAuthor{Identifier: by.Name, Type: by.Kind, DisplayName: name}
	if by.Kind == "User" {
		author.Username = &by.Name
	}
	return trigger{string(reason), author}
}

// links say where a run is reported, by the address at which the runner reached us.
func (c *call) links(o remuda.RunOrder) map[string]link {
	base := baseOf(c.request)
	self := base + objects + "meshbuildingblockruns/" + o.Run
	links := map[string]link{
		"self":             {Href: self},
		"registerSource":   {Href: self + "/status/source"},
		"updateSource":     {Href: self + "/status/source/{sourceId}", Templated: true},
		"meshstackBaseUrl": {Href: base},
	}
	if o.Plan {
		links["planArtifact"] = link{Href: self + "/plan"}
	}
	return links
}

// baseOf is the address that the client used.
func baseOf(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// runImplementation is how a run is carried out, its secrets as they are sealed to the pool.
func runImplementation(o remuda.RunOrder, sealed map[string]string) map[string]any {
	b, with := o.Implementation, remuda.Integration{}
	if o.Integration != nil {
		with = *o.Integration
	}
	credential := sealed["integration/credential"]
	words := map[string]any{"type": "MANUAL"}
	switch {
	case b.OpenTofu != nil:
		t := b.OpenTofu
		words = map[string]any{
			"type": "TERRAFORM", "terraformVersion": t.Version, "repositoryUrl": t.Repository, "repositoryPath": t.Path, "refName": t.Ref,
			"sshPrivateKey": sealed["implementation/ssh_key"], "preRunScript": t.PreRunScript,
			"async": t.Async, "useMeshHttpBackendFallback": !t.OwnBackend,
		}
		if t.KnownHost != nil {
			words["knownHost"] = knownHost{t.KnownHost.Host, t.KnownHost.KeyType, t.KnownHost.Key}
		}
	case b.GitHub != nil:
		g := b.GitHub
		words = map[string]any{
			"type": "GITHUB_WORKFLOW", "githubBaseUrl": with.URL, "owner": with.Owner, "appId": with.AppID, "appPem": credential,
			"repository": g.Repository, "branch": g.Branch, "applyWorkflow": g.ApplyWorkflow, "destroyWorkflow": g.DestroyWorkflow,
			"async": g.Async, "omitRunObjectInput": g.OmitRun,
		}
	case b.GitLab != nil:
		words = map[string]any{
			"type": "GITLAB_CICD", "gitlabBaseUrl": with.URL, "projectId": b.GitLab.Project, "refName": b.GitLab.Ref,
			"pipelineTriggerToken": sealed["implementation/token"],
		}
	case b.AzureDevOps != nil:
		a := b.AzureDevOps
		words = map[string]any{
			"type": "AZURE_DEVOPS", "azureDevOpsBaseUrl": with.URL, "organization": with.Owner, "project": a.Project,
			"pipelineId": a.Pipeline, "personalAccessToken": credential, "async": a.Async, "refName": a.Ref,
		}
	}
	for name, value := range words {
		if value == "" {
			delete(words, name) // members that are absent when there is nothing to say
		}
	}
	return words
}

// runWords is a run as one who may see it is told of it.
func (c *call) runWords(r remuda.BlockRun) (run, error) {
	return run{
		APIVersion: c.edition, Kind: c.kind.name, Metadata: runMetadata{r.ID}, Status: shout(r.Status),
		Spec: runSpec{
			RunNumber: r.Number, Behavior: string(r.Behavior), Trigger: triggerWords(r.Trigger, r.Author), BuildingBlock: runBlock{UUID: r.Block},
		},
	}, nil
}

// showOwnRun is what whoever carries out a run may read of it: where it stands.
func showOwnRun(c *call) (answer, error) {
	r, err := c.door().Told(c.ctx)
	if err != nil {
		return answer{}, err
	}
	words, err := c.runWords(r)
	return ok(words), err
}

func showRun(c *call) (answer, error) {
	r, err := c.blocks().Run(c.ctx, c.id())
	if err != nil {
		return answer{}, err
	}
	words, err := c.runWords(r)
	return ok(words), err
}

func listRuns(c *call) (answer, error) {
	f := blocks.RunFilter{Block: c.query("buildingBlockUuid")}
	var err error
	if f.Organization, err = c.organization(c.query("workspaceIdentifier")); err != nil {
		return answer{}, err
	}
	return listed(c, func(s blocks.Span) (blocks.List[remuda.BlockRun], error) {
		return c.blocks().Runs(c.ctx, f, s)
	}, c.runWords)
}

// logStep is what a step of a run printed.
type logStep struct {
	DisplayName   string  `json:"displayName"`
	Status        string  `json:"status"`
	UserMessage   *string `json:"userMessage"`
	SystemMessage *string `json:"systemMessage"`
}

// mostLog bounds how much of a step's output is told: its end counts.
const mostLog = 1 << 20

// readLogs tells what the steps of a run printed; to those who may not see that, what they say to them.
func readLogs(c *call) (answer, error) {
	r, err := c.blocks().Run(c.ctx, c.id())
	if err != nil {
		return answer{}, err
	}
	said := map[string]string{}
	for _, m := range r.Messages {
		said[m.Step] = m.Message
	}
	steps := []logStep{}
	if r.Task == "" {
		for _, m := range r.Messages {
			steps = append(steps, logStep{m.Step, shout(r.Status), &m.Message, nil})
		}
		return ok(map[string]any{"steps": steps}), nil
	}
	task, err := c.plane().Task(c.ctx, r.Task)
	if err != nil {
		return answer{}, err
	}
	if len(task.Attempts) == 0 {
		return ok(map[string]any{"steps": steps}), nil
	}
	attempt := task.Attempts[len(task.Attempts)-1]
	place := map[string]int{}
	for _, step := range attempt.Steps {
		printed, err := c.printed(r.Task, attempt.Number, step.Number)
		if err != nil {
			return answer{}, err
		}
		words := logStep{step.Name, stepWord(step.State), optional(said[step.Name]), &printed}
		if i, anew := place[step.Name]; anew {
			steps[i] = words // the output of the earlier one began anew here
			continue
		}
		place[step.Name] = len(steps)
		steps = append(steps, words)
	}
	return ok(map[string]any{"steps": steps}), nil
}

// printed is the end of what a step printed.
func (c *call) printed(task string, attempt, step int) (string, error) {
	var all []byte
	for q := (control.OutputQuery{Attempt: attempt, Step: &step}); ; {
		part, err := c.plane().Output(c.ctx, task, q)
		if err != nil {
			return "", err
		}
		for _, chunk := range part.Chunks {
			all = append(all, chunk.Data...)
		}
		if len(all) > mostLog {
			all = all[len(all)-mostLog:]
		}
		if part.Next == q.Offset {
			return strings.ToValidUTF8(string(all), "�"), nil
		}
		q.Offset = part.Next
	}
}

// stepWord is where a step stands, in this format's words.
func stepWord(s remuda.StepState) string {
	switch s {
	case remuda.StepRunning:
		return "IN_PROGRESS"
	case remuda.StepSucceeded:
		return "SUCCEEDED"
	case remuda.StepFailed:
		return "FAILED"
	case remuda.StepCanceled, remuda.StepSkipped:
		return "ABORTED"
	default:
		return "PENDING"
	}
}

package meshstack

import "github.com/remuda-dev/remuda"

// implementation is how a version is carried out: its type, and the member of that name.
type implementation struct {
	Type                string               `json:"type"`
	Manual              *struct{}            `json:"manual,omitempty"`
	Terraform           *terraform           `json:"terraform,omitempty"`
	GitHubWorkflows     *githubWorkflows     `json:"githubWorkflows,omitempty"`
	GitLabPipeline      *gitlabPipeline      `json:"gitlabPipeline,omitempty"`
	AzureDevOpsPipeline *azureDevOpsPipeline `json:"azureDevOpsPipeline,omitempty"`
}

type terraform struct {
	TerraformVersion           string     `json:"terraformVersion"`
	RepositoryURL              string     `json:"repositoryUrl"`
	RepositoryPath             *string    `json:"repositoryPath,omitempty"`
	RefName                    *string    `json:"refName,omitempty"`
	SSHPrivateKey              *secret    `json:"sshPrivateKey,omitempty"`
	SSHKnownHost               *knownHost `json:"sshKnownHost,omitempty"`
	Async                      bool       `json:"async"`
	UseMeshHTTPBackendFallback bool       `json:"useMeshHttpBackendFallback"`
	PreRunScript               *string    `json:"preRunScript,omitempty"`
}

type knownHost struct {
	Host     string `json:"host"`
	KeyType  string `json:"keyType"`
	KeyValue string `json:"keyValue"`
}

type githubWorkflows struct {
	Repository         string  `json:"repository"`
	Branch             string  `json:"branch"`
	ApplyWorkflow      string  `json:"applyWorkflow"`
	DestroyWorkflow    *string `json:"destroyWorkflow,omitempty"`
	Async              bool    `json:"async"`
	OmitRunObjectInput bool    `json:"omitRunObjectInput"`
	IntegrationRef     *ref    `json:"integrationRef,omitempty"`
}

type gitlabPipeline struct {
	ProjectID            string  `json:"projectId"`
	RefName              string  `json:"refName"`
	PipelineTriggerToken *secret `json:"pipelineTriggerToken,omitempty"`
	IntegrationRef       *ref    `json:"integrationRef,omitempty"`
}

type azureDevOpsPipeline struct {
	Project        string  `json:"project"`
	PipelineID     string  `json:"pipelineId"`
	RefName        *string `json:"refName,omitempty"`
	Async          bool    `json:"async"`
	IntegrationRef *ref    `json:"integrationRef,omitempty"`
}

// over puts it over what is known: what the format has no word for stays where the type does.
func (i implementation) over(was remuda.Blueprint) (remuda.Blueprint, error) {
	switch {
	case i.Type == "manual" || i.Type == "":
		return remuda.Blueprint{Type: remuda.BlueprintManual}, nil
	case i.Type == "terraform" && i.Terraform != nil:
		return remuda.Blueprint{Type: remuda.BlueprintOpenTofu, OpenTofu: i.Terraform.over(was.OpenTofu)}, nil
	case i.Type == "githubWorkflows" && i.GitHubWorkflows != nil:
		g := i.GitHubWorkflows
		return remuda.Blueprint{Type: remuda.BlueprintGitHub, GitHub: &remuda.GitHubBlueprint{
			Integration: uuidOf(g.IntegrationRef), Repository: g.Repository, Branch: g.Branch, ApplyWorkflow: g.ApplyWorkflow,
			DestroyWorkflow: text(g.DestroyWorkflow), Async: g.Async, OmitRun: g.OmitRunObjectInput,
		}}, nil
	case i.Type == "gitlabPipeline" && i.GitLabPipeline != nil:
		g := i.GitLabPipeline
		return remuda.Blueprint{Type: remuda.BlueprintGitLab, GitLab: &remuda.GitLabBlueprint{
			Integration: uuidOf(g.IntegrationRef), Project: g.ProjectID, Ref: g.RefName, Token: g.PipelineTriggerToken.native(),
		}}, nil
	case i.Type == "azureDevOpsPipeline" && i.AzureDevOpsPipeline != nil:
		a := i.AzureDevOpsPipeline
		return remuda.Blueprint{Type: remuda.BlueprintAzureDevOps, AzureDevOps: &remuda.AzureDevOpsBlueprint{
			Integration: uuidOf(a.IntegrationRef), Project: a.Project, Pipeline: a.PipelineID, Ref: text(a.RefName), Async: a.Async,
		}}, nil
	}
	return was, remuda.Fail(remuda.Invalid,
		"spec.implementation has its type, which is manual, terraform, githubWorkflows, gitlabPipeline or azureDevOpsPipeline, and the member of that name")
}

func (t *terraform) over(was *remuda.OpenTofuBlueprint) *remuda.OpenTofuBlueprint {
	o := remuda.OpenTofuBlueprint{}
	if was != nil {
		o = *was
	}
	o.Version, o.Repository, o.Path, o.Ref = t.TerraformVersion, t.RepositoryURL, text(t.RepositoryPath), text(t.RefName)
	o.SSHKey, o.KnownHost, o.OwnBackend = t.SSHPrivateKey.native(), nil, !t.UseMeshHTTPBackendFallback
	o.PreRunScript, o.Async = text(t.PreRunScript), t.Async
	if t.SSHKnownHost != nil {
		o.KnownHost = &remuda.KnownHost{Host: t.SSHKnownHost.Host, KeyType: t.SSHKnownHost.KeyType, Key: t.SSHKnownHost.KeyValue}
	}
	if o.Repository != "" {
		o.Files = nil
	}
	return &o
}

func implementationWords(b remuda.Blueprint) implementation {
	switch b.Type {
	case remuda.BlueprintOpenTofu:
		return implementation{Type: "terraform", Terraform: terraformWords(b.OpenTofu)}
	case remuda.BlueprintGitHub:
		i := implementation{Type: "githubWorkflows"}
		if g := b.GitHub; g != nil {
			i.GitHubWorkflows = &githubWorkflows{
				g.Repository, g.Branch, g.ApplyWorkflow, optional(g.DestroyWorkflow), g.Async, g.OmitRun, integrationRef(g.Integration),
			}
		}
		return i
	case remuda.BlueprintGitLab:
		i := implementation{Type: "gitlabPipeline"}
		if g := b.GitLab; g != nil {
			i.GitLabPipeline = &gitlabPipeline{g.Project, g.Ref, hashOf(g.Token), integrationRef(g.Integration)}
		}
		return i
	case remuda.BlueprintAzureDevOps:
		i := implementation{Type: "azureDevOpsPipeline"}
		if a := b.AzureDevOps; a != nil {
			i.AzureDevOpsPipeline = &azureDevOpsPipeline{a.Project, a.Pipeline, optional(a.Ref), a.Async, integrationRef(a.Integration)}
		}
		return i
	}
	return implementation{Type: "manual", Manual: &struct{}{}}
}

// terraformWords is nil for those who may not see how a version is carried out.
func terraformWords(o *remuda.OpenTofuBlueprint) *terraform {
	if o == nil {
		return nil
	}
	t := &terraform{
		TerraformVersion: o.Version, RepositoryURL: o.Repository, RepositoryPath: optional(o.Path), RefName: optional(o.Ref),
		SSHPrivateKey: hashOf(o.SSHKey), Async: o.Async, UseMeshHTTPBackendFallback: !o.OwnBackend, PreRunScript: optional(o.PreRunScript),
	}
	if o.KnownHost != nil {
		t.SSHKnownHost = &knownHost{o.KnownHost.Host, o.KnownHost.KeyType, o.KnownHost.Key}
	}
	return t
}

func integrationRef(id string) *ref {
	if id == "" {
		return nil
	}
	return &ref{UUID: id, Kind: "meshIntegration"}
}

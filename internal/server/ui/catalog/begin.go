package catalog

import "github.com/remuda-dev/remuda"

// beginning is a text to begin a definition with, for an implementation.
func beginning(implementation string) string {
	const inputs = `  inputs:
    name:
      type: string
      assignment: user
      description: What it is called
      pattern: "[a-z][a-z0-9-]*"
      pattern_error: Small letters, digits and hyphens
`
	const outputs = `  outputs:
    summary: {type: string, assignment: summary}
`
	switch implementation {
	case remuda.BlueprintManual:
		return `version:
  implementation: {type: manual}
` + inputs + `    done:
      type: boolean
      assignment: operator
      description: Set by the owner when it is there
`
	case remuda.BlueprintGitHub:
		return `version:
  resource_class: namespace/name
  implementation:
    type: github
    github:
      integration: id of the integration
      repository: platform
      branch: main
      apply_workflow: apply.yml
      destroy_workflow: destroy.yml
` + inputs + outputs
	case remuda.BlueprintGitLab:
		return `version:
  resource_class: namespace/name
  implementation:
    type: gitlab
    gitlab:
      integration: id of the integration
      project: "42"
      ref: main
      token:
        secret: the trigger token
` + inputs + outputs
	case remuda.BlueprintAzureDevOps:
		return `version:
  resource_class: namespace/name
  implementation:
    type: azuredevops
    azuredevops:
      integration: id of the integration
      project: platform
      pipeline: "7"
` + inputs + outputs
	default:
		return `version:
  resource_class: namespace/name
  implementation:
    type: opentofu
    opentofu:
      version: 1.10.10
      repository: https://git.example.com/platform/module.git
      ref: v1
` + inputs + outputs
	}
}

// implementations are what a definition can be begun with.
func implementations() []string {
	return []string{
		remuda.BlueprintOpenTofu, remuda.BlueprintGitHub, remuda.BlueprintGitLab, remuda.BlueprintAzureDevOps, remuda.BlueprintManual,
	}
}

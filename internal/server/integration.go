package server

import (
	"context"

	"github.com/remuda-dev/remuda"
)

type listIntegrationsInput struct {
	byBlockUser
	Organization string `query:"organization" maxLength:"64" doc:"Only those of this organization"`
	Paging
}

func listIntegrations(ctx context.Context, in *listIntegrationsInput) (remuda.Page[remuda.Integration], error) {
	return listedBlocks(in.blocks.Integrations(ctx, in.Organization, in.span()))
}

// newIntegration is what its owner says of an integration.
type newIntegration struct {
	Organization  string        `json:"organization,omitempty" maxLength:"64" doc:"Its owner; the caller's own organization when empty"`
	Name          string        `json:"name" minLength:"1" maxLength:"200" example:"GitHub"`
	Type          string        `json:"type" enum:"github,gitlab,azuredevops"`
	URL           string        `json:"url" minLength:"1" maxLength:"2048" doc:"Of the host's API" example:"https://api.github.com"`
	Owner         string        `json:"owner,omitempty" maxLength:"200" doc:"GitHub's owner, or the organization in Azure DevOps"`
	AppID         string        `json:"app_id,omitempty" maxLength:"200" doc:"Of a GitHub app"`
	Credential    *remuda.Value `json:"credential,omitempty" doc:"A GitHub app's private key, or a personal access token; a secret. In a change, an absent one stays"`
	ResourceClass string        `json:"resource_class,omitempty" maxLength:"130" doc:"The pool that speaks to it, as namespace/name"`
}

func (i newIntegration) whole() remuda.Integration {
	return remuda.Integration{
		Organization: i.Organization, Name: i.Name, Type: i.Type, URL: i.URL, Owner: i.Owner, AppID: i.AppID,
		Credential: i.Credential, ResourceClass: i.ResourceClass,
	}
}

type createIntegrationInput struct {
	byBlockUser
	Body newIntegration
}

func createIntegration(ctx context.Context, in *createIntegrationInput) (remuda.Integration, error) {
	return in.blocks.CreateIntegration(ctx, in.Body.whole())
}

// IntegrationID is how paths name an integration.
type IntegrationID struct {
	Integration string `path:"integration" doc:"The integration's id"`
}

type integrationInput struct {
	byBlockUser
	IntegrationID
}

func showIntegration(ctx context.Context, in *integrationInput) (remuda.Integration, error) {
	return in.blocks.Integration(ctx, in.Integration)
}

type changeIntegrationInput struct {
	byBlockUser
	IntegrationID
	Body newIntegration
}

func changeIntegration(ctx context.Context, in *changeIntegrationInput) (remuda.Integration, error) {
	return in.blocks.ChangeIntegration(ctx, in.Integration, in.Body.whole())
}

func deleteIntegration(ctx context.Context, in *integrationInput) (nothing, error) {
	return nothing{}, in.blocks.DeleteIntegration(ctx, in.Integration)
}

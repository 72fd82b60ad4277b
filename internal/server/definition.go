package server

import (
	"context"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

type listDefinitionsInput struct {
	byBlockUser
	Organization string `query:"organization" maxLength:"64" doc:"Only those that this organization owns"`
	Released     bool   `query:"released" doc:"Only those with a released version, which the caller may order"`
	Search       string `query:"search" maxLength:"200" doc:"Only those whose name has this in it"`
	Paging
}

func listDefinitions(ctx context.Context, in *listDefinitionsInput) (remuda.Page[remuda.Definition], error) {
	filter := blocks.DefinitionFilter{Organization: in.Organization, Released: in.Released, Search: in.Search}
	return listedBlocks(in.blocks.Definitions(ctx, filter, in.span()))
}

// newDefinition is what its owner says of a definition.
type newDefinition struct {
	Organization    string        `json:"organization,omitempty" maxLength:"64" doc:"Its owner; the caller's own organization when empty" example:"acme"`
	Name            string        `json:"name" minLength:"1" maxLength:"200" doc:"What people call it" example:"Object storage"`
	Description     string        `json:"description,omitempty" maxLength:"10000"`
	Readme          string        `json:"readme,omitempty" maxLength:"1048576" doc:"Markdown"`
	Target          remuda.Target `json:"target,omitempty" enum:"workspace,tenant" doc:"What its blocks belong to; workspace when empty"`
	Platforms       []string      `json:"platforms,omitempty" maxItems:"1000" doc:"Of tenants that it is for; all when empty"`
	Access          remuda.Access `json:"access,omitempty" enum:"owner,some,all" doc:"Who may order it once a version is released; owner when empty"`
	Organizations   []string      `json:"organizations,omitempty" maxItems:"1000" doc:"Who else may order it when access is 'some'"`
	RunTransparency bool          `json:"run_transparency,omitempty" doc:"Whether those who order it see the runs' steps, plan and output"`
	Symbol          string        `json:"symbol,omitempty" maxLength:"100000" doc:"Address or data URL of a picture"`
	SupportURL      string        `json:"support_url,omitempty" maxLength:"2048"`
	DocsURL         string        `json:"docs_url,omitempty" maxLength:"2048"`
	Notify          []string      `json:"notify,omitempty" maxItems:"1000" doc:"Names of those who are told about its runs"`
	Extra           remuda.Extra  `json:"extra,omitempty" doc:"What another system's format says beyond this, kept as it came"`
}

func (d newDefinition) whole() remuda.Definition {
	return remuda.Definition{
		Organization: d.Organization, Name: d.Name, Description: d.Description, Readme: d.Readme, Target: d.Target,
		Platforms: d.Platforms, Access: d.Access, Organizations: d.Organizations, RunTransparency: d.RunTransparency,
		Symbol: d.Symbol, SupportURL: d.SupportURL, DocsURL: d.DocsURL, Notify: d.Notify, Extra: d.Extra,
	}
}

type createDefinitionInput struct {
	byBlockUser
	Body newDefinition
}

func createDefinition(ctx context.Context, in *createDefinitionInput) (remuda.Definition, error) {
	return in.blocks.CreateDefinition(ctx, in.Body.whole())
}

// DefinitionID is how paths name a definition.
type DefinitionID struct {
	Definition string `path:"definition" doc:"The definition's id"`
}

type definitionInput struct {
	byBlockUser
	DefinitionID
}

func showDefinition(ctx context.Context, in *definitionInput) (remuda.Definition, error) {
	return in.blocks.Definition(ctx, in.Definition)
}

type changeDefinitionInput struct {
	byBlockUser
	DefinitionID
	Body newDefinition
}

func changeDefinition(ctx context.Context, in *changeDefinitionInput) (remuda.Definition, error) {
	return in.blocks.ChangeDefinition(ctx, in.Definition, in.Body.whole())
}

func deleteDefinition(ctx context.Context, in *definitionInput) (nothing, error) {
	return nothing{}, in.blocks.DeleteDefinition(ctx, in.Definition)
}

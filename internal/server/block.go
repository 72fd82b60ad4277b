package server

import (
	"context"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

type listBlocksInput struct {
	byBlockUser
	Organization        string               `query:"organization" maxLength:"64" doc:"Only those that this organization ordered"`
	Project             string               `query:"project" maxLength:"200" doc:"Only those of this project"`
	Platform            string               `query:"platform" maxLength:"200" doc:"Only those of tenants on this platform"`
	Tenant              string               `query:"tenant" maxLength:"64" doc:"Only those of the tenant with this id"`
	Name                string               `query:"name" maxLength:"200" doc:"Only those of this name"`
	Definition          string               `query:"definition" maxLength:"64" doc:"Only those of the definition with this id"`
	Version             int                  `query:"version" minimum:"0" doc:"Only those of the version with this number; any when 0"`
	Target              remuda.Target        `query:"target" enum:"workspace,tenant" doc:"Only those that belong to one of these"`
	Status              []remuda.BlockStatus `query:"status,explode" enum:"waiting_for_dependent_input,waiting_for_operator_input,waiting_for_user_input,waiting_for_approval,pending,in_progress,succeeded,failed,aborted" maxItems:"9" doc:"Only those with one of these; say it once for each"`
	Lifecycle           []remuda.Lifecycle   `query:"lifecycle,explode" enum:"active,marked_for_deletion,deleted" maxItems:"3" doc:"Only those in one of these; say it once for each. Those that are not deleted when nothing is said"`
	ManagedBy           string               `query:"managed_by" maxLength:"64" doc:"Only those of definitions that this organization owns, whoever ordered them"`
	ManagedByDefinition string               `query:"managed_by_definition" maxLength:"64" doc:"The same, of the definition with this id"`
	Search              string               `query:"search" maxLength:"200" doc:"Only those whose name has this in it"`
	Drifted             bool                 `query:"drifted" doc:"Only those of which the last plan found that what is there is not as it was ordered"`
	Paging
}

func listBlocks(ctx context.Context, in *listBlocksInput) (remuda.Page[remuda.Block], error) {
	filter := blocks.BlockFilter{
		Organization: in.Organization, Project: in.Project, Platform: in.Platform, Tenant: in.Tenant, Name: in.Name,
		Definition: in.Definition, Version: in.Version, Target: in.Target, Status: in.Status, Lifecycle: in.Lifecycle,
		ManagedBy: in.ManagedBy, ManagedByDefinition: in.ManagedByDefinition, Search: in.Search, Drifted: in.Drifted,
	}
	return listedBlocks(in.blocks.Blocks(ctx, filter, in.span()))
}

// newBlock is an order.
type newBlock struct {
	Organization string                  `json:"organization,omitempty" maxLength:"64" doc:"Who orders it; the caller's own organization when empty"`
	Project      string                  `json:"project,omitempty" maxLength:"200" doc:"What its runs count by"`
	Tenant       string                  `json:"tenant,omitempty" maxLength:"64" doc:"Id of the tenant that it belongs to, where its definition is for tenants"`
	Name         string                  `json:"name" minLength:"1" maxLength:"200" doc:"What people call it" example:"uploads"`
	Definition   string                  `json:"definition" minLength:"1" maxLength:"64" doc:"Id of its definition"`
	Version      int                     `json:"version,omitempty" minimum:"0" doc:"Number of its version; the newest released one when 0"`
	Inputs       map[string]remuda.Value `json:"inputs,omitempty" maxProperties:"200" doc:"By key"`
	Parents      []string                `json:"parents,omitempty" maxItems:"100" doc:"Ids of the blocks whose outputs it takes, or after which it runs"`
}

type orderBlockInput struct {
	byBlockUser
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"Any text that is new for each order: sent again with the same key, it answers with the block that the first one made"`
	Body           newBlock
}

func orderBlock(ctx context.Context, in *orderBlockInput) (remuda.Block, error) {
	b := in.Body
	return in.blocks.OrderBlock(ctx, remuda.Block{
		Organization: b.Organization, Project: b.Project, Tenant: b.Tenant, Name: b.Name, Definition: b.Definition,
		Version: b.Version, Inputs: b.Inputs, Parents: b.Parents,
	}, in.IdempotencyKey)
}

// BlockID is how paths name a block.
type BlockID struct {
	Block string `path:"block" doc:"The block's id"`
}

type blockInput struct {
	byBlockUser
	BlockID
}

type changeBlockInput struct {
	byBlockUser
	BlockID
	Body remuda.BlockChange
}

func changeBlock(ctx context.Context, in *changeBlockInput) (remuda.Block, error) {
	return in.blocks.ChangeBlock(ctx, in.Block, in.Body)
}

type deleteBlockInput struct {
	byBlockUser
	BlockID
	Purge bool `query:"purge" doc:"Forget it at once, whatever becomes of what it made"`
}

func deleteBlock(ctx context.Context, in *deleteBlockInput) (remuda.Block, error) {
	return in.blocks.DeleteBlock(ctx, in.Block, in.Purge)
}

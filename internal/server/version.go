package server

import (
	"context"

	"github.com/remuda-dev/remuda"
)

type listVersionsInput struct {
	byBlockUser
	DefinitionID
	Paging
}

func listVersions(ctx context.Context, in *listVersionsInput) (remuda.Page[remuda.Version], error) {
	return listedBlocks(in.blocks.Versions(ctx, in.Definition, in.span()))
}

// newVersion is what a definition's owner says of a version.
type newVersion struct {
	ResourceClass  string                   `json:"resource_class,omitempty" maxLength:"130" doc:"The pool that carries out its runs, as namespace/name; not needed for manual ones" example:"acme/linux"`
	Implementation remuda.Blueprint         `json:"implementation"`
	Inputs         map[string]remuda.Input  `json:"inputs,omitempty" maxProperties:"200" doc:"By key"`
	Outputs        map[string]remuda.Output `json:"outputs,omitempty" maxProperties:"200" doc:"By key. Of a manual one they follow from its inputs"`
	Dependencies   []string                 `json:"dependencies,omitempty" maxItems:"100" doc:"Ids of definitions of which its blocks need a parent each"`
	Permissions    []string                 `json:"permissions,omitempty" maxItems:"100" doc:"What a run's token may do beside its run"`
	Deletion       remuda.Deletion          `json:"deletion,omitempty" enum:"destroy,purge" doc:"What deleting a block does; destroy when empty"`
	OncePerTenant  bool                     `json:"once_per_tenant,omitempty" doc:"Whether a target has at most one block of it"`
	Approval       bool                     `json:"approval,omitempty" doc:"Whether each change is planned first, and applied when its plan was approved"`
	DriftEvery     remuda.Duration          `json:"drift_every,omitempty" doc:"How often its blocks are compared with what is there; never when empty"`
	Timeout        remuda.Duration          `json:"timeout,omitempty" doc:"How long a run may take; 1h when empty"`
	Extra          remuda.Extra             `json:"extra,omitempty" doc:"What another system's format says beyond this, kept as it came"`
}

func (v newVersion) whole() remuda.Version {
	return remuda.Version{
		ResourceClass: v.ResourceClass, Implementation: v.Implementation, Inputs: v.Inputs, Outputs: v.Outputs,
		Dependencies: v.Dependencies, Permissions: v.Permissions, Deletion: v.Deletion, OncePerTenant: v.OncePerTenant,
		Approval: v.Approval, DriftEvery: v.DriftEvery, Timeout: v.Timeout, Extra: v.Extra,
	}
}

type createVersionInput struct {
	byBlockUser
	DefinitionID
	Body newVersion
}

func createVersion(ctx context.Context, in *createVersionInput) (remuda.Version, error) {
	return in.blocks.CreateVersion(ctx, in.Definition, in.Body.whole())
}

// VersionNumber is how paths name a version.
type VersionNumber struct {
	DefinitionID
	Version string `path:"version" doc:"The version's number"`
}

func (v VersionNumber) number() (int, error) { return numberOf(v.Version, "version") }

type versionInput struct {
	byBlockUser
	VersionNumber
}

func showVersion(ctx context.Context, in *versionInput) (remuda.Version, error) {
	number, err := in.number()
	if err != nil {
		return remuda.Version{}, err
	}
	return in.blocks.Version(ctx, in.Definition, number)
}

type changeVersionInput struct {
	byBlockUser
	VersionNumber
	Body newVersion
}

func changeVersion(ctx context.Context, in *changeVersionInput) (remuda.Version, error) {
	number, err := in.number()
	if err != nil {
		return remuda.Version{}, err
	}
	return in.blocks.ChangeVersion(ctx, in.Definition, number, in.Body.whole())
}

func releaseVersion(ctx context.Context, in *versionInput) (remuda.Version, error) {
	number, err := in.number()
	if err != nil {
		return remuda.Version{}, err
	}
	return in.blocks.ReleaseVersion(ctx, in.Definition, number)
}

func deleteVersion(ctx context.Context, in *versionInput) (nothing, error) {
	number, err := in.number()
	if err != nil {
		return nothing{}, err
	}
	return nothing{}, in.blocks.DeleteVersion(ctx, in.Definition, number)
}

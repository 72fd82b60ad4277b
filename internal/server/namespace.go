package server

import (
	"context"

	"github.com/remuda-dev/remuda"
)

type namespaceInput struct {
	byUser
	Namespace string `path:"namespace" doc:"The namespace's name" example:"acme"`
}

type listNamespacesInput struct {
	byUser
	Paging
}

func listNamespaces(ctx context.Context, in *listNamespacesInput) (remuda.Page[remuda.Namespace], error) {
	return listed(in.door.Namespaces(ctx, in.query()))
}

type newNamespace struct {
	Name         string `json:"name" minLength:"1" maxLength:"64" doc:"Unique on this control plane; a-z, 0-9 and '-'" example:"acme"`
	Organization string `json:"organization,omitempty" maxLength:"64" doc:"Who claims it; the caller's own organization when empty" example:"acme"`
}

type claimNamespaceInput struct {
	byUser
	Body newNamespace
}

func claimNamespace(ctx context.Context, in *claimNamespaceInput) (remuda.Namespace, error) {
	return in.door.ClaimNamespace(ctx, in.Body.Organization, in.Body.Name)
}

func showNamespace(ctx context.Context, in *namespaceInput) (remuda.Namespace, error) {
	return in.door.Namespace(ctx, in.Namespace)
}

func deleteNamespace(ctx context.Context, in *namespaceInput) (nothing, error) {
	return nothing{}, in.door.DeleteNamespace(ctx, in.Namespace)
}

type namespaceTransfer struct {
	Organization string `json:"organization" minLength:"1" maxLength:"64" doc:"Who shall have it" example:"acme-labs"`
}

type transferNamespaceInput struct {
	byUser
	Namespace string `path:"namespace" doc:"The namespace's name" example:"acme"`
	Body      namespaceTransfer
}

func transferNamespace(ctx context.Context, in *transferNamespaceInput) (remuda.Namespace, error) {
	return in.door.TransferNamespace(ctx, in.Namespace, in.Body.Organization)
}

type namespaceRename struct {
	Name string `json:"name" minLength:"1" maxLength:"64" doc:"Its new name" example:"acme-labs"`
}

type renameNamespaceInput struct {
	byUser
	Namespace string `path:"namespace" doc:"The namespace's name" example:"acme"`
	Body      namespaceRename
}

func renameNamespace(ctx context.Context, in *renameNamespaceInput) (remuda.Namespace, error) {
	return in.door.RenameNamespace(ctx, in.Namespace, in.Body.Name)
}

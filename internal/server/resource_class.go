package server

import (
	"context"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// ClassName is how paths name a resource class: its two parts are two elements.
type ClassName struct {
	Namespace string `path:"namespace" doc:"The first part of the class's name" example:"acme"`
	Name      string `path:"name" doc:"The second part of the class's name" example:"linux"`
}

func (c ClassName) whole() string { return c.Namespace + "/" + c.Name }

type resourceClassInput struct {
	byUser
	ClassName
}

type listResourceClassesInput struct {
	byUser
	Namespace    string `query:"namespace" maxLength:"64" doc:"Only those of this namespace"`
	Organization string `query:"organization" maxLength:"64" doc:"Only those that this organization may use"`
	Paging
}

func listResourceClasses(ctx context.Context, in *listResourceClassesInput) (remuda.Page[remuda.ResourceClass], error) {
	filter := control.ResourceClassFilter{Namespace: in.Namespace, Organization: in.Organization}
	return listed(in.door.ResourceClasses(ctx, filter, in.query()))
}

type newResourceClass struct {
	Name          string          `json:"name" minLength:"3" maxLength:"130" doc:"namespace/name" example:"acme/linux"`
	Description   string          `json:"description,omitempty" maxLength:"1000" example:"Linux with 8 cores"`
	Access        remuda.Access   `json:"access,omitempty" enum:"owner,some,all" doc:"Who may use it beside its owner; 'owner' when nothing is said"`
	Organizations []string        `json:"organizations,omitempty" maxItems:"1000" doc:"Who may use it when access is 'some'"`
	TaskLimit     int             `json:"task_limit,omitempty" minimum:"0" doc:"How many tasks run on it at once; 0 for no limit"`
	AllowForks    bool            `json:"allow_forks,omitempty" doc:"Whether public projects that build forks may use it"`
	LostAfter     remuda.Duration `json:"lost_after,omitempty" doc:"How long a runner may be silent; 10m when empty"`
}

type createResourceClassInput struct {
	byUser
	Body newResourceClass
}

func createResourceClass(ctx context.Context, in *createResourceClassInput) (remuda.ResourceClass, error) {
	b := in.Body
	return in.door.CreateResourceClass(ctx, remuda.ResourceClass{
		Name: b.Name, Description: b.Description, Access: b.Access, Organizations: b.Organizations,
		TaskLimit: b.TaskLimit, AllowForks: b.AllowForks, LostAfter: b.LostAfter,
	})
}

func showResourceClass(ctx context.Context, in *resourceClassInput) (remuda.ResourceClass, error) {
	return in.door.ResourceClass(ctx, in.whole())
}

type scalingInput struct {
	byScaler
	ClassName
}

func showScaling(ctx context.Context, in *scalingInput) (remuda.Scaling, error) {
	return in.scaling(ctx, in.whole())
}

type resourceClassChange struct {
	Description   *string          `json:"description,omitempty" maxLength:"1000" example:"Linux with 8 cores"`
	Access        *remuda.Access   `json:"access,omitempty" enum:"owner,some,all" doc:"Who may use it beside its owner"`
	Organizations *[]string        `json:"organizations,omitempty" maxItems:"1000" doc:"Who may use it when access is 'some'"`
	TaskLimit     *int             `json:"task_limit,omitempty" minimum:"0" doc:"How many tasks run on it at once; 0 for no limit"`
	AllowForks    *bool            `json:"allow_forks,omitempty" doc:"Whether public projects that build forks may use it"`
	LostAfter     *remuda.Duration `json:"lost_after,omitempty" doc:"How long a runner may be silent"`
}

type changeResourceClassInput struct {
	byUser
	ClassName
	Body resourceClassChange
}

func changeResourceClass(ctx context.Context, in *changeResourceClassInput) (remuda.ResourceClass, error) {
	return in.door.ChangeResourceClass(ctx, in.whole(), control.ResourceClassChange(in.Body))
}

type deleteResourceClassInput struct {
	byUser
	ClassName
	Force bool `query:"force" doc:"Revoke its tokens too"`
}

func deleteResourceClass(ctx context.Context, in *deleteResourceClassInput) (nothing, error) {
	return nothing{}, in.door.DeleteResourceClass(ctx, in.whole(), in.Force)
}

package server

import (
	"context"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

type projectInput struct {
	byUser
	Organization string `path:"organization" doc:"The organization's name" example:"acme"`
	Project      string `path:"project" doc:"The project's name" example:"app"`
}

type listProjectsInput struct {
	byUser
	Organization string `path:"organization" doc:"The organization's name" example:"acme"`
	Paging
}

func listProjects(ctx context.Context, in *listProjectsInput) (remuda.Page[remuda.Project], error) {
	return listed(in.door.Projects(ctx, in.Organization, in.query()))
}

type newProject struct {
	Name        string `json:"name" minLength:"1" maxLength:"200" example:"app"`
	Visibility  string `json:"visibility,omitempty" enum:"private,public" doc:"'private' when nothing is said"`
	BuildsForks bool   `json:"builds_forks,omitempty" doc:"Whether tasks for forks of it are submitted"`
	TaskLimit   int    `json:"task_limit,omitempty" minimum:"0" doc:"How many of its tasks run at once; 0 for no limit" example:"5"`
	Weight      int    `json:"weight,omitempty" minimum:"0" maximum:"1000" doc:"Its share beside other projects; 1 when nothing is said" example:"2"`
}

type createProjectInput struct {
	byUser
	Organization string `path:"organization" doc:"The organization's name" example:"acme"`
	Body         newProject
}

func createProject(ctx context.Context, in *createProjectInput) (remuda.Project, error) {
	return in.door.CreateProject(ctx, remuda.Project{
		Name: in.Body.Name, Organization: in.Organization, Visibility: in.Body.Visibility,
		BuildsForks: in.Body.BuildsForks, TaskLimit: in.Body.TaskLimit, Weight: in.Body.Weight,
	})
}

func showProject(ctx context.Context, in *projectInput) (remuda.Project, error) {
	return in.door.Project(ctx, in.Organization, in.Project)
}

type projectChange struct {
	Visibility  *string `json:"visibility,omitempty" enum:"private,public"`
	BuildsForks *bool   `json:"builds_forks,omitempty" doc:"Whether tasks for forks of it are submitted"`
	TaskLimit   *int    `json:"task_limit,omitempty" minimum:"0" doc:"How many of its tasks run at once; 0 for no limit" example:"5"`
	Weight      *int    `json:"weight,omitempty" minimum:"1" maximum:"1000" doc:"Its share beside other projects" example:"2"`
}

type changeProjectInput struct {
	byUser
	Organization string `path:"organization" doc:"The organization's name" example:"acme"`
	Project      string `path:"project" doc:"The project's name" example:"app"`
	Body         projectChange
}

func changeProject(ctx context.Context, in *changeProjectInput) (remuda.Project, error) {
	return in.door.ChangeProject(ctx, in.Organization, in.Project, control.ProjectChange(in.Body))
}

func deleteProject(ctx context.Context, in *projectInput) (nothing, error) {
	return nothing{}, in.door.DeleteProject(ctx, in.Organization, in.Project)
}

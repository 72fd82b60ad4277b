package task

import (
	"errors"
	"net/http"
	"slices"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// draft is a small task as people try the first one out. What the form has no field for stands in job files.
type draft struct {
	Class, Name, Command string

	Classes []remuda.ResourceClass
	Wrong   *remuda.Error
}

func form(v *page.Visit) (page.View, error) {
	if !v.Door.May(v.User.Organization, remuda.RoleMember) {
		return page.View{}, remuda.Fail(remuda.Forbidden, "Submitting needs the role member in "+v.User.Organization+"; yours is "+string(v.User.Role)+".")
	}
	return draft{Class: v.Query("class")}.view(v)
}

func (d draft) view(v *page.Visit) (page.View, error) {
	view := page.View{Title: "New task", Area: page.Tasks, Trail: trail(), Files: files(), Still: true}
	classes, err := v.Door.ResourceClasses(v.Context(), control.ResourceClassFilter{}, control.PageQuery{Limit: 100})
	if err != nil {
		return view, err
	}
	d.Classes = classes.Items
	slices.SortFunc(d.Classes, func(a, b remuda.ResourceClass) int { return b.Runners - a.Runners })
	view.Body = fresh(d)
	if d.Wrong != nil {
		view.Code = http.StatusUnprocessableEntity
	}
	return view, nil
}

func submit(v *page.Visit) (page.Answer, error) {
	d := draft{Class: v.Form("class"), Name: v.Form("name"), Command: v.Form("command")}
	job, err := v.Door.Submit(v.Context(), remuda.Submission{
		Name: d.Name, ResourceClass: d.Class,
		Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: d.Command}}}},
	}, "")
	if err == nil {
		return page.Answer{To: address(job.Tasks[0].ID)}, nil
	}
	if d.Wrong = mendable(err); d.Wrong == nil {
		return page.Answer{}, err
	}
	view, err := d.view(v)
	return page.Answer{View: &view}, err
}

// mendable is what is wrong with the form, in its own words; nil for what is not about the form.
func mendable(err error) *remuda.Error {
	var told *remuda.Error
	if !errors.As(err, &told) {
		return nil
	}
	switch told.Kind {
	case remuda.Invalid, remuda.NotFound, remuda.Conflict, remuda.TooLarge:
		return &remuda.Error{Kind: told.Kind, Detail: told.Detail}
	default:
		return nil
	}
}

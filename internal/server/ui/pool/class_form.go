package pool

import (
	"strconv"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// usualLostAfter is what holds for a class that says nothing.
const usualLostAfter = remuda.Duration(10 * time.Minute)

// classForm is a class as people fill it in.
type classForm struct {
	Name, Description, Access, Organizations, TaskLimit, LostAfter string

	AllowForks bool
	Wrong      *remuda.Error
	Hosted     bool // whether the visitor may open it to every organization
}

func filledIn(v *page.Visit) classForm {
	return classForm{
		Name: v.Form("name"), Description: v.Form("description"), Access: v.Form("access"), Organizations: v.Form("organizations"),
		TaskLimit: v.Form("task_limit"), LostAfter: v.Form("lost_after"), AllowForks: v.Form("allow_forks") != "", Hosted: v.User.Admin,
	}
}

// class is what the form says of one, or what cannot be understood of it.
func (f classForm) class(namespace string) (remuda.ResourceClass, error) {
	class := remuda.ResourceClass{
		Name: namespace + "/" + f.Name, Description: f.Description, Access: remuda.Access(f.Access), AllowForks: f.AllowForks,
		Organizations: strings.FieldsFunc(f.Organizations, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' }),
	}
	wrong := remuda.Fail(remuda.Invalid, "The form cannot be understood.")
	if f.TaskLimit != "" {
		var err error
		if class.TaskLimit, err = strconv.Atoi(f.TaskLimit); err != nil {
			wrong.Fields = append(wrong.Fields, remuda.Field{Location: "At most so many tasks at once", Message: "a whole number; 0 or nothing for no limit"})
		}
	}
	if f.LostAfter != "" {
		var err error
		if class.LostAfter, err = remuda.ParseDuration(f.LostAfter); err != nil {
			wrong.Fields = append(wrong.Fields, remuda.Field{Location: "Give up a silent runner after", Message: err.Error()})
		}
	}
	if len(wrong.Fields) > 0 {
		return class, wrong
	}
	return class, nil
}

// owner is the organization that a new class is for: of an administrator of the instance, the one that was chosen.
type owner struct {
	Organization remuda.Organization
	Choices      []string // when none is chosen yet
}

func ownerOf(v *page.Visit) (owner, error) {
	name := v.Query("organization")
	if name == "" {
		name = v.Form("organization")
	}
	if name == "" {
		name = v.User.Organization
	}
	if name == "" {
		all, err := v.Door.Organizations(v.Context(), control.PageQuery{Limit: mostChoices})
		if err != nil {
			return owner{}, err
		}
		if len(all.Items) != 1 {
			return owner{Choices: namesOf(all.Items)}, nil
		}
		name = all.Items[0].Name
	}
	if found, err := v.Door.Organization(v.Context(), name); err != nil || runsRunners(v, name) {
		return owner{Organization: found}, err
	}
	return owner{}, remuda.Fail(remuda.Forbidden, "Making a resource class needs the role admin in "+name+".")
}

func namesOf(all []remuda.Organization) []string {
	names := make([]string, 0, len(all))
	for _, o := range all {
		names = append(names, o.Name)
	}
	return names
}

func showNewClass(v *page.Visit) (page.View, error) {
	o, err := ownerOf(v)
	if err != nil {
		return page.View{}, err
	}
	return o.newClass(v, classForm{Access: string(remuda.AccessOwner), Hosted: v.User.Admin})
}

// newClass is the form that fits: which organization, which namespace, which class.
func (o owner) newClass(v *page.Visit, f classForm) (page.View, error) {
	view := page.View{Title: "New resource class", Area: page.Classes, Trail: trail(""), Still: true, Files: styles()}
	switch {
	case o.Organization.Name == "":
		view.Body = chooseOrganization(o.Choices)
	case o.Organization.Namespace == "":
		suggested, err := v.Door.SuggestNamespace(v.Context(), o.Organization.Name)
		if err != nil && remuda.KindOf(err) != remuda.NotFound {
			return view, err
		}
		view.Title, view.Body = "Claim a namespace", namespaceForm(o.Organization.Name, suggested, nil)
	default:
		view.Body = newClassForm(o.Organization, f)
	}
	if f.Wrong != nil {
		view.Code = 422
	}
	return view, nil
}

func createClass(v *page.Visit) (page.Answer, error) {
	o, err := ownerOf(v)
	if err != nil {
		return page.Answer{}, err
	}
	f := filledIn(v)
	class, err := f.class(o.Organization.Namespace)
	if err == nil {
		class, err = v.Door.CreateResourceClass(v.Context(), class)
	}
	if err == nil {
		return page.Answer{To: classPath(class.Name), Notice: "The resource class " + class.Name + " is there. Now install a runner for it."}, nil
	}
	told, aboutForm := wrongWith(err)
	if !aboutForm {
		return page.Answer{}, err
	}
	f.Wrong = &told
	view, err := o.newClass(v, f)
	return page.Answer{View: &view}, err
}

// wrongWith is what is wrong with a form of a class; an organization in it that nobody knows is one of these things.
func wrongWith(err error) (remuda.Error, bool) {
	told, about := page.Problem(err)
	return told, about || told.Kind == remuda.NotFound
}

func claimNamespace(v *page.Visit) (page.Answer, error) {
	organization, name := v.Form("organization"), v.Form("name")
	_, err := v.Door.ClaimNamespace(v.Context(), organization, name)
	if err == nil {
		return page.Answer{
			To:     page.Address("/resource-classes/new", "organization", organization),
			Notice: organization + " has the namespace " + name + ". Now make a resource class in it.",
		}, nil
	}
	told, about := page.Problem(err)
	if !about {
		return page.Answer{}, err
	}
	return page.Answer{View: &page.View{
		Title: "Claim a namespace", Area: page.Classes, Trail: trail(""), Still: true, Files: styles(), Code: 422,
		Body: namespaceForm(organization, name, &told),
	}}, nil
}

func formOf(v *page.Visit, class remuda.ResourceClass) classForm {
	f := classForm{
		Name: class.Name, Description: class.Description, Access: string(class.Access), AllowForks: class.AllowForks,
		Organizations: strings.Join(class.Organizations, ", "), Hosted: v.User.Admin || class.Access == remuda.AccessAll,
	}
	if class.TaskLimit > 0 {
		f.TaskLimit = strconv.Itoa(class.TaskLimit)
	}
	if class.LostAfter > 0 {
		f.LostAfter = class.LostAfter.String()
	}
	return f
}

func showChange(v *page.Visit) (page.View, error) {
	class, err := changeable(v)
	if err != nil {
		return page.View{}, err
	}
	return changeView(class.Name, formOf(v, class)), nil
}

// changeable is the class that an address is about, for those who may change it.
func changeable(v *page.Visit) (remuda.ResourceClass, error) {
	class, err := v.Door.ResourceClass(v.Context(), className(v))
	if err == nil && !runsRunners(v, class.Organization) {
		err = remuda.Fail(remuda.Forbidden, "This needs the role admin in "+class.Organization+".")
	}
	return class, err
}

func changeView(name string, f classForm) page.View {
	view := page.View{
		Title: "Change " + name, Area: page.Classes, Trail: trail(name), Still: true, Files: styles(), Body: changeForm(name, f),
	}
	if f.Wrong != nil {
		view.Code = 422
	}
	return view
}

func changeClass(v *page.Visit) (page.Answer, error) {
	name, f := className(v), filledIn(v)
	class, err := f.class(v.Path("namespace"))
	if err == nil {
		change := control.ResourceClassChange{
			Description: &class.Description, Access: &class.Access, TaskLimit: &class.TaskLimit, AllowForks: &class.AllowForks, LostAfter: &class.LostAfter,
		}
		if class.Access == remuda.AccessSome || len(class.Organizations) > 0 {
			change.Organizations = &class.Organizations
		}
		_, err = v.Door.ChangeResourceClass(v.Context(), name, change)
	}
	if err == nil {
		return page.Answer{To: classPath(name), Notice: "The resource class is changed."}, nil
	}
	told, about := wrongWith(err)
	if _, there := v.Door.ResourceClass(v.Context(), name); !about || there != nil {
		return page.Answer{}, err
	}
	f.Wrong = &told
	view := changeView(name, f)
	return page.Answer{View: &view}, nil
}

func deleteClass(v *page.Visit) (page.Answer, error) {
	name := className(v)
	if err := v.Door.DeleteResourceClass(v.Context(), name, v.Form("force") != ""); err != nil {
		return page.Answer{}, err
	}
	return page.Answer{To: "/resource-classes", Notice: "The resource class " + name + " is deleted."}, nil
}

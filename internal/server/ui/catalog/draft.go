package catalog

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
	"github.com/remuda-dev/remuda/internal/yaml"
)

// draft is the form that makes or changes a definition.
type draft struct {
	Old            remuda.Definition // what is changed; empty when one is made
	Latest         remuda.Version    // its newest version
	Said           remuda.Definition // what the fields say
	Text           string            // and the rest, as it may be shown
	sent           string            // and as it was sent, with its secrets
	Was            string            // the text that the form was filled with
	Implementation string            // that the text was begun with
	Organizations  []string          // of which one is chosen; only the instance's administrator chooses
	Release        bool

	Wrong  string
	Lines  []string          // what is wrong with the text
	Blamed map[string]string // what is wrong with the fields, by name
	File   string            // the whole as a file, when that was asked for
}

// Address is where the form is.
func (d draft) Address() string {
	if d.Old.ID == "" {
		return "/definitions/new"
	}
	return "/definitions/" + d.Old.ID + "/edit"
}

func showNew(v *page.Visit) (page.View, error) {
	d, err := newDraft(v)
	return d.view(0), err
}

func (d draft) view(code int) page.View {
	view := page.View{
		Title: "New definition", Area: page.Definitions, Still: true, Code: code, Files: files(), Body: draftForm(d),
		Trail: []page.Link{{Text: "Definitions", To: "/definitions"}},
	}
	if d.Old.ID != "" {
		view.Title = "Change " + d.Old.Name
		view.Trail = append(view.Trail, page.Link{Text: d.Old.Name, To: "/definitions/" + d.Old.ID})
	}
	return view
}

// newDraft is a form to begin with, for those who may make definitions.
func newDraft(v *page.Visit) (draft, error) {
	d := draft{Implementation: v.Query("implementation")}
	if !slices.Contains(implementations(), d.Implementation) {
		d.Implementation = remuda.BlueprintOpenTofu
	}
	d.Text = beginning(d.Implementation)
	d.Said = remuda.Definition{Organization: v.User.Organization, Target: remuda.TargetWorkspace, Access: remuda.AccessOwner}
	if !mayMake(v) {
		return d, control.Lacks(v.User, remuda.PermitDefinitionSave)
	}
	if v.User.Admin {
		all, err := v.Door.Organizations(v.Context(), control.PageQuery{Limit: 500})
		if err != nil {
			return d, err
		}
		for _, one := range all.Items {
			d.Organizations = append(d.Organizations, one.Name)
		}
	}
	return d, nil
}

func showEdit(v *page.Visit) (page.View, error) {
	d, err := oldDraft(v)
	return d.view(0), err
}

// oldDraft is a form with what a definition and its newest version say, for those who may change it.
func oldDraft(v *page.Visit) (d draft, err error) {
	if d.Old, err = v.Blocks.Definition(v.Context(), v.Path("definition")); err != nil {
		return d, err
	}
	if !v.Door.May(d.Old.Organization, remuda.RoleAdmin) {
		return d, control.Lacks(v.User, remuda.PermitDefinitionSave)
	}
	if d.Latest, err = v.Blocks.Version(v.Context(), d.Old.ID, d.Old.Latest); err != nil {
		return d, err
	}
	text, err := yaml.Encode(restOf(d.Old, d.Latest))
	d.Said, d.Text, d.Was = d.Old, string(text), digest(d.Old, string(text))
	return d, err
}

// digest is the same as long as nobody changes the definition.
func digest(d remuda.Definition, text string) string {
	return onceKey(text, remuda.Block{Name: d.Name, Definition: d.ID, Detail: encoded([]string{d.Description, string(d.Target), string(d.Access)})})
}

// take reads the form, and says whether it can be read.
func (d *draft) take(v *page.Visit) (r rest, right bool) {
	sent := strings.ReplaceAll(v.Request.PostFormValue("text"), "\r\n", "\n")
	d.sent, d.Text, d.Release = sent, withoutSecrets(sent), v.Form("release") != ""
	d.Said = remuda.Definition{
		Organization: cmp.Or(d.Old.Organization, v.Form("organization"), v.User.Organization), Name: v.Form("name"),
		Description: strings.ReplaceAll(v.Form("description"), "\r\n", "\n"), Target: remuda.Target(v.Form("target")), Access: remuda.Access(v.Form("access")),
	}
	r, d.Lines = read(sent)
	if len(d.Lines) > 0 {
		d.Wrong = "Nothing was done: the text cannot be read."
		return r, false
	}
	r.into(&d.Said)
	return r, true
}

// preview shows the whole as a file.
func (d *draft) preview(r rest) (page.Answer, error) {
	version := remuda.Version{}
	if r.Version != nil {
		version = r.Version.words()
	}
	var err error
	d.File, err = wholeFile(d.Said, version)
	view := d.view(http.StatusOK)
	return page.Answer{View: &view}, err
}

func makeDefinition(v *page.Visit) (page.Answer, error) {
	d, err := newDraft(v)
	if err != nil {
		return page.Answer{}, err
	}
	r, right := d.take(v)
	switch {
	case !right:
		return d.again(http.StatusUnprocessableEntity), nil
	case v.Form("do") == "show":
		return d.preview(r)
	}
	made, err := v.Blocks.CreateDefinition(v.Context(), d.Said)
	if err != nil {
		return d.refused(err, "")
	}
	if err := d.fill(v, made, r); err != nil {
		if err := forget(v, made.ID); err != nil {
			return page.Answer{}, err
		}
		return d.refused(err, "version.")
	}
	return page.Answer{To: "/definitions/" + url.PathEscape(made.ID), Notice: "The definition is made."}, nil
}

// fill says what the draft of a new definition is.
func (d *draft) fill(v *page.Visit, made remuda.Definition, r rest) error {
	if r.Version == nil {
		return nil
	}
	filled, err := v.Blocks.ChangeVersion(v.Context(), made.ID, made.Latest, r.Version.words())
	if err != nil || !d.Release {
		return err
	}
	_, err = v.Blocks.ReleaseVersion(v.Context(), made.ID, filled.Number)
	return err
}

// forget deletes a definition whose version was refused, so that the mended text can be sent again.
func forget(v *page.Visit, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.Context()), 10*time.Second)
	defer cancel()
	return v.Blocks.DeleteDefinition(ctx, id)
}

func editDefinition(v *page.Visit) (page.Answer, error) {
	d, err := oldDraft(v)
	if err != nil {
		return page.Answer{}, err
	}
	was := d.Was
	r, right := d.take(v)
	switch {
	case !right:
		return d.again(http.StatusUnprocessableEntity), nil
	case v.Form("do") == "show":
		return d.preview(r)
	case v.Form("was") != was:
		d.Wrong = "The definition was changed while you wrote. Nothing was done: look at what its page says now, then save again to replace it."
		return d.again(http.StatusConflict), nil
	}
	// The version first: it is what may be refused for many reasons, and then nothing is changed.
	number, err := d.nextVersion(v, r)
	if err != nil {
		return d.refused(err, "version.")
	}
	if _, err := v.Blocks.ChangeDefinition(v.Context(), d.Old.ID, d.Said); err != nil {
		return d.refused(err, "")
	}
	if d.Release {
		if _, err := v.Blocks.ReleaseVersion(v.Context(), d.Old.ID, number); err != nil {
			return d.refused(err, "version.")
		}
	}
	return page.Answer{To: "/definitions/" + url.PathEscape(d.Old.ID) + "?version=" + strconv.Itoa(number), Notice: "The definition is changed."}, nil
}

// nextVersion changes the draft, or makes one where the newest version is released and says something else.
func (d *draft) nextVersion(v *page.Visit, r rest) (number int, err error) {
	if r.Version == nil {
		return d.Latest.Number, nil
	}
	next := r.Version.words()
	if d.Latest.State == remuda.VersionDraft {
		changed, err := v.Blocks.ChangeVersion(v.Context(), d.Old.ID, d.Latest.Number, next)
		return changed.Number, err
	}
	same := *restOf(d.Old, d.Latest).Version
	if encoded(same) == encoded(restOf(d.Old, next).Version) {
		return d.Latest.Number, nil
	}
	made, err := v.Blocks.CreateVersion(v.Context(), d.Old.ID, next)
	return made.Number, err
}

// refused shows the form with what the rules say of it. What they name lies below prefix in the text.
func (d *draft) refused(err error, prefix string) (page.Answer, error) {
	told, is := page.Problem(err)
	if !is {
		return page.Answer{}, err
	}
	d.Wrong, d.Blamed = sentence(told.Detail), map[string]string{}
	if len(told.Fields) > 0 {
		d.Wrong = "Nothing was done: some of it is not right."
	}
	for _, f := range told.Fields {
		name := strings.TrimPrefix(f.Location, "body.")
		if prefix == "" && (name == "name" || name == "target" || name == "access") {
			d.Blamed[name] = sentence(f.Message)
			continue
		}
		d.Lines = append(d.Lines, located(d.sent, prefix, f))
	}
	return d.again(codeOf(told.Kind)), nil
}

func (d *draft) again(code int) page.Answer {
	view := d.view(code)
	return page.Answer{View: &view}
}

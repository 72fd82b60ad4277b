package catalog

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// detail is one definition with one of its versions.
type detail struct {
	remuda.Definition
	Versions []edition
	Total    int
	Older    string // address of the list's next part
	Newest   string // and of its first
	Version  remuda.Version
	Parents  []parent
	Compared int // number of the version that this one is compared with; 0 for none
	Changes  []difference
	Owns     bool // sees all of it
	MayOrder bool
	MayEdit  bool
	File     string // what the command line takes
}

// edition is a version as it stands in the list.
type edition struct {
	remuda.Version
	By string
	At time.Time
}

// parent is a definition of which a block needs a parent; without a name when one may not see it.
type parent struct{ ID, Name string }

// Address is the definition's.
func (d detail) Address() string { return "/definitions/" + d.ID }

// Look is the address of one of its versions.
func (d detail) Look(number int) string { return d.Address() + "?version=" + strconv.Itoa(number) }

func showDefinition(v *page.Visit) (page.View, error) {
	d := detail{}
	var err error
	if d.Definition, err = v.Blocks.Definition(v.Context(), v.Path("definition")); err != nil {
		return page.View{}, err
	}
	if d.Version, err = versionOf(v, d.Definition, v.Query("version")); err != nil {
		return page.View{}, err
	}
	d.Owns = v.Door.May(d.Organization, remuda.RoleViewer)
	d.MayEdit = v.Door.May(d.Organization, remuda.RoleAdmin)
	d.MayOrder = v.Door.May(v.User.Organization, remuda.RoleMember) && (d.Version.State == remuda.VersionReleased || d.Owns)
	if err := d.editions(v); err != nil {
		return page.View{}, err
	}
	if err := d.compare(v); err != nil {
		return page.View{}, err
	}
	for _, id := range d.Version.Dependencies {
		one := parent{ID: id}
		definition, err := v.Blocks.Definition(v.Context(), id)
		if err != nil && !errors.Is(err, remuda.NotFound) {
			return page.View{}, err
		}
		one.Name = definition.Name
		d.Parents = append(d.Parents, one)
	}
	if d.Owns {
		if d.File, err = wholeFile(d.Definition, d.Version); err != nil {
			return page.View{}, err
		}
	}
	return page.View{
		Title: d.Name, Area: page.Definitions, Trail: []page.Link{{Text: "Definitions", To: "/definitions"}}, Body: definition(d), Files: files(),
	}, nil
}

// mostEditions is how many versions the list has; each is looked up in the events.
const mostEditions = 10

// editions lists the versions, with who made or released them for those who may know.
func (d *detail) editions(v *page.Visit) error {
	cursor := v.Query("cursor")
	all, err := v.Blocks.Versions(v.Context(), d.ID, blocks.Span{Cursor: cursor, Limit: mostEditions})
	if err != nil {
		return err
	}
	d.Total = all.Total
	if all.Next != "" {
		d.Older = d.Look(d.Version.Number) + "&cursor=" + url.QueryEscape(all.Next)
	}
	if cursor != "" {
		d.Newest = d.Look(d.Version.Number)
	}
	for _, one := range all.Items {
		e := edition{Version: one, At: one.CreatedAt}
		kind := "version.created"
		if one.ReleasedAt != nil {
			e.At, kind = *one.ReleasedAt, "version.released"
		}
		if d.Owns {
			events, err := v.Door.Events(v.Context(), control.EventFilter{Organization: d.Organization, Subject: one.ID, Type: kind, Limit: 1})
			if err != nil {
				return err
			}
			for _, event := range events {
				e.By = event.Actor
			}
		}
		d.Versions = append(d.Versions, e)
	}
	return nil
}

// compare finds how the inputs differ from those of another version: the one that is asked for, or the one before.
func (d *detail) compare(v *page.Visit) error {
	number := d.Version.Number - 1
	if asked := v.Query("compare"); asked != "" {
		var err error
		if number, err = strconv.Atoi(asked); err != nil {
			return remuda.Fail(remuda.NotFound, "A version has a number, such as 1.")
		}
	}
	if number < 1 {
		return nil
	}
	other, err := v.Blocks.Version(v.Context(), d.ID, number)
	if errors.Is(err, remuda.NotFound) && v.Query("compare") == "" {
		return nil // the one before was deleted, or was never released
	}
	if err != nil {
		return err
	}
	d.Compared, d.Changes = number, differences(other.Inputs, d.Version.Inputs)
	return nil
}

func releaseVersion(v *page.Visit) (page.Answer, error) {
	number, err := strconv.Atoi(v.Path("version"))
	if err != nil {
		return page.Answer{}, remuda.Fail(remuda.NotFound, "A version has a number, such as 1.")
	}
	released, err := v.Blocks.ReleaseVersion(v.Context(), v.Path("definition"), number)
	return page.Answer{
		To: fmt.Sprintf("/definitions/%s?version=%d", url.PathEscape(released.Definition), number), Notice: fmt.Sprintf("Version %d is released.", number),
	}, err
}

func deleteVersion(v *page.Visit) (page.Answer, error) {
	number, err := strconv.Atoi(v.Path("version"))
	if err != nil {
		return page.Answer{}, remuda.Fail(remuda.NotFound, "A version has a number, such as 1.")
	}
	return page.Answer{
		To: "/definitions/" + url.PathEscape(v.Path("definition")), Notice: fmt.Sprintf("Version %d is deleted.", number),
	}, v.Blocks.DeleteVersion(v.Context(), v.Path("definition"), number)
}

func deleteDefinition(v *page.Visit) (page.Answer, error) {
	return page.Answer{To: "/definitions", Notice: "The definition is deleted."}, v.Blocks.DeleteDefinition(v.Context(), v.Path("definition"))
}

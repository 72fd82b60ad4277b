package catalog

import (
	"cmp"
	"errors"
	"net/url"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// list is the definitions that one may order or owns.
type list struct {
	Search       string
	Organization string
	Released     bool
	Rows         []row
	Total        int // 0 on later pages, which do not count
	First, Next  string
	MayMake      bool
}

// row is a definition with what its newest version that one sees is carried out by.
type row struct {
	remuda.Definition
	Implementation string
}

// Filtered says that some may not be shown.
func (l list) Filtered() bool { return l.Search != "" || l.Organization != "" || l.Released }

// mostRows is how many definitions a page has.
const mostRows = 25

func listDefinitions(v *page.Visit) (page.View, error) {
	l := list{Search: v.Query("q"), Organization: v.Query("organization"), Released: v.Query("released") != "", MayMake: mayMake(v)}
	cursor := v.Query("cursor")
	found, err := v.Blocks.Definitions(v.Context(), blocks.DefinitionFilter{Organization: l.Organization, Released: l.Released, Search: l.Search},
		blocks.Span{Cursor: cursor, Limit: mostRows})
	if errors.Is(err, remuda.NotFound) { // such an organization has none
		found, err = blocks.List[remuda.Definition]{}, nil
	}
	if err != nil {
		return page.View{}, err
	}
	l.Total = found.Total
	for _, d := range found.Items {
		one := row{Definition: d}
		newest, err := v.Blocks.Version(v.Context(), d.ID, cmp.Or(d.Released, d.Latest))
		if err != nil && !errors.Is(err, remuda.NotFound) {
			return page.View{}, err
		}
		one.Implementation = newest.Implementation.Type
		l.Rows = append(l.Rows, one)
	}
	if cursor != "" {
		l.First = l.address("")
	}
	if found.Next != "" {
		l.Next = l.address(found.Next)
	}
	return page.View{Title: "Definitions", Area: page.Definitions, Body: definitions(l), Files: files()}, nil
}

// address is that of the same list from a cursor on.
func (l list) address(cursor string) string {
	query := url.Values{}
	for name, value := range map[string]string{"q": l.Search, "organization": l.Organization, "cursor": cursor} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if l.Released {
		query.Set("released", "yes")
	}
	if len(query) == 0 {
		return "/definitions"
	}
	return "/definitions?" + query.Encode()
}

// mayMake says whether somebody may make a definition for an organization.
func mayMake(v *page.Visit) bool { return v.Door.May(v.User.Organization, remuda.RoleAdmin) }

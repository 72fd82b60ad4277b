package block

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// The names of filters in the address.
const (
	byState        = "state"
	byDefinition   = "definition"
	byOrganization = "organization"
	byVersion      = "version"
	byDrift        = "drifted"
	bySearch       = "search"
	after          = "after"
)

// deleted is the state by which one finds blocks that are no more.
const deleted = "deleted"

// listed is the page of all blocks.
type listed struct {
	Blocks        []remuda.Block
	Runs          map[string]remuda.BlockRun
	Total         int
	Query         url.Values
	First, Next   string
	Definitions   []remuda.Definition
	Organizations []string
	Filtered      bool
}

func (l listed) asked(name string) string { return l.Query.Get(name) }

// most is how many choices a filter offers.
const most = 500

func list(v *page.Visit) (page.View, error) {
	query := v.Request.URL.Query()
	filter := blocks.BlockFilter{Definition: query.Get(byDefinition), Organization: query.Get(byOrganization), Search: query.Get(bySearch)}
	filter.Version, _ = strconv.Atoi(query.Get(byVersion)) // what is no number asks nothing
	filter.Drifted = query.Get(byDrift) != ""
	switch state := query.Get(byState); state {
	case "":
	case deleted:
		filter.Lifecycle = []remuda.Lifecycle{remuda.LifecycleDeleted}
	default:
		filter.Status = []remuda.BlockStatus{remuda.BlockStatus(state)}
	}
	found, err := v.Blocks.Blocks(v.Context(), filter, blocks.Span{Cursor: query.Get(after)})
	if err != nil {
		return page.View{}, err
	}
	l := listed{
		Blocks: found.Items, Total: found.Total, Query: query,
		Filtered: query.Get(byState)+query.Get(byVersion)+query.Get(byDrift)+filter.Definition+filter.Organization+filter.Search != "",
	}
	if l.Runs, err = v.Blocks.LatestRuns(v.Context(), found.Items); err != nil {
		return page.View{}, err
	}
	if query.Get(after) != "" {
		l.First = turned(query, "")
	}
	if found.Next != "" {
		l.Next = turned(query, found.Next)
	}
	if err := l.choices(v); err != nil {
		return page.View{}, err
	}
	return page.View{Title: "Building blocks", Area: page.Blocks, Body: listBody(l), Files: files()}, nil
}

// turned is the address of another part of the list.
func turned(query url.Values, cursor string) string {
	next := url.Values{}
	for name, values := range query {
		if name != after {
			next[name] = values
		}
	}
	if cursor != "" {
		next.Set(after, cursor)
	}
	if len(next) == 0 {
		return "/blocks"
	}
	return "/blocks?" + next.Encode()
}

// choices are what the filters offer.
func (l *listed) choices(v *page.Visit) error {
	definitions, err := v.Blocks.Definitions(v.Context(), blocks.DefinitionFilter{}, blocks.Span{Limit: most})
	if err != nil && remuda.KindOf(err) != remuda.Forbidden { // an API key may list blocks and no definitions
		return err
	}
	l.Definitions = definitions.Items
	organizations, err := v.Door.Organizations(v.Context(), control.PageQuery{Limit: most})
	if err != nil && remuda.KindOf(err) != remuda.Forbidden {
		return err
	}
	for _, one := range organizations.Items {
		l.Organizations = append(l.Organizations, one.Name)
	}
	return nil
}

// place is what a block belongs to, outermost first.
func place(b remuda.Block) string {
	return strings.TrimSuffix(b.Organization+" / "+b.Project, " / ")
}

// Package account shows who did what, and the tokens, API keys and sessions with which it is done.
package account

import (
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// Add gives the site these pages.
func Add(s *page.Site) {
	s.Show("GET /audit", audit)

	s.Show("GET /tokens", listTokens)
	s.Show("GET /tokens/new", showNewToken)
	s.Do("POST /tokens/new", makeToken)
	s.Do("POST /tokens/{token}/revoke", revokeToken)
	s.Do("POST /sessions/{session}/end", endSession)
}

// styles are what pages of this package need beside the usual files.
func styles() []string { return []string{"account.css"} }

// short is an id as far as people need it to tell it from others: ids of the same minute begin alike.
func short(id string) string {
	if i := strings.LastIndexByte(id, '-'); len(id) == 36 && i == 23 {
		return "…" + id[i+1:]
	}
	return id
}

// mostChoices is how many organizations or classes a form offers.
const mostChoices = 500

// organizations are the names of those that the visitor sees.
func organizations(v *page.Visit) ([]string, error) {
	all, err := v.Door.Organizations(v.Context(), control.PageQuery{Limit: mostChoices})
	names := make([]string, 0, len(all.Items))
	for _, o := range all.Items {
		names = append(names, o.Name)
	}
	return names, err
}

// runsTokens says whether the visitor makes and revokes tokens.
func runsTokens(v *page.Visit) bool { return v.Door.May(v.User.Organization, remuda.RoleAdmin) }

package account

import (
	"fmt"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// tokensPage is tokens, API keys, and who has signed in with them.
type tokensPage struct {
	Visit       *page.Visit
	Runs        bool // whether the visitor makes, sees and revokes tokens
	Filter      control.TokenFilter
	Tokens      []remuda.Token
	First, Next string

	Sessions                   []control.Session
	FirstSessions, MoreSession string

	Organizations []string  // to choose from, for who sees more than one
	Now           time.Time // what has expired by then is called so
}

func listTokens(v *page.Visit) (page.View, error) {
	p := tokensPage{
		Visit: v, Runs: runsTokens(v), Now: time.Now(),
		Filter: control.TokenFilter{Kind: remuda.TokenKind(v.Query("kind")), ResourceClass: v.Query("resource_class"), Organization: v.Query("organization")},
	}
	view := page.View{Title: "Tokens", Area: page.Tokens, Files: styles()}
	if p.Runs {
		if err := p.readTokens(v); err != nil {
			return view, err
		}
	}
	after := v.Query("sessions_after")
	sessions, err := v.Door.Sessions(v.Context(), control.PageQuery{Cursor: after})
	if err != nil {
		return view, err
	}
	p.Sessions = sessions.Items
	if after != "" {
		p.FirstSessions = p.address("") + "#sessions"
	}
	if sessions.Next != "" {
		p.MoreSession = p.address("", "sessions_after", sessions.Next) + "#sessions"
	}
	view.Body = p.body()
	return view, nil
}

func (p *tokensPage) readTokens(v *page.Visit) error {
	after := v.Query("after")
	tokens, err := v.Door.Tokens(v.Context(), p.Filter, control.PageQuery{Cursor: after})
	if err != nil {
		return err
	}
	p.Tokens = tokens.Items
	if after != "" {
		p.First = p.address("")
	}
	if tokens.Next != "" {
		p.Next = p.address(tokens.Next)
	}
	if v.User.Admin {
		p.Organizations, err = organizations(v)
	}
	return err
}

func (p *tokensPage) address(after string, more ...string) string {
	return page.Address("/tokens", append([]string{"kind", string(p.Filter.Kind), "organization", p.Filter.Organization, "resource_class", p.Filter.ResourceClass, "after", after}, more...)...)
}

func (p *tokensPage) filtered() bool { return p.Filter != (control.TokenFilter{}) }

// kind is what a token is called.
func kind(k remuda.TokenKind) string {
	switch k {
	case remuda.ClassToken:
		return "class token"
	case remuda.OrganizationToken:
		return "organization token"
	case remuda.AdminToken:
		return "admin token"
	default:
		return "API key"
	}
}

// expired says whether a token opens nothing any more.
func (p *tokensPage) expired(t remuda.Token) bool {
	return t.ExpiresAt != nil && !t.ExpiresAt.After(p.Now)
}

// permissions tells how much an API key may do.
func permissions(t remuda.Token) string {
	if len(t.Permissions) == 1 {
		return "1 permission"
	}
	return fmt.Sprintf("%d permissions", len(t.Permissions))
}

// question is what is asked before a token is revoked: what will happen.
func (p *tokensPage) question(t remuda.Token) string {
	ask := "Revoke the " + kind(t.Kind) + " “" + t.Nickname + "”? "
	switch {
	case t.ID == p.Visit.User.Token:
		return ask + "It is the one that you signed in with: you will be signed out."
	case t.Kind == remuda.ClassToken:
		return ask + "Runners that registered with it get nothing more; what they run goes on."
	case t.Kind == remuda.APIKey:
		return ask + "Programs that use it are refused from now on."
	}
	return ask + "Whoever signed in with it is signed out, and programs that use it are refused from now on."
}

func revokeToken(v *page.Visit) (page.Answer, error) {
	if err := v.Door.RevokeToken(v.Context(), v.Path("token")); err != nil {
		return page.Answer{}, err
	}
	return page.Answer{To: "/tokens", Notice: "The token is revoked."}, nil
}

func endSession(v *page.Visit) (page.Answer, error) {
	if err := v.Door.EndSession(v.Context(), v.Path("session")); err != nil {
		return page.Answer{}, err
	}
	return page.Answer{To: "/tokens#sessions", Notice: "The session has ended."}, nil
}

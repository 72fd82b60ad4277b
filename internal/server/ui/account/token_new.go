package account

import (
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// tokenForm is a token as people fill it in.
type tokenForm struct {
	Kind                                       remuda.TokenKind
	Nickname, Organization, Role, Class, Lasts string
	SingleUse                                  bool
	Permissions                                []string
	Wrong                                      *remuda.Error

	Kinds         []remuda.TokenKind // that the visitor may make
	Organizations []string           // to choose from
	Classes       []string           // likewise
	Words         []permissionGroup  // likewise
}

// permissionGroup is the permissions whose reach is the same, and nounWords those of them for one kind of thing.
type (
	permissionGroup struct {
		Name  string
		Nouns []nounWords
	}
	nounWords struct {
		Noun  string
		Words []string
	}
)

// tokenKinds are all kinds, in the order in which they are offered.
func tokenKinds() []remuda.TokenKind {
	return []remuda.TokenKind{remuda.OrganizationToken, remuda.APIKey, remuda.ClassToken, remuda.AdminToken}
}

func showNewToken(v *page.Visit) (page.View, error) {
	f := tokenForm{
		Kind: remuda.TokenKind(v.Query("kind")), Organization: v.Query("organization"), Class: v.Query("resource_class"), Role: string(remuda.RoleMember),
	}
	return f.view(v)
}

// view is the form for somebody.
func (f tokenForm) view(v *page.Visit) (page.View, error) {
	view := page.View{
		Title: "New token", Area: page.Tokens, Trail: []page.Link{{Text: "Tokens", To: "/tokens"}}, Files: styles(), Still: true,
	}
	if !runsTokens(v) {
		return view, remuda.Fail(remuda.Forbidden, "Making tokens needs the role admin in "+v.User.Organization+"; the token that you signed in with has the role "+string(v.User.Role)+".")
	}
	f.Kinds = tokenKinds()
	if !v.User.Admin {
		f.Kinds = slices.DeleteFunc(f.Kinds, func(k remuda.TokenKind) bool { return k == remuda.AdminToken })
	}
	if !slices.Contains(f.Kinds, f.Kind) {
		f.Kind = f.Kinds[0]
	}
	if err := f.offer(v); err != nil {
		return view, err
	}
	view.Body = f.body()
	if f.Wrong != nil {
		view.Code = 422
	}
	return view, nil
}

// offer reads what there is to choose from.
func (f *tokenForm) offer(v *page.Visit) (err error) {
	switch f.Kind {
	case remuda.ClassToken:
		f.Classes, err = ownClasses(v)
	case remuda.APIKey:
		f.Words = grants(v.User)
		fallthrough
	case remuda.OrganizationToken:
		f.Organizations, err = organizations(v)
	}
	return err
}

// ownClasses are the classes for which the visitor may make tokens.
func ownClasses(v *page.Visit) (names []string, err error) {
	all, err := v.Door.ResourceClasses(v.Context(), control.ResourceClassFilter{Organization: v.User.Organization}, control.PageQuery{Limit: mostChoices})
	for _, class := range all.Items {
		if v.Door.May(class.Organization, remuda.RoleAdmin) {
			names = append(names, class.Name)
		}
	}
	return names, err
}

// grants are the permissions that somebody can give away, by their reach and by what they are about.
func grants(user control.User) []permissionGroup {
	groups := []permissionGroup{{Name: ofOwn}, {Name: ofManaged}, {Name: ofAll}}
	for _, word := range remuda.Permissions() {
		if !user.May(word, user.OrganizationID) {
			continue
		}
		group := &groups[slices.IndexFunc(groups, func(g permissionGroup) bool { return g.Name == groupOf(word) })]
		noun := word[:strings.LastIndexByte(word, '_')]
		i := slices.IndexFunc(group.Nouns, func(n nounWords) bool { return n.Noun == noun })
		if i < 0 {
			i = len(group.Nouns)
			group.Nouns = append(group.Nouns, nounWords{Noun: noun})
		}
		group.Nouns[i].Words = append(group.Nouns[i].Words, word)
	}
	for _, group := range groups {
		slices.SortFunc(group.Nouns, func(a, b nounWords) int { return strings.Compare(a.Noun, b.Noun) })
		for _, noun := range group.Nouns {
			slices.SortFunc(noun.Words, func(a, b string) int { return reach(a) - reach(b) })
		}
	}
	return slices.DeleteFunc(groups, func(g permissionGroup) bool { return len(g.Nouns) == 0 })
}

// verb is what a permission lets one do, as its last word says.
func verb(word string) string { return word[strings.LastIndexByte(word, '_')+1:] }

// reach puts verbs in the order of how much they change.
func reach(word string) int { return slices.Index([]string{"LIST", "SAVE", "DELETE"}, verb(word)) }

// The groups of permissions; remuda.Permissions tells what their words mean.
const (
	ofOwn     = "Of its own organization"
	ofManaged = "Of blocks of its organization's definitions, whoever ordered them"
	ofAll     = "Of every organization"
)

func groupOf(word string) string {
	switch {
	case strings.HasPrefix(word, remuda.AdmPrefix):
		return ofAll
	case strings.HasPrefix(word, remuda.ManagedPrefix):
		return ofManaged
	default:
		return ofOwn
	}
}

// life is for how long a token may be good.
type life struct{ Value, Text string }

func lives() []life {
	return []life{{"", "until it is revoked"}, {"1h", "an hour"}, {"24h", "a day"}, {"168h", "a week"}, {"720h", "30 days"}, {"2160h", "90 days"}, {"8760h", "a year"}}
}

// token is what the form says.
func (f tokenForm) token(now time.Time) (remuda.Token, error) {
	t := remuda.Token{Kind: f.Kind, Nickname: f.Nickname}
	switch f.Kind {
	case remuda.OrganizationToken:
		t.Organization, t.Role = f.Organization, remuda.Role(f.Role)
	case remuda.ClassToken:
		t.ResourceClass, t.SingleUse = f.Class, f.SingleUse
	case remuda.APIKey:
		t.Organization, t.Permissions = f.Organization, f.Permissions
	}
	if f.Lasts != "" && (f.Kind == remuda.ClassToken || f.Kind == remuda.APIKey) {
		lasts, err := time.ParseDuration(f.Lasts)
		if err != nil {
			return t, remuda.Fail(remuda.Invalid, "How long it is good is one of those that the form offers.")
		}
		until := now.Add(lasts)
		t.ExpiresAt = &until
	}
	return t, nil
}

func makeToken(v *page.Visit) (page.Answer, error) {
	f := tokenForm{
		Kind: remuda.TokenKind(v.Form("kind")), Nickname: v.Form("nickname"), Organization: v.Form("organization"), Role: v.Form("role"),
		Class: v.Form("resource_class"), Lasts: v.Form("lasts"), SingleUse: v.Form("single_use") != "", Permissions: v.Request.PostForm["permission"],
	}
	asked, err := f.token(time.Now())
	var made remuda.Token
	if err == nil {
		made, err = v.Door.CreateToken(v.Context(), asked)
	}
	if err != nil {
		told, about := page.Problem(err)
		if !about {
			return page.Answer{}, err
		}
		f.Wrong = &told
		view, err := f.view(v)
		return page.Answer{View: &view}, err
	}
	return page.Answer{View: &page.View{
		Title: "New " + kind(made.Kind), Area: page.Tokens, Trail: []page.Link{{Text: "Tokens", To: "/tokens"}}, Files: styles(),
		Body: madeToken(made, v.Address()), Still: true,
	}}, nil
}

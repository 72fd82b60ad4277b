package catalog_test

import (
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// The secret and the script that nobody may ever see on a page, or see run.
const (
	password = "correct-horse-battery"
	script   = `<script>window.ran = true</script>`
)

// shop is a control plane with organizations that own and order.
type shop struct {
	*browsertest.Site
	t          *testing.T
	everything remuda.Definition // acme's, for all, with an input of every type
	private    remuda.Definition // acme's alone
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{Site: browsertest.Open(t), t: t}
	ctx := t.Context()
	for _, name := range []string{"acme", "beta", "gamma"} {
		_, err := s.Admin.CreateOrganization(ctx, remuda.Organization{Name: name})
		s.must(err)
	}
	_, err := s.Admin.ClaimNamespace(ctx, "acme", "acme")
	s.must(err)
	_, err = s.Admin.CreateResourceClass(ctx, remuda.ResourceClass{Name: "acme/linux"})
	s.must(err)
	s.everything = s.define(remuda.Definition{
		Organization: "acme", Name: "Everything " + script, Description: "Has one of each.\n" + script, Readme: script, Access: remuda.AccessAll,
	}, everyType())
	s.release(s.everything, 1)
	s.private = s.define(remuda.Definition{Organization: "acme", Name: "Private"}, remuda.Version{
		ResourceClass: "acme/linux", Implementation: module(), Inputs: map[string]remuda.Input{"size": {Type: remuda.TypeInteger, Assignment: remuda.AssignUser}},
	})
	s.release(s.private, 1)
	return s
}

func (s *shop) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) define(d remuda.Definition, v remuda.Version) remuda.Definition {
	s.t.Helper()
	made, err := s.Builder.CreateDefinition(s.t.Context(), d)
	s.must(err)
	_, err = s.Builder.ChangeVersion(s.t.Context(), made.ID, 1, v)
	s.must(err)
	return made
}

func (s *shop) release(d remuda.Definition, number int) {
	s.t.Helper()
	_, err := s.Builder.ReleaseVersion(s.t.Context(), d.ID, number)
	s.must(err)
}

func (s *shop) token(organization string, role remuda.Role) string {
	s.t.Helper()
	made := s.Token(s.t, remuda.Token{Kind: remuda.OrganizationToken, Organization: organization, Role: role, Nickname: organization + "-" + string(role)})
	return made.Token
}

func module() remuda.Blueprint {
	return remuda.Blueprint{Type: remuda.BlueprintOpenTofu, OpenTofu: &remuda.OpenTofuBlueprint{
		Version: "1.10.10", Files: map[string]string{"main.tf": "# " + script + "\n"},
	}}
}

func value(text string) *remuda.Value { return &remuda.Value{Value: json.RawMessage(text)} }

// everyType asks for a value of every type.
func everyType() remuda.Version {
	const user = remuda.AssignUser
	return remuda.Version{
		ResourceClass: "acme/linux", Implementation: module(),
		Inputs: map[string]remuda.Input{
			"name":     {Type: remuda.TypeString, Assignment: user, Pattern: "[a-z][a-z0-9_-]*", PatternError: "Small letters first", Order: 1},
			"note":     {Name: "Note " + script, Type: remuda.TypeString, Assignment: user, Optional: true, Default: value(`"<script>window.ran = true</script>"`), Order: 2},
			"size":     {Type: remuda.TypeInteger, Assignment: user, Default: value("3"), Order: 3},
			"public":   {Type: remuda.TypeBoolean, Assignment: user, Order: 4},
			"region":   {Type: remuda.TypeSingleSelect, Assignment: user, Choices: []string{script, "eu", "us"}, Order: 5},
			"zones":    {Type: remuda.TypeMultiSelect, Assignment: user, Choices: []string{"a", "b", "c"}, Default: value(`["a"]`), Order: 6},
			"hosts":    {Type: remuda.TypeList, Assignment: user, Order: 7, Description: "What is " + script},
			"settings": {Type: remuda.TypeCode, Assignment: user, Order: 8},
			"license":  {Type: remuda.TypeFile, Assignment: user, Order: 9},
			"password": {Type: remuda.TypeString, Assignment: user, Sensitive: true, Order: 10},
			"spare":    {Type: remuda.TypeString, Assignment: user, Sensitive: true, Optional: true, Order: 11},
			"plan":     {Type: remuda.TypeString, Assignment: user, Locked: true, Default: value(`"small"`), Order: 12},
			"quota":    {Type: remuda.TypeInteger, Assignment: remuda.AssignOperator, Optional: true, Order: 13},
			"owner":    {Type: remuda.TypeString, Assignment: remuda.AssignWorkspace, Order: 14},
		},
		Outputs: map[string]remuda.Output{"summary": {Type: remuda.TypeString, Assignment: remuda.AssignOutputSummary}},
	}
}

// person is somebody with a browser that runs no scripts.
type person struct {
	shop *shop
	http *http.Client
}

func (s *shop) person(token string) *person {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	s.must(err)
	p := &person{s, &http.Client{Jar: jar}}
	if code, page, _ := p.send("/sign-in", url.Values{"token": {token}}); code != http.StatusOK {
		s.t.Fatalf("signing in answers %d: %s", code, page)
	}
	return p
}

// see opens a page, and gives its code and text.
func (p *person) see(path string) (int, string) {
	p.shop.t.Helper()
	code, text, _ := p.do(http.MethodGet, path, "", nil)
	return code, text
}

// send sends a form as browsers do, and follows where that leads.
func (p *person) send(path string, form url.Values) (code int, page, at string) {
	p.shop.t.Helper()
	return p.do(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

// sendParts sends a form that may bring files; of these the name begins with "file:".
func (p *person) sendParts(path string, form url.Values) (code int, page, at string) {
	p.shop.t.Helper()
	var body strings.Builder
	parts := multipart.NewWriter(&body)
	for name, values := range form {
		for _, text := range values {
			field, is := strings.CutPrefix(name, "file:")
			into, err := parts.CreateFormField(name)
			if is {
				into, err = parts.CreateFormFile(field, "a.bin")
			}
			p.shop.must(err)
			_, err = io.WriteString(into, text)
			p.shop.must(err)
		}
	}
	p.shop.must(parts.Close())
	return p.do(http.MethodPost, path, parts.FormDataContentType(), strings.NewReader(body.String()))
}

func (p *person) do(method, path, kind string, body io.Reader) (code int, page, at string) {
	p.shop.t.Helper()
	request, err := http.NewRequestWithContext(p.shop.t.Context(), method, p.shop.URL+path, body)
	p.shop.must(err)
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	answer, err := p.http.Do(request)
	p.shop.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	p.shop.must(err)
	return answer.StatusCode, string(text), answer.Request.URL.Path
}

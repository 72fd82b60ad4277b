package catalog_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
	"github.com/remuda-dev/remuda/internal/server/ui/catalog"
)

// What a browser takes is what the server takes: the same texts match in both.
func TestABrowserJudgesTextsAsTheServerDoes(t *testing.T) {
	tab := browsertest.Open(t).Tab(t)
	patterns := []string{
		`[a-z][a-z0-9_-]*`, `a|b+`, `(?i)straße`, `[^,]{2,3}`, `\d+(\.\d+)?`, `^x$`, `[[:upper:]]+`, `.`, `(?s).`, `a{0}`, `(?U)a+b`,
		`\bfoo\b`, `[&&!]`, `a.c/d`, `()`, `x*?`, `[a-c](?:foo){2,}`, `\Qa.b\E`, `[\]\-\\]`,
	}
	samples := []string{
		"", "a", "b", "abc", "a_b-1", "Straße", "STRASSE", "STRAßE", "x", "xx", "1.5", "12", "é", "ÄÖ", "ABC", "\n", "\r", "😀", "a.b", "aXb", "foo", "a.c/d",
		"&", "!", "bfoofoo", "-", "]", `\`, "ab", ",,", "ſ",
	}
	for _, pattern := range patterns {
		given := catalog.BrowserPattern(pattern)
		if given == "" && pattern != `()` && pattern != `a{0}` {
			t.Errorf("browsers are given nothing for %s", pattern)
		}
		server := regexp.MustCompile(`\A(?:` + pattern + `)\z`)
		for _, sample := range samples {
			same, _ := json.Marshal([]string{given, sample})
			browser := browsertest.Evaluate[bool](tab, `(([p, s]) => new RegExp("^(?:" + p + ")$", "v").test(s))(`+string(same)+`)`)
			if browser != server.MatchString(sample) {
				t.Errorf("of %q the browser says %v for %s (%s), the server %v", sample, browser, pattern, given, !browser)
			}
		}
	}
	for _, pattern := range []string{`(?m)^a$`, `\pL+`, `(`} {
		if given := catalog.BrowserPattern(pattern); given != "" {
			t.Errorf("for %s, which is not theirs to judge, browsers are given %s", pattern, given)
		}
	}
}

func TestATextIsShownAgainWithoutItsSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"a:\n  token: {secret: hunter2}\n  b: 1\n":              "a:\n  token: {secret:\n  b: 1\n",
		"a:\n  secret: |\n    hunter2\n\n    more\n  b: 1\n":    "a:\n  secret:\n  b: 1\n",
		"{\"token\": {\"secret\": \"hunter2\"},\n\"b\": 1}\n":   "{\"token\": {\"secret\":\n\"b\": 1}\n",
		"secret : hunter2\r\nsecrets: kept\n":                   "secret :\nsecrets: kept\n",
		"- secret: >\n    hunter2\n    hunter2\n- other: [1]\n": "- secret:\n- other: [1]\n",
	} {
		if got := catalog.WithoutSecrets(text); got != want {
			t.Errorf("%q is shown again as %q, want %q", text, got, want)
		}
	}
}

// publishing is the form that makes a definition.
func publishing(text string) url.Values {
	return url.Values{"name": {"Storage"}, "description": {"Disks"}, "target": {"workspace"}, "access": {"all"}, "text": {text}, "do": {"save"}}
}

func TestADefinitionIsMadeFromAText(t *testing.T) {
	s := newShop(t)
	owner := s.person(s.token("acme", remuda.RoleAdmin))
	form := publishing("readme: Read me\nversion:\n  resource_class: acme/linux\n  implementation:\n    opentofu: {version: 1.10.10, repository: https://git.example/m.git, ssh_key: {secret: " + password + "}}\n  inputs:\n    size: {type: integer, assignment: user, default: {value: 3}}\n")
	form.Set("release", "yes")
	code, page, at := owner.send("/definitions/new", form)
	if code != http.StatusOK || !strings.HasPrefix(at, "/definitions/") || !strings.Contains(page, "The definition is made.") {
		t.Fatalf("making a definition answers %d: %s", code, page)
	}
	if strings.Contains(page, password) {
		t.Error("the page shows the key")
	}
	id := strings.TrimPrefix(at, "/definitions/")
	made, err := s.Builder.Definition(t.Context(), id)
	s.must(err)
	version, err := s.Builder.Version(t.Context(), id, 1)
	s.must(err)
	if made.Name != "Storage" || made.Organization != "acme" || made.Readme != "Read me" || made.Access != remuda.AccessAll || made.Released != 1 {
		t.Errorf("what was made is %+v", made)
	}
	if o := version.Implementation.OpenTofu; o == nil || o.SSHKey == nil || o.SSHKey.Hash == "" || version.ResourceClass != "acme/linux" {
		t.Errorf("its version is %+v", version)
	}

	// To save what the form shows makes no new version; the hash keeps the key in one that differs.
	_, page = owner.see(at + "/edit")
	text := shownText(t, page)
	form = publishing(text)
	form.Set("was", was(page))
	form.Set("name", "Discs")
	if code, page, _ := owner.send(at+"/edit", form); code != http.StatusOK || !strings.Contains(page, "The definition is changed.") {
		t.Fatalf("renaming answers %d: %s", code, page)
	}
	if made, err = s.Builder.Definition(t.Context(), id); err != nil || made.Name != "Discs" || made.Latest != 1 {
		t.Errorf("after renaming it is %+v (%v)", made, err)
	}
	form.Set("text", strings.Replace(text, "value: 3", "value: 4", 1))
	if code, page, _ := owner.send(at+"/edit", form); code != http.StatusConflict || !strings.Contains(page, "was changed while you wrote") {
		t.Errorf("a form from before a change answers %d: %s", code, page)
	}
	_, page = owner.see(at + "/edit")
	form.Set("was", was(page))
	if code, page, _ := owner.send(at+"/edit", form); code != http.StatusOK || !strings.Contains(page, "default: 3 → 4") {
		t.Fatalf("the next version answers %d: %s", code, page)
	}
	next, err := s.Builder.Version(t.Context(), id, 2)
	s.must(err)
	if next.State != remuda.VersionDraft || next.Implementation.OpenTofu.SSHKey.Hash != version.Implementation.OpenTofu.SSHKey.Hash {
		t.Errorf("the next version is %+v", next)
	}
	if strings.Contains(s.Log.String(), password) {
		t.Error("the secret is in the log")
	}
}

// shownText is what stands in the form's text area.
func shownText(t *testing.T, page string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, `<textarea id="text"`)
	_, rest, open := strings.Cut(rest, ">")
	text, _, closed := strings.Cut(rest, "</textarea>")
	if !found || !open || !closed {
		t.Fatalf("the form has no text: %s", page)
	}
	return strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}

func TestWhatIsWrongWithADefinitionIsSaidWithItsLine(t *testing.T) {
	s := newShop(t)
	owner := s.person(s.token("acme", remuda.RoleAdmin))
	for _, test := range []struct{ text, says string }{
		{"version:\n  implementation: {type: manual}\n  inptus: {}\n", "Line 3, column 3: version: "},
		{"version:\n  implementation: {type: manual}\n  inputs:\n    size: {type: number, assignment: user}\n", "Line 4: version.inputs.size.type: this is one of"},
		{"version:\n  implementation:\n    type: opentofu\n    opentofu: {version: latest, repository: r, ssh_key: {secret: " + password + "}}\n", "Line 4: version.implementation.opentofu.version: this is an exact version"},
		{"organizations: [nobody]\n", "Line 1: organizations"},
		{"{secret: " + password + "\n", "Line "},
		{"name: x\n", "Line 1"},
	} {
		form := publishing(test.text)
		form.Set("access", "some")
		code, page, at := owner.send("/definitions/new", form)
		if code != http.StatusUnprocessableEntity || at != "/definitions/new" || !strings.Contains(page, test.says) || !strings.Contains(page, `value="Storage"`) {
			t.Errorf("%q answers %d without saying %q: %s", test.text, code, test.says, page)
		}
		if strings.Contains(page, password) {
			t.Errorf("%q is shown again with its secret", test.text)
		}
	}
	all, err := s.Builder.Definitions(t.Context(), blocks.DefinitionFilter{Search: "Storage"}, blocks.Span{})
	if err != nil || len(all.Items) != 0 {
		t.Errorf("what was refused left %d definitions (%v)", len(all.Items), err)
	}
}

func TestDefinitionsAreFoundByNameOwnerAndState(t *testing.T) {
	s := newShop(t)
	owner := s.person(s.token("acme", remuda.RoleAdmin))
	for i := range 30 {
		s.define(remuda.Definition{Organization: "acme", Name: "Draft " + strconv.Itoa(i)}, remuda.Version{Implementation: remuda.Blueprint{Type: remuda.BlueprintManual}})
	}
	rows := func(path string) (int, string) {
		t.Helper()
		code, page := owner.see(path)
		if code != http.StatusOK {
			t.Fatalf("%s answers %d: %s", path, code, page)
		}
		return strings.Count(page, `<tr id="definition-`), page
	}
	for path, want := range map[string]int{
		"/definitions?released=yes": 2, "/definitions?q=Draft+29": 1, "/definitions?q=nothing": 0, "/definitions?organization=beta": 0,
		"/definitions?organization=acme&q=Private": 1,
	} {
		if n, page := rows(path); n != want {
			t.Errorf("%s shows %d definitions, want %d: %s", path, n, want, page)
		}
	}
	first, page := rows("/definitions?organization=acme")
	next := regexp.MustCompile(`href="(/definitions[^"]*cursor=[^"]*)" rel="next"`).FindStringSubmatch(page)
	if next == nil || !strings.Contains(page, "32 definitions") {
		t.Fatalf("a long list has no next page: %s", page)
	}
	if second, page := rows(strings.ReplaceAll(next[1], "&amp;", "&")); first+second != 32 || !strings.Contains(page, `rel="first"`) {
		t.Errorf("the pages show %d and %d definitions, want 32 together", first, second)
	}
	if _, page := s.person(s.token("beta", remuda.RoleViewer)).see("/definitions?organization=beta"); !strings.Contains(page, "No definition is like that.") {
		t.Errorf("an empty list does not say how to go on: %s", page)
	}
}

func TestAnEmptyCatalogSaysHowToBegin(t *testing.T) {
	site := browsertest.Open(t)
	s := &shop{Site: site, t: t}
	if _, page := s.person(site.AdminToken).see("/definitions"); !strings.Contains(page, "remuda definition create examples/block") {
		t.Errorf("an empty catalog does not say how to begin: %s", page)
	}
}

func TestTheAdministratorOrdersForAnOrganization(t *testing.T) {
	s := newShop(t)
	root := s.person(s.AdminToken)
	path := "/definitions/" + s.private.ID + "/order"
	if code, page := root.see(path); code != http.StatusOK || !strings.Contains(page, `<option selected>acme</option>`) {
		t.Errorf("the form answers the administrator %d: %s", code, page)
	}
	_, page, _ := root.sendParts(path, url.Values{"name": {"x"}, "version": {"1"}, "organization": {"acme"}, "input.size": {"1"}})
	if made := s.onlyBlock(t); made.Organization != "acme" {
		t.Errorf("the block is of %s: %s", made.Organization, page)
	}
	if code, _, _ := root.sendParts(path, url.Values{"name": {"x"}, "version": {"1"}, "organization": {"beta"}, "input.size": {"1"}}); code != http.StatusNotFound {
		t.Errorf("an order for an organization that may not answers %d, want 404", code)
	}
}

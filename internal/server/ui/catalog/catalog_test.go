package catalog_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// narrow makes the window as wide as a phone, and looks that nothing but tables is wider.
func narrow(t *testing.T, tab *browsertest.Tab) {
	t.Helper()
	tab.Do(chromedp.EmulateViewport(375, 800))
	if wide := browsertest.Evaluate[int](tab, `document.documentElement.scrollWidth`); wide > 375 {
		t.Errorf("%s is %d pixels wide on a phone", browsertest.Evaluate[string](tab, `location.pathname`), wide)
	}
	tab.IsAccessible()
	tab.Do(chromedp.EmulateViewport(1280, 900))
}

// fill types into a field in place of what is in it.
func fill(tab *browsertest.Tab, selector, text string) {
	encoded, _ := json.Marshal(selector) // a text can always be encoded
	browsertest.Evaluate[string](tab, `document.querySelector(`+string(encoded)+`).value = ""`)
	tab.Do(chromedp.SendKeys(selector, text))
}

func TestABlockIsOrderedAndChangedInTheBrowser(t *testing.T) {
	s := newShop(t)
	tab := s.Tab(t)
	tab.SignIn(s.token("beta", remuda.RoleMember))
	tab.Go("/definitions")
	tab.UntilSays(s.everything.Name)
	tab.IsAccessible()
	narrow(t, tab)
	tab.Press(`#definition-` + s.everything.ID + ` a`)
	tab.UntilSays("Small letters first")
	tab.IsAccessible()
	narrow(t, tab)
	tab.Press(`a[href$="/order?version=1"]`)
	tab.Until(`!!document.querySelector('form#order')`)
	tab.IsAccessible()
	narrow(t, tab)

	// The browser itself refuses what the pattern does.
	tab.Do(chromedp.SendKeys(`#input-name`, "Large"))
	if title := browsertest.Evaluate[string](tab, `[document.querySelector("#input-name")].map(i => i.validity.patternMismatch ? i.title : "it is taken")[0]`); title != "Small letters first" {
		t.Errorf("of a name that does not match the browser says %q", title)
	}
	fill(tab, `#input-name`, "my-db_1")
	if !browsertest.Evaluate[bool](tab, `document.querySelector("#input-name").validity.valid`) {
		t.Error("the browser refuses a name that matches")
	}
	license := filepath.Join(t.TempDir(), "license.txt")
	if err := os.WriteFile(license, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	tab.IsSound()
	tab.Do(
		chromedp.SendKeys(`#name`, "First "+script),
		chromedp.SendKeys(`#project`, "shop"),
		chromedp.Click(`#input-public input[value=true]`),
		chromedp.SetValue(`#input-region`, "eu"),
		chromedp.Click(`#input-zones input[value=c]`),
		chromedp.SendKeys(`#input-hosts`, "one.example\ntwo.example"),
		chromedp.SendKeys(`#input-settings`, `{"a": `),
		chromedp.SendKeys(`#input-password`, password),
		chromedp.SetUploadFiles(`#input-license`, []string{license}),
		chromedp.Click(`form#order button[type=submit]`),
	)

	// The mistake is said where it is, and nothing has to be typed again but the secret.
	tab.Until(`!!document.querySelector("#wrong-input-settings")`)
	tab.IsAccessible()
	narrow(t, tab)
	for selector, want := range map[string]string{
		"#name": "First " + script, "#project": "shop", "#input-name": "my-db_1", "#input-size": "3", "#input-region": "eu",
		"#input-hosts": "one.example\ntwo.example", "#input-settings": `{"a": `, "#input-password": "", "#input-note": script,
		"#input-public input:checked": "true", `[name="kept.license"]`: "data:text/plain;base64,aGVsbG8=",
	} {
		encoded, _ := json.Marshal(selector)
		if got := browsertest.Evaluate[string](tab, `document.querySelector(`+string(encoded)+`).value`); got != want {
			t.Errorf("after the mistake %s has %q, want %q", selector, got, want)
		}
	}
	if zones := browsertest.Evaluate[string](tab, `[...document.querySelectorAll("#input-zones input:checked")].map(i => i.value).join()`); zones != "a,c" {
		t.Errorf("the zones a and c became %q", zones)
	}
	isSecret(t, tab)
	fill(tab, `#input-settings`, `{"a": 1}`)
	tab.Do(chromedp.SendKeys(`#input-password`, password), chromedp.Click(`form#order button[type=submit]`))
	tab.Until(`location.pathname.startsWith("/blocks/")`)
	isSecret(t, tab)
	ordered := s.onlyBlock(t)
	for key, want := range map[string]string{
		"name": `"my-db_1"`, "size": `3`, "public": `true`, "region": `"eu"`, "zones": `["a","c"]`, "hosts": `["one.example","two.example"]`,
		"settings": `"{\"a\": 1}"`, "license": `"data:text/plain;base64,aGVsbG8="`, "owner": `"beta"`, "plan": `"small"`,
	} {
		if got := string(ordered.Inputs[key].Value); got != want {
			t.Errorf("input %s is %s, want %s", key, got, want)
		}
	}
	if ordered.Name != "First "+script || ordered.Project != "shop" || ordered.Organization != "beta" || ordered.Inputs["password"].Hash == "" {
		t.Errorf("what was ordered is %+v", ordered)
	}

	tab.Go("/blocks/" + ordered.ID + "/inputs")
	tab.Until(`!!document.querySelector('form#inputs')`)
	tab.IsAccessible()
	narrow(t, tab)
	isSecret(t, tab)
	fill(tab, `#input-size`, "7")
	tab.Do(chromedp.Click(`form#inputs button[type=submit]`))
	tab.Until(`!location.pathname.endsWith("/inputs")`)
	changed := s.onlyBlock(t)
	if got := string(changed.Inputs["size"].Value); got != "7" {
		t.Errorf("the size is %s, want 7", got)
	}
	if changed.Inputs["password"].Hash != ordered.Inputs["password"].Hash {
		t.Error("a secret that nobody gave anew is another one")
	}
	if strings.Contains(s.Log.String(), password) {
		t.Error("the secret is in the log")
	}
	isSecret(t, tab)
	tab.IsSound("status of 422")
}

// isSecret looks for the secret in the page as it is, and in its address.
func isSecret(t *testing.T, tab *browsertest.Tab) {
	t.Helper()
	all := browsertest.Evaluate[string](tab, `location.href + document.documentElement.outerHTML + [...document.querySelectorAll("input, textarea")].map(i => i.value).join("\n")`)
	if strings.Contains(all, password) {
		t.Errorf("the secret is in the page %s", all)
	}
	if browsertest.Evaluate[bool](tab, `!!window.ran`) {
		t.Error("a script in a text ran")
	}
}

// onlyBlock is the one block that there is.
func (s *shop) onlyBlock(t *testing.T) remuda.Block {
	t.Helper()
	all, err := s.Builder.Blocks(t.Context(), blocks.BlockFilter{}, blocks.Span{})
	if err != nil || len(all.Items) != 1 {
		t.Fatalf("there are %d blocks (%v), want one", len(all.Items), err)
	}
	one, err := s.Builder.Block(t.Context(), all.Items[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return one
}

func TestAnOwnerMakesReleasesAndChangesADefinitionInTheBrowser(t *testing.T) {
	s := newShop(t)
	tab := s.Tab(t)
	tab.SignIn(s.token("acme", remuda.RoleAdmin))
	tab.Go("/definitions")
	tab.Press(`a[href="/definitions/new"]`)
	tab.Until(`!!document.querySelector("form#draft")`)
	tab.Press(`a[href$="=manual"]`)
	tab.Until(`document.querySelector("#text").value.includes("type: manual")`)
	tab.IsAccessible()
	narrow(t, tab)
	tab.Do(chromedp.SendKeys(`#name`, "Ticket"), chromedp.SendKeys(`#description`, "By hand"), chromedp.Click(`button[value=show]`))
	tab.UntilSays("remuda definition create definition.yml")
	tab.IsAccessible()
	narrow(t, tab)
	tab.IsSound()
	tab.Press(`button[value=save]`)
	tab.UntilSays("The definition is made.")
	tab.Press(`button[command=show-modal][commandfor=release]`)
	tab.Until(`document.querySelector("dialog#release").open`)
	tab.IsAccessible()
	tab.Press(`dialog#release form button`)
	tab.UntilSays("Version 1 is released.")
	tab.Press(`a[href$="/edit"]`)
	tab.Until(`!!document.querySelector("form#draft")`)
	tab.IsAccessible()
	tab.Do(chromedp.SetValue(`#text`, "version:\n  implementation: {type: manual}\n  inputs:\n    size: {type: integer, assignment: user}\n"), chromedp.Click(`button[value=save]`))
	tab.UntilSays("The definition is changed.")
	tab.UntilSays("What its inputs have that those of version 1 have not")
	tab.IsAccessible()
	narrow(t, tab)
	tab.Press(`button[command=show-modal][commandfor=delete-version]`)
	tab.Until(`document.querySelector("dialog#delete-version").open`)
	tab.Press(`dialog#delete-version form button`)
	tab.UntilSays("Version 2 is deleted.")
	tab.IsSound()
}

func TestWhoMayNotOrderSeesNoButtonAndIsRefused(t *testing.T) {
	s := newShop(t)
	viewer := s.person(s.token("beta", remuda.RoleViewer))
	at := "/definitions/" + s.everything.ID
	code, page := viewer.see(at)
	if code != http.StatusOK || strings.Contains(page, "/order") || strings.Contains(page, "/edit") || strings.Contains(page, "main.tf") {
		t.Errorf("a viewer of another organization is answered %d and shown what it may not do or see: %s", code, page)
	}
	if code, _ := viewer.see(at + "/order"); code != http.StatusForbidden {
		t.Errorf("the order form answers a viewer %d, want 403", code)
	}
	for _, path := range []string{at + "/order", at + "/edit", at + "/delete", at + "/versions/1/release", at + "/versions/1/delete", "/definitions/new"} {
		if code, page, _ := viewer.send(path, url.Values{"name": {"x"}, "version": {"1"}}); code != http.StatusForbidden {
			t.Errorf("POST %s answers a viewer %d, want 403: %s", path, code, page)
		}
	}
	ordinary := s.person(s.token("acme", remuda.RoleMember))
	if _, page := ordinary.see(at); !strings.Contains(page, "main.tf") || strings.Contains(page, "/edit") || strings.Contains(page, "<dialog") {
		t.Errorf("a member of the owner does not see all of it, or is shown what it may not do: %s", page)
	}
	for _, path := range []string{at + "/edit", at + "/delete", at + "/versions/1/release", at + "/versions/1/delete"} {
		if code, _, _ := ordinary.send(path, url.Values{}); code != http.StatusForbidden {
			t.Errorf("POST %s answers a member of the owner %d, want 403", path, code)
		}
	}
	member := s.person(s.token("beta", remuda.RoleMember))
	hidden := "/definitions/" + s.private.ID
	for _, path := range []string{hidden, hidden + "/order", hidden + "/edit"} {
		if code, _ := member.see(path); code != http.StatusNotFound {
			t.Errorf("GET %s of another organization answers %d, want 404", path, code)
		}
	}
	if code, _, _ := member.send(hidden+"/order", url.Values{"name": {"x"}}); code != http.StatusNotFound {
		t.Errorf("ordering another organization's private definition answers %d, want 404", code)
	}
	if _, page := member.see("/definitions"); strings.Contains(page, s.private.ID) || !strings.Contains(page, s.everything.ID) {
		t.Error("the list has another organization's private definition, or lacks a shared one")
	}
	all, err := s.Builder.Blocks(t.Context(), blocks.BlockFilter{}, blocks.Span{})
	if err != nil || len(all.Items) != 0 {
		t.Errorf("there are %d blocks (%v), want none", len(all.Items), err)
	}
}

// right is an order that is taken.
func right() url.Values {
	return url.Values{
		"name": {"db"}, "version": {"1"}, "once": {"a"}, "input.name": {"a"}, "input.public": {"false"}, "input.region": {"us"},
		"input.hosts": {`[1, {"a": "b"}]`}, "input.settings": {"a = 1\r\nb = 2"}, "file:input.license": {"hello"}, "input.password": {""},
		"lines.password": {"-----BEGIN\r\nEND-----\r\n"}, "input.zones": {"b"},
	}
}

func TestPressingTwiceOrdersOnce(t *testing.T) {
	s := newShop(t)
	member := s.person(s.token("beta", remuda.RoleMember))
	path := "/definitions/" + s.everything.ID + "/order"
	_, _, first := member.sendParts(path, right())
	_, _, second := member.sendParts(path, right())
	if !strings.HasPrefix(first, "/blocks/") || first != second {
		t.Errorf("the same order led to %s, then to %s", first, second)
	}
	made := s.onlyBlock(t)
	for key, want := range map[string]string{"hosts": `[1,{"a":"b"}]`, "settings": `"a = 1\nb = 2"`, "size": "3", "license": `"data:application/octet-stream;base64,aGVsbG8="`} {
		if got := string(made.Inputs[key].Value); got != want {
			t.Errorf("input %s is %s, want %s", key, got, want)
		}
	}
	other := right()
	other.Set("name", "another")
	if _, _, third := member.sendParts(path, other); third == first {
		t.Error("another order of the same form was answered with the first block")
	}
}

func TestEachMistakeIsSaidAtItsField(t *testing.T) {
	s := newShop(t)
	member := s.person(s.token("beta", remuda.RoleMember))
	path := "/definitions/" + s.everything.ID + "/order"
	for _, test := range []struct {
		field, value, id, says string
	}{
		{"input.name", "Large", "input-name", "Small letters first"},
		{"input.size", "many", "input-size", "This is a whole number."},
		{"input.public", "maybe", "input-public", "This is true or false."},
		{"input.region", "mars", "input-region", "This is one of"},
		{"input.zones", "z", "input-zones", "This is a list of some of"},
		{"input.hosts", "[1,", "input-hosts", "This is a list."},
		{"input.settings", "{", "input-settings", "This is neither JSON nor HCL"},
		{"input.name", "", "input-name", "This is needed."},
		{"input.public", "", "input-public", "Choose one."},
		{"lines.password", "", "input-password", "This is needed."},
		{"name", "", "name", "1 to 200 bytes"},
		{"project", "a/b\x01", "project", ""},
	} {
		form := right()
		form.Set("input.spare", password)
		form.Set(test.field, test.value)
		code, page, at := member.sendParts(path, form)
		if code != http.StatusUnprocessableEntity || at != path || !strings.Contains(page, `id="wrong-`+test.id+`"`) || !strings.Contains(page, test.says) {
			t.Errorf("%s = %q answers %d without saying %q at #%s: %s", test.field, test.value, code, test.says, test.id, page)
		}
		if strings.Contains(page, password) || strings.Contains(page, "END-----") {
			t.Errorf("after a wrong %s the page has a secret", test.field)
		}
	}
	form := right()
	form.Set("file:input.license", strings.Repeat("x", 1<<20))
	if code, page, _ := member.sendParts(path, form); code != http.StatusUnprocessableEntity || !strings.Contains(page, "A value has at most 1 MiB.") {
		t.Errorf("a file that is too large answers %d: %s", code, page[:min(len(page), 2000)])
	}
	form.Set("file:input.license", strings.Repeat("x", 5<<20))
	if code, page, _ := member.sendParts(path, form); code != http.StatusRequestEntityTooLarge {
		t.Errorf("a form that is too large answers %d: %s", code, page[:min(len(page), 2000)])
	}
	if strings.Contains(s.Log.String(), password) {
		t.Error("the secret is in the log")
	}
}

func TestABlockGetsWhatItWaitsForAndIsUpgraded(t *testing.T) {
	s := newShop(t)
	ctx := t.Context()
	d := s.define(remuda.Definition{Organization: "acme", Name: "Database", Access: remuda.AccessAll}, remuda.Version{
		ResourceClass: "acme/linux", Implementation: module(), Inputs: map[string]remuda.Input{
			"size":   {Type: remuda.TypeInteger, Assignment: remuda.AssignUser},
			"fixed":  {Type: remuda.TypeString, Assignment: remuda.AssignUser, Locked: true},
			"quota":  {Type: remuda.TypeInteger, Assignment: remuda.AssignOperator},
			"secret": {Type: remuda.TypeString, Assignment: remuda.AssignUser, Sensitive: true, Optional: true},
		},
	})
	s.release(d, 1)
	secret := remuda.NewSecret(password)
	block, err := s.Builder.OrderBlock(ctx, remuda.Block{Organization: "beta", Name: "db", Definition: d.ID, Inputs: map[string]remuda.Value{
		"fixed": *value(`"once"`), "secret": {Secret: &secret},
	}}, "")
	s.must(err)
	_, err = s.Builder.CreateVersion(ctx, d.ID, remuda.Version{
		ResourceClass: "acme/linux", Implementation: module(), Inputs: map[string]remuda.Input{
			"size":  {Type: remuda.TypeInteger, Assignment: remuda.AssignUser},
			"fixed": {Type: remuda.TypeString, Assignment: remuda.AssignUser, Locked: true},
			"mode":  {Type: remuda.TypeSingleSelect, Choices: []string{"slow", "fast"}, Assignment: remuda.AssignUser},
		},
	})
	s.must(err)
	s.release(d, 2)
	at := "/blocks/" + block.ID + "/inputs"

	member := s.person(s.token("beta", remuda.RoleMember))
	code, page := member.see(at)
	if code != http.StatusOK || !strings.Contains(page, "waits for the inputs size") || strings.Contains(page, `name="input.quota"`) || strings.Contains(page, `name="input.fixed"`) {
		t.Fatalf("the form of a block that waits answers %d: %s", code, page)
	}
	form := url.Values{"name": {"db"}, "version": {"1"}, "was": {was(page)}, "input.size": {"4"}, "away.secret": {"yes"}}
	if _, page, to := member.sendParts(at, form); to != "/blocks/"+block.ID {
		t.Fatalf("giving what it waits for led to %s: %s", to, page)
	}
	if code, page, _ := member.sendParts(at, form); code != http.StatusConflict || !strings.Contains(page, "was changed while you filled this in") {
		t.Errorf("a form from before a change answers %d: %s", code, page)
	}
	now, err := s.Builder.Block(ctx, block.ID)
	s.must(err)
	if string(now.Inputs["size"].Value) != "4" || now.Inputs["secret"].Hash != "" || now.Status != remuda.BlockWaitsForOperator {
		t.Errorf("after its orderer gave a size and took a secret away the block is %+v", now)
	}

	operator := s.person(s.token("acme", remuda.RoleAdmin))
	_, page = operator.see(at)
	form = url.Values{"name": {"db"}, "version": {"1"}, "was": {was(page)}, "input.size": {"4"}, "input.fixed": {"twice"}, "input.quota": {"9"}}
	if _, page, to := operator.sendParts(at, form); to != "/blocks/"+block.ID {
		t.Fatalf("the operator's inputs led to %s: %s", to, page)
	}
	now, err = s.Builder.Block(ctx, block.ID)
	s.must(err)
	if string(now.Inputs["quota"].Value) != "9" || string(now.Inputs["fixed"].Value) != `"twice"` || now.Status != remuda.BlockPending {
		t.Errorf("after the operator's inputs the block is %+v", now)
	}

	code, page = member.see(at + "?version=2")
	if code != http.StatusOK || !strings.Contains(page, "Save and upgrade") || !strings.Contains(page, "<td>new</td>") || !strings.Contains(page, "<td>gone</td>") {
		t.Fatalf("the form of an upgrade answers %d: %s", code, page)
	}
	form = url.Values{"name": {"renamed"}, "version": {"2"}, "was": {was(page)}, "input.size": {"5"}, "input.mode": {"fast"}}
	if _, page, to := member.sendParts(at, form); to != "/blocks/"+block.ID {
		t.Fatalf("the upgrade led to %s: %s", to, page)
	}
	now, err = s.Builder.Block(ctx, block.ID)
	s.must(err)
	if now.Version != 2 || now.Name != "renamed" || string(now.Inputs["mode"].Value) != `"fast"` || string(now.Inputs["size"].Value) != "5" {
		t.Errorf("after the upgrade the block is %+v", now)
	}

	stranger := s.person(s.token("gamma", remuda.RoleAdmin))
	if code, _ := stranger.see(at); code != http.StatusNotFound {
		t.Errorf("the form answers another organization %d, want 404", code)
	}
	if code, _, _ := stranger.sendParts(at, form); code != http.StatusNotFound {
		t.Errorf("changing answers another organization %d, want 404", code)
	}
	viewer := s.person(s.token("beta", remuda.RoleViewer))
	if code, _ := viewer.see(at); code != http.StatusForbidden {
		t.Errorf("the form answers a viewer %d, want 403", code)
	}
	if code, _, _ := viewer.sendParts(at, form); code != http.StatusForbidden {
		t.Errorf("changing answers a viewer %d, want 403", code)
	}
}

// was is what a form was filled with.
func was(page string) string {
	_, rest, _ := strings.Cut(page, `name="was" value="`)
	text, _, _ := strings.Cut(rest, `"`)
	return text
}

func TestParentsAreChosenFromBlocksOfTheRightDefinition(t *testing.T) {
	s := newShop(t)
	ctx := t.Context()
	child := s.define(remuda.Definition{Organization: "acme", Name: "Child", Access: remuda.AccessAll}, remuda.Version{
		ResourceClass: "acme/linux", Implementation: module(), Dependencies: []string{s.everything.ID},
	})
	s.release(child, 1)
	member := s.person(s.token("beta", remuda.RoleMember))
	path := "/definitions/" + child.ID + "/order"
	if _, page := member.see(path); !strings.Contains(page, "Order one first") {
		t.Errorf("where there is no parent the form does not say how to get one: %s", page)
	}
	member.sendParts("/definitions/"+s.everything.ID+"/order", right())
	parent := s.onlyBlock(t)
	if _, page := member.see(path); !strings.Contains(page, `<option value="`+parent.ID+`" selected>`) {
		t.Errorf("the only parent is not chosen: %s", page)
	}
	_, page, to := member.sendParts(path, url.Values{"name": {"child"}, "version": {"1"}, "parent-" + s.everything.ID: {parent.ID}})
	made, err := s.Builder.Block(ctx, strings.TrimPrefix(to, "/blocks/"))
	if err != nil || len(made.Parents) != 1 || made.Parents[0] != parent.ID {
		t.Fatalf("what was ordered is %+v (%v): %s", made, err, page)
	}
	at := "/blocks/" + made.ID + "/inputs"
	_, page = member.see(at)
	if _, page, to := member.sendParts(at, url.Values{"name": {"child"}, "version": {"1"}, "was": {was(page)}, "parent-" + s.everything.ID: {""}}); to != "/blocks/"+made.ID {
		t.Fatalf("taking the parent away led to %s: %s", to, page)
	}
	if made, err = s.Builder.Block(ctx, made.ID); err != nil || len(made.Parents) != 0 {
		t.Errorf("the parents are %v (%v), want none", made.Parents, err)
	}
	code, page, _ := member.sendParts(path, url.Values{"name": {"x"}, "version": {"1"}, "parent-" + s.everything.ID: {made.ID + "x"}})
	if code != http.StatusUnprocessableEntity || !strings.Contains(page, "that you may see") {
		t.Errorf("a parent that is not there answers %d: %s", code, page)
	}
}

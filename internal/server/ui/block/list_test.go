package block_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

func TestBlocksAreFoundByWhatTheAddressAsksFor(t *testing.T) {
	w := newTown(t)
	database := w.define("Database", approved())
	other := w.define("Network", tofu())
	w.order("lacks", database, nil)
	w.order("waits", database, map[string]remuda.Value{"note": value("1")})
	w.plans()
	works := w.order("works", other, nil)
	w.succeed(nil)
	got(w.Builder.RunBlock(t.Context(), works.ID, remuda.RunRequest{Behavior: remuda.Detect}))(t)
	look := w.plans()
	mine := remuda.Block{Organization: "plat", Name: "mine", Definition: other.ID}
	got(w.Builder.OrderBlock(t.Context(), mine, ""))(t)
	admin := w.browser(w.AdminToken)
	for query, wants := range map[string]string{
		"":                                      "lacks waits works mine",
		"state=waiting_for_approval":            "waits",
		"state=waiting_for_user_input":          "lacks",
		"state=succeeded":                       "works",
		"state=nonsense":                        "",
		"definition=" + other.ID:                "works mine",
		"organization=plat":                     "mine",
		"organization=nobody":                   "",
		"search=ork":                            "works",
		"organization=acme&state=succeeded":     "works",
		"state=deleted":                         "",
		"drifted=yes":                           "works",
		"version=1&definition=" + other.ID:      "works mine",
		"version=2":                             "",
		"search=" + url.QueryEscape(`"><b id=`): "",
	} {
		text := admin.sees("/blocks?" + query)
		for _, name := range strings.Fields("lacks waits works mine") {
			if found := strings.Contains(text, ">"+name+"</a>"); found != strings.Contains(" "+wants+" ", " "+name+" ") {
				t.Errorf("asked for %q, %s is found: %v", query, name, found)
			}
		}
	}
	task := got(w.Builder.Run(t.Context(), look.order.Run))(t).Task
	says(t, "the page of a run's task", admin.sees("/tasks/"+task), `<a href="/blocks/`+works.ID+`">works</a>`, `<a href="/runs/`+look.order.Run+`">run 2</a>`)
	says(t, "the page of a definition", admin.sees("/definitions/"+other.ID), `<a href="/blocks?definition=`+other.ID+`&amp;version=1">2</a>`)
	says(t, "the list", admin.sees("/blocks"), "Waits for the inputs note.", "Waits until the plan of run 1 is approved.", "waits for approval")
	says(t, "a list of nothing", admin.sees("/blocks?state=deleted"), "No block is like that.")
}

func TestALongListIsReadInParts(t *testing.T) {
	w := newTown(t)
	database := w.define("Database", tofu(func(v *remuda.Version) {
		v.Inputs = map[string]remuda.Input{"size": {Type: remuda.TypeInteger, Assignment: remuda.AssignUser}}
	}))
	for n := range 52 {
		w.order(fmt.Sprintf("block-%02d", n), database, nil)
	}
	admin := w.browser(w.AdminToken)
	text := admin.sees("/blocks?search=block-")
	says(t, "the first part", text, "52 in all", "block-51", "block-02<", `rel="next"`)
	lacks(t, "the first part", text, "block-01<", "To the first page")
	_, next, _ := strings.Cut(text, `<a href="/blocks?after=`)
	next, _, _ = strings.Cut(next, `"`)
	text = admin.sees("/blocks?after=" + strings.ReplaceAll(next, "&amp;", "&"))
	says(t, "the second part", text, "block-01<", "block-00<", `href="/blocks?search=block-" rel="first"`)
	lacks(t, "the second part", text, "block-02<", `rel="next"`)
}

func TestABlocksFamilyIsDrawnAndListed(t *testing.T) {
	w := newTown(t)
	any := w.define("Thing", tofu())
	above := w.order("above", any, nil)
	parent := w.order("parent", any, nil, above.ID)
	block := w.order("self "+attack, any, nil, parent.ID, above.ID)
	child := w.order("child", any, nil, block.ID)
	w.order("grandchild", any, nil, child.ID)
	w.succeed(nil)
	member := w.browser(w.token("acme", remuda.RoleMember))
	text := member.sees("/blocks/" + block.ID)
	_, drawn, _ := strings.Cut(text, "<svg")
	drawn, listed, _ := strings.Cut(drawn, "</svg>")
	if boxes, lines := strings.Count(drawn, "<rect"), strings.Count(drawn, "<path"); boxes != 5 || lines != 5 {
		t.Errorf("the drawing has %d boxes and %d lines:\n%s", boxes, lines, drawn)
	}
	says(t, "the drawing", drawn, `href="/blocks/`+parent.ID+`"`, ">above<", ">succeeded<", ">waits for a parent<", "box here")
	lacks(t, "the drawing", drawn, `href="/blocks/`+block.ID+`"`, "<script")
	listed, _, _ = strings.Cut(listed, "<h2>Runs")
	order := []string{"Parents", ">parent<", ">above<", "Children", ">child<", "Below them", ">grandchild<"}
	for i, rest := 0, listed; i < len(order); i++ {
		var found bool
		if _, rest, found = strings.Cut(rest, order[i]); !found {
			t.Fatalf("%s does not stand where it belongs in %s", order[i], listed)
		}
	}
	code, text := member.send("/blocks/"+parent.ID+"/destroy", nil)
	if code != 409 {
		t.Errorf("destroying what has children is %d", code)
	}
	says(t, "the refusal", text, "Block parent has 1 child, such as self")
}

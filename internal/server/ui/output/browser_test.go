package output_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// seen is the lines of a step, one a line, as somebody gets them who selects and copies them.
func seen(step int) string {
	return fmt.Sprintf(`(() => {
		const lines = document.querySelector("#s%d .output-lines");
		if (!lines) return "";
		getSelection().selectAllChildren(lines);
		const copy = new ClipboardEvent("copy", {clipboardData: new DataTransfer(), bubbles: true, cancelable: true});
		lines.dispatchEvent(copy);
		getSelection().removeAllRanges();
		return copy.clipboardData.getData("text/plain");
	})()`, step)
}

func TestTheViewerFollowsAndPausesFindsAndLinks(t *testing.T) {
	w := newTown(t)
	k := w.begin("Install", "Test", "Deploy")
	tab := w.Tab(t)
	tab.SignIn(w.AdminToken)
	k.stands(0, remuda.StepRunning)
	k.print(0, "one\n<script>document.title='taken'</script>\n<img src=x onerror=\"document.title='taken'\">\n\x1b]8;;javascript:alert(1)\x07press\x1b]8;;\x07\n")
	tab.Go("/tasks/" + k.id + "?shown=output")
	tab.Until(seen(1) + `.endsWith("press")`)

	// What comes while the page is loaded again is there once.
	var rest strings.Builder
	for i := range 400 {
		fmt.Fprintf(&rest, "line %d of a step that goes on\n", i)
		if i%100 == 50 {
			k.print(0, rest.String())
			rest.Reset()
			tab.Go("/tasks/" + k.id + "?shown=output")
		}
	}
	k.print(0, rest.String())
	tab.Until(seen(1) + `.endsWith("line 399 of a step that goes on")`)
	if got, want := browsertest.Evaluate[string](tab, seen(1))+"\n", strings.NewReplacer("\x1b]8;;javascript:alert(1)\x07", "", "\x1b]8;;\x07", "").Replace(k.printed(0)); got != want {
		t.Errorf("the page shows %q, the API has %q", got, want)
	}
	if browsertest.Evaluate[bool](tab, `document.title.includes("taken") || !!document.querySelector(".output-log script, .output-log img, .output-log a[href^='javascript']")`) {
		t.Error("what a step printed was more than text")
	}

	// At the end it follows; who scrolls up stays there and is told of what came meanwhile.
	const atEnd = `(() => { const log = document.querySelector(".output-log"); return log.scrollTop + log.clientHeight >= log.scrollHeight - 2 })()`
	tab.Until(atEnd)
	browsertest.Evaluate[any](tab, `document.querySelector(".output-log").scrollBy(0, -3000)`)
	tab.Until(`!document.querySelector(".output-end").hidden`)
	k.print(0, "new 1\nnew 2\n")
	tab.UntilSays("Follow (2 new lines)")
	if browsertest.Evaluate[bool](tab, atEnd) {
		t.Error("it follows though somebody scrolled up")
	}
	browsertest.Evaluate[any](tab, `document.querySelector("[data-end]").click(); document.querySelector(".output-log").scrollBy(0, -3000)`)
	k.print(0, "new 3\n")
	tab.UntilSays("Follow (1 new line)") // at once, before the browser has told the page that it is at the end
	tab.Press("[data-end]")
	tab.Until(atEnd + ` && document.querySelector(".output-end").hidden`)

	// Search finds in all lines, also in what comes later.
	browsertest.Evaluate[any](tab, `(() => { const field = document.querySelector(".output-search input"); field.value = "STEP that"; field.dispatchEvent(new Event("input")) })()`)
	tab.UntilSays("1 of 400 lines")
	tab.Press(".output-search [data-previous]")
	tab.UntilSays("400 of 400 lines")
	tab.Until(`document.querySelector(".output-found-here")?.textContent === "line 399 of a step that goes on"`)
	k.print(0, "one more step that is found\n")
	tab.UntilSays("of 401 lines")

	// A line has an address, before it is there.
	tab.Go("/tasks/" + k.id + "?shown=output#s2-L140-L142")
	tab.Until(seen(1) + `.includes("found")`)
	k.stands(0, remuda.StepSucceeded)
	k.stands(1, remuda.StepRunning)
	k.print(1, strings.Repeat("again\n", 200))
	tab.Until(`document.querySelectorAll("#s2 .output-target").length === 3`)
	tab.Until(`(() => { const line = document.querySelector(".output-target").getBoundingClientRect(), log = document.querySelector(".output-log").getBoundingClientRect();
		return line.top >= log.top && line.bottom <= log.bottom })()`)
	k.stands(1, remuda.StepFailed)
	k.finish(remuda.Failed)
	tab.UntilSays("Step 2 failed: go there")
	tab.Until(`document.querySelector("#s1 button").getAttribute("aria-expanded") === "false" && document.querySelector("#s2 button").getAttribute("aria-expanded") === "true"`)
	tab.IsAccessible()
	tab.IsSound()
}

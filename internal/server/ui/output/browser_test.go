package output_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// seen is the lines of a step as the page has them, one a line.
func seen(step int) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#s%d .output-lines > div > div")].map(line => line.textContent).join("\n")`, step)
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

// A browser lays out what can be seen, however much there is.
func TestOfManyLinesFewAreLaidOut(t *testing.T) {
	const many = 30_000
	w := newTown(t)
	k := w.begin("Long")
	k.stands(0, remuda.StepRunning)
	var text strings.Builder
	for i := range many {
		fmt.Fprintf(&text, "\x1b[32m%06d\x1b[0m some line of usual length, with words in it\n", i+1)
	}
	k.print(0, text.String())
	tab := w.Tab(t)
	tab.SignIn(w.AdminToken)
	tab.Go("/tasks/" + k.id + "?shown=output")
	tab.Until(fmt.Sprintf(`document.querySelectorAll("#s1 .output-lines > div > div").length === %d`, many))
	const laidOut = `[...document.querySelectorAll(".output-lines > div")].filter(b => b.firstChild.checkVisibility({contentVisibilityAuto: true})).length`
	blocks := browsertest.Evaluate[int](tab, `document.querySelectorAll(".output-lines > div").length`)
	if blocks != many/50 {
		t.Errorf("%d lines are in %d blocks", many, blocks)
	}
	tab.Until(laidOut + ` <= 30`)
	if height := browsertest.Evaluate[float64](tab, `document.querySelector(".output-log").scrollHeight`); height < many*20 {
		t.Errorf("%d lines are %v pixels high", many, height)
	}
	// Through all of it, in jumps as a wheel makes them.
	most := browsertest.Evaluate[int](tab, `new Promise(done => {
		const log = document.querySelector(".output-log");
		let most = 0;
		log.scrollTop = 0;
		const next = () => {
			most = Math.max(most, `+laidOut+`);
			if (log.scrollTop + log.clientHeight >= log.scrollHeight - 1) return done(most);
			log.scrollTop += 20000;
			requestAnimationFrame(next);
		};
		requestAnimationFrame(next);
	})`)
	if most > 40 {
		t.Errorf("while one scrolls, %d blocks are laid out", most)
	}
	tab.IsSound()
}

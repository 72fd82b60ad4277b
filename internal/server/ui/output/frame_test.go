package output_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// long is a page that shows a task which has printed so many lines and goes on.
func long(t *testing.T, w *town, many int) (*browsertest.Tab, *work) {
	t.Helper()
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
	tab.Until(fmt.Sprintf(`document.querySelector(".output-log")?.scrollHeight >= %d`, many*20))
	return tab, k
}

// scrolled scrolls through the middle of a log by so many pixels a frame, up and down where it ends. It comes to the most
// elements that were in the log, and to how long each frame took, in milliseconds.
func scrolled(frames, pixels int) string {
	return fmt.Sprintf(`new Promise((done) => {
		const log = document.querySelector(".output-log"), took = [];
		let way = %d, most = 0, last = 0;
		log.scrollTop = log.scrollHeight / 3;
		const next = (now) => {
			if (last) took.push(now - last);
			last = now;
			most = Math.max(most, log.querySelectorAll("*").length);
			if (took.length === %d) return done({most, took});
			const before = log.scrollTop;
			log.scrollTop += way;
			if (log.scrollTop === before) { way = -way; log.scrollTop += way; }
			requestAnimationFrame(next);
		};
		requestAnimationFrame(next);
	})`, pixels, frames)
}

type scroll struct {
	Most int       `json:"most"`
	Took []float64 `json:"took"`
}

func (s scroll) median() float64 {
	slices.Sort(s.Took)
	return s.Took[len(s.Took)/2]
}

// What a frame costs depends on what can be seen alone: that many lines are elements, wherever one is.
func TestOfManyLinesFewAreElements(t *testing.T) {
	const many = 30_000
	w := newTown(t)
	tab, k := long(t, w, many)
	seen := browsertest.Evaluate[float64](tab, `document.querySelector(".output-log").clientHeight`)
	most := 3*int(3*seen/20+2*25) + 50 // what can be seen with as much above and below, in blocks of 25 lines; 2 elements each, and some room
	for _, pixels := range []int{60, 900, 20_000} {
		if got := browsertest.Evaluate[scroll](tab, scrolled(30, pixels)).Most; got > most || got < int(seen/20) {
			t.Errorf("scrolling by %d pixels a frame, %d elements were in the log, and %d are enough", pixels, got, most)
		}
	}
	// The lines that can be seen are there, with the numbers that belong to them.
	browsertest.Evaluate[any](tab, `document.querySelector(".output-log").scrollTop = 7777 * 20, 0`)
	tab.Until(`(() => {
		const log = document.querySelector(".output-log").getBoundingClientRect();
		const at = document.elementFromPoint(log.left + 300, log.top + log.height / 2).closest(".output-lines > div > div");
		const near = at && Number(at.textContent.slice(0, 6));
		return near > 7700 && near < 7900;
	})()`)
	// Following, too, they are few, and the last one can be seen.
	tab.Press("[data-end]")
	k.print(0, strings.Repeat("more\n", 5000)+"the last one\n")
	tab.Until(`(() => {
		const log = document.querySelector(".output-log").getBoundingClientRect();
		const last = [...document.querySelectorAll(".output-lines > div > div")].at(-1);
		return last.textContent === "the last one" && last.getBoundingClientRect().bottom <= log.bottom + 1;
	})()`)
	if got := browsertest.Evaluate[int](tab, `document.querySelectorAll(".output-log *").length`); got > most {
		t.Errorf("following, %d elements are in the log, and %d are enough", got, most)
	}
	tab.IsSound()
}

// A page with nothing but 200 lines is as cheap as one can be. They take turns, as other things go on on this machine.
func TestAScrolledFrameOfManyLinesTakesLittleLongerThanOfAPlainPage(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	const rounds, frames, most = 15, 40, 1.5
	w := newTown(t)
	tab, _ := long(t, w, 100_000)
	plain := w.Tab(t)
	plain.Do(chromedp.Navigate("data:text/html," + url.PathEscape(`<!doctype html><pre class="output-log" style="margin:0;height:78vh;overflow:auto;font:13px/20px monospace">`+
		strings.Repeat("some line of usual length, with words in it\n", 200)+"</pre>")))
	var floor, ours []float64
	for range rounds {
		floor = append(floor, browsertest.Evaluate[scroll](plain, scrolled(frames, 60)).median())
		ours = append(ours, browsertest.Evaluate[scroll](tab, scrolled(frames, 60)).median())
	}
	slices.Sort(floor)
	slices.Sort(ours)
	a, b := floor[rounds/2], ours[rounds/2]
	t.Logf("a frame took %.1f ms, of a plain page %.1f ms: %.2f times as long", b, a, b/a)
	if b > most*a {
		t.Errorf("a frame took %.1f ms, of a plain page %.1f ms, and may take %v times as long", b, a, most)
	}
	tab.IsSound()
}

// copied is what somebody gets who copies what is selected.
const copied = `(() => {
	const copy = new ClipboardEvent("copy", {clipboardData: new DataTransfer(), bubbles: true, cancelable: true});
	document.querySelector(".output-log").dispatchEvent(copy);
	return copy.clipboardData.getData("text/plain");
})()`

func TestASelectionOutlastsItsLinesAndIsCopiedWhole(t *testing.T) {
	w := newTown(t)
	tab, _ := long(t, w, 3000)
	const toLine = `(n) => new Promise((done) => {
		const log = document.querySelector(".output-log");
		log.scrollTop = (n - 1) * 20 - 200;
		requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(() => {
			done([...document.querySelectorAll(".output-lines > div > div")].find((line) => Number(line.textContent.slice(0, 6)) === n));
		})));
	})`
	browsertest.Evaluate[any](tab, `(`+toLine+`)(100).then((line) => getSelection().setBaseAndExtent(line.lastChild, 1, line.lastChild, 5))`)
	browsertest.Evaluate[any](tab, `(`+toLine+`)(2500).then((line) => getSelection().extend(line.firstChild.firstChild, 6))`)
	browsertest.Evaluate[any](tab, `(`+toLine+`)(1500).then(() => 0)`)
	got := strings.Split(browsertest.Evaluate[string](tab, copied), "\n")
	if len(got) != 2401 || got[0] != "some line of usual length, with words in it" || got[2400] != "002500" || !strings.HasPrefix(got[1200], "001300 some") {
		t.Errorf("of lines 100 to 2500, %d are copied, from %q to %q", len(got), got[0], got[len(got)-1])
	}
	tab.IsSound()
}

// How high lines are that are wrapped is known when they are laid out; in a narrow window they are of one to five rows. What one reads does not move then.
func TestWhatOneReadsStaysWhileLinesAboveTurnOutHigher(t *testing.T) {
	w := newTown(t)
	k := w.begin("Wide")
	k.stands(0, remuda.StepRunning)
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "%06d %s\n", i+1, strings.Repeat("wide ", 5+i*37%24))
	}
	k.print(0, text.String())
	tab := w.Tab(t)
	tab.Look(600, false)
	tab.SignIn(w.AdminToken)
	tab.Go("/tasks/" + k.id + "?shown=output#s1-L1500")
	tab.Until(`document.querySelector(".output-target")?.textContent.startsWith("001500")`)
	for range 20 {
		moved := browsertest.Evaluate[float64](tab, `new Promise((done) => {
			const log = document.querySelector(".output-log"), box = log.getBoundingClientRect();
			const line = document.elementFromPoint(box.left + 300, box.top + box.height / 4).closest(".output-lines > div > div");
			const before = line.getBoundingClientRect().top;
			log.scrollBy(0, -200);
			requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(() => done(line.getBoundingClientRect().top - before))));
		})`)
		if moved < 199 || moved > 201 {
			t.Fatalf("when one scrolls up by 200 pixels, the lines go down by %v", moved)
		}
	}
	tab.IsSound()
}

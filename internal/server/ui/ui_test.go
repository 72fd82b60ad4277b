package ui_test

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// How light a page is: all that a browser fetches that was never here, and the time until something is painted.
const (
	mostBytes  = 100 << 10
	paintTries = 60 // other things go on on this machine: one of so many has to be fast
)

// Every page of the menu can be loaded, has nothing in it that its own policy forbids, names what can be pressed or filled
// in, and is light enough for a slow line.
func TestEveryPageOfTheMenuIsSoundAccessibleAndLight(t *testing.T) {
	site := browsertest.Open(t)
	site.Furnish(t)
	tab := site.Tab(t)
	tab.Go("/")
	tab.UntilSays("Sign in")
	tab.IsAccessible()
	tab.SignIn(site.AdminToken)
	for _, path := range []string{"/", "/tasks", "/resource-classes", "/runners", "/blocks", "/definitions", "/audit", "/tokens"} {
		keepFiles(tab, false)
		tab.Received()
		load(tab, path)
		bytes := tab.Received()
		if bytes > mostBytes || bytes < 10<<10 {
			t.Errorf("%s takes %d bytes with all that it needs, and may take %d", path, bytes, mostBytes)
		}
		tab.IsAccessible()
		tab.IsSound()
		walk(t, tab, path)
		keepFiles(tab, true)
		painted := time.Duration(1 << 62)
		for try := 0; try < paintTries && painted > firstPaint; try++ {
			load(tab, path)
			painted = min(painted, paint(tab))
		}
		if painted > firstPaint {
			t.Errorf("nothing is painted of %s before %s", path, painted)
		}
		t.Logf("%s: %d bytes, painted after %s", path, bytes, painted)
	}
}

// walk goes through a page by the Tab key: first past the menu, if one likes, then through everything in the order in
// which it is read, and what has the focus can be seen to have it.
func walk(t *testing.T, tab *browsertest.Tab, path string) {
	t.Helper()
	const stops = 12
	tab.Do(chromedp.Evaluate[chromedp.Void](`window.stops = []; document.activeElement.blur()`))
	for range stops {
		tab.Do(chromedp.KeyEvent("\t"))
		if browsertest.Evaluate[bool](tab, `(e => e === document.body || window.stops.includes(e))(document.activeElement)`) {
			break // it went around
		}
		if seen := browsertest.Evaluate[string](tab, `(e => {
			const style = getComputedStyle(e), shown = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== "none";
			const last = window.stops.at(-1);
			window.stops.push(e);
			if (window.stops.length === 1 && !e.matches("a.skip")) return "first comes " + e.outerHTML;
			if (last && !(last.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING)) return e.outerHTML + " comes after " + last.outerHTML;
			return shown ? "" : "one does not see that the focus is at " + e.outerHTML;
		})(document.activeElement)`); seen != "" {
			t.Errorf("%s by the Tab key: %s", path, seen)
		}
	}
	if all := browsertest.Evaluate[int](tab, `window.stops.length`); all < stops/2 {
		t.Errorf("%s by the Tab key has %d stops", path, all)
	}
}

// load opens a page and waits until its files are there.
func load(tab *browsertest.Tab, path string) {
	tab.Go(path)
	tab.Until(`document.readyState === "complete" && document.querySelector("nav [aria-current]")?.getAttribute("href") === "` + path + `"`)
}

// paint is how long it took until the first text or picture of the page was painted.
func paint(tab *browsertest.Tab) time.Duration {
	const entry = `performance.getEntriesByName("first-contentful-paint")[0]`
	tab.Until(`!!` + entry)
	return time.Duration(browsertest.Evaluate[float64](tab, entry+`.startTime`) * float64(time.Millisecond))
}

// keepFiles says whether the browser keeps what it has fetched.
func keepFiles(tab *browsertest.Tab, kept bool) {
	tab.Do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: !kept})
		return err
	}))
}

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
	firstPaint = 200 * time.Millisecond
	paintTries = 20 // other things go on on this machine: one of so many has to be fast
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

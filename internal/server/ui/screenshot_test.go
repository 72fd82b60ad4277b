//go:build screenshots

package ui_test

import (
	"os"
	"testing"
	"time"

	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// TestScreenshots writes a picture of each page into the folder that REMUDA_SCREENSHOTS names, light and dark, wide and
// narrow, for people to look at.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("REMUDA_SCREENSHOTS")
	if dir == "" {
		t.Fatal("set REMUDA_SCREENSHOTS to a folder: make screenshots")
	}
	site := browsertest.Open(t)
	ranch := site.Furnish(t)
	tab := site.TabFor(t, 15*time.Minute)
	shoot := func(name, path string) {
		for look, dark := range map[string]bool{"light": false, "dark": true} {
			for size, width := range map[string]int64{"wide": browsertest.Wide, "narrow": browsertest.Narrow} {
				tab.Look(width, dark)
				tab.Go(path)
				tab.Until(`document.readyState === "complete" && !document.querySelector("[aria-busy=true]")`)
				tab.Picture(dir, name+"-"+look+"-"+size)
				if overflow := browsertest.Evaluate[int](tab, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); overflow > 0 {
					t.Errorf("%s is %d pixels wider than a %s window", path, overflow, size)
				}
			}
		}
	}
	shoot("sign-in", "/sign-in")
	tab.Look(browsertest.Wide, false)
	tab.SignIn(site.AdminToken)
	for name, path := range map[string]string{
		"overview": "/", "tasks": "/tasks", "task-failed": "/tasks/" + ranch.Failed, "task-running": "/tasks/" + ranch.Running, "task-queued": "/tasks/" + ranch.Queued,
		"classes": "/resource-classes", "class": "/resource-classes/acme/linux", "class-without-runner": "/resource-classes/acme/arm",
		"runners": "/runners", "runner": "/runners/" + ranch.Runner,
		"definitions": "/definitions", "definition": "/definitions/" + ranch.Definition, "order": "/definitions/" + ranch.Definition + "/order",
		"blocks": "/blocks", "block": "/blocks/" + ranch.Database, "block-waits": "/blocks/" + ranch.Zone, "inputs": "/blocks/" + ranch.Zone + "/inputs", "plan": "/runs/" + ranch.Plan,
		"audit": "/audit", "tokens": "/tokens",
	} {
		shoot(name, path)
	}
	tab.IsSound()
	shoot("nothing-here", "/tasks/00000000-0000-7000-8000-000000000000") // of which the console complains
}

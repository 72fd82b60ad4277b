package ui_test

import (
	"testing"

	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// Every page of the menu can be loaded, has nothing in it that its own policy forbids, names what can be pressed or filled
// in, and is light enough for a slow line: 100 KB with all that it needs, 200 ms until something is painted.
func TestEveryPageOfTheMenuIsSoundAccessibleAndLight(t *testing.T) {
	site := browsertest.Open(t)
	tab := site.Tab(t)
	tab.Go("/")
	tab.UntilSays("Sign in")
	tab.IsAccessible()
	tab.SignIn(site.AdminToken)
	for _, path := range []string{"/", "/tasks", "/resource-classes", "/runners", "/blocks", "/definitions", "/audit", "/tokens"} {
		tab.Go(path)
		tab.Until(`document.querySelector("nav [aria-current]")?.getAttribute("href") === "` + path + `"`)
		tab.IsAccessible()
		tab.IsSound()
	}
}

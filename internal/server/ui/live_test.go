package ui_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// between puts something between browsers and the site; what it returns false for, it has answered itself.
func between(t *testing.T, site *browsertest.Site, pass func(http.ResponseWriter, *http.Request) bool) {
	t.Helper()
	far, err := url.Parse(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(far)
		r.Out.Host = r.In.Host // forms are sent from there
	}}
	near := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if pass(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		near.CloseClientConnections() // of tabs that follow something
		near.Close()
	})
	site.URL = near.URL
}

// grows holds that the open page shows a new class without being loaded again.
func grows(t *testing.T, site *browsertest.Site, tab *browsertest.Tab) {
	t.Helper()
	browsertest.Evaluate[bool](tab, `window.unchanged = true`)
	must := func(_ any, err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(site.Admin.CreateOrganization(t.Context(), remuda.Organization{Name: "acme"}))
	must(site.Admin.ClaimNamespace(t.Context(), "acme", "acme"))
	must(site.Admin.CreateResourceClass(t.Context(), remuda.ResourceClass{Name: "acme/horses"}))
	tab.UntilSays("acme/horses")
	if !browsertest.Evaluate[bool](tab, `window.unchanged && document.getElementById("offline").hidden`) {
		t.Error("the page was loaded again, or says that it is old")
	}
}

func TestAPageIsKeptUpToDateAlsoWhenAPartOfItsScriptsComesLate(t *testing.T) {
	site := browsertest.Open(t)
	var late atomic.Bool
	there := make(chan struct{})
	between(t, site, func(_ http.ResponseWriter, r *http.Request) bool {
		if late.Load() && strings.HasSuffix(r.URL.Path, "/hx-sse.min.js") {
			select {
			case <-there:
			case <-r.Context().Done():
			}
		}
		return true
	})
	tab := site.Tab(t)
	tab.SignIn(site.AdminToken)
	keepFiles(tab, false)
	late.Store(true)
	browsertest.Evaluate[bool](tab, `(location.href = "/resource-classes", true)`)
	tab.Until(`location.pathname === "/resource-classes" && document.readyState === "interactive" && typeof htmx === "object"`)
	// Whatever was to be done as soon as htmx was there is done.
	browsertest.Evaluate[bool](tab, `new Promise(done => setTimeout(() => done(true)))`)
	close(there)
	grows(t, site, tab)
	tab.IsSound()
}

func TestAPageThatCannotBeKeptUpToDateAtFirstSaysSoAndIsAsSoonAsItCan(t *testing.T) {
	refusals := map[string]func(http.ResponseWriter){
		"refused":    func(w http.ResponseWriter) { http.Error(w, "<p>nobody is there</p>", http.StatusServiceUnavailable) },
		"broken off": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	}
	for name, refuse := range refusals {
		t.Run(name, func(t *testing.T) {
			site := browsertest.Open(t)
			var away atomic.Bool
			var asked atomic.Int64
			between(t, site, func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasPrefix(r.URL.Path, "/live/") {
					return true
				}
				if away.Load() {
					refuse(w)
					return false
				}
				asked.Add(1)
				return true
			})
			tab := site.Tab(t)
			tab.SignIn(site.AdminToken)
			away.Store(true)
			asked.Store(0)
			tab.Go("/resource-classes")
			tab.Until(`!document.getElementById("offline").hidden`)
			if !tab.Says("Resource classes") || tab.Says("nobody is there") {
				t.Error("what was shown is gone")
			}
			away.Store(false)
			grows(t, site, tab)
			tab.IsAccessible()
			if n := asked.Load(); n != 1 {
				t.Errorf("the page is kept up to date by %d streams", n)
			}
		})
	}
}

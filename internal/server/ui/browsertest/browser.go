// Package browsertest gives tests a control plane with its pages, and a Chromium that looks at them.
package browsertest

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/server"
	"github.com/remuda-dev/remuda/internal/server/ui"
	"github.com/remuda-dev/remuda/internal/store"
	"github.com/remuda-dev/remuda/internal/storetest"
)

// Site is a control plane on loopback.
type Site struct {
	URL        string
	Plane      *control.Plane
	Blocks     *blocks.Rules
	Store      *store.Store
	Admin      control.UserDoor // of the instance's administrator
	Builder    blocks.UserDoor  // the same, for building blocks
	AdminToken string
	Log        *Log
}

// Log is what the control plane logged.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write adds to it.
func (l *Log) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

// String is all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Open starts a control plane on SQLite, with its background work; it ends with the test.
func Open(t testing.TB) *Site {
	t.Helper()
	dir := storetest.Folder(t)
	kept, err := store.Open(t.Context(), dir)
	must(t, err)
	t.Cleanup(func() { _ = kept.Close() }) // a test may have closed it
	keys, err := vault.Open(filepath.Join(dir, "key"))
	must(t, err)
	s := &Site{Store: kept, Log: &Log{}}
	logger := slog.New(slog.NewTextHandler(s.Log, nil))
	s.Plane = control.New(control.Options{Store: kept, Keys: keys, Log: logger})
	s.Blocks = blocks.New(blocks.Options{Plane: s.Plane, Store: kept, Keys: keys, Log: logger})
	root := control.User{Name: "root", Admin: true}
	s.Admin, s.Builder = s.Plane.AsUser(root), s.Blocks.AsUser(root)
	s.AdminToken, err = s.Plane.EnsureAdminToken(t.Context(), "")
	must(t, err)
	pages, err := ui.New(ui.Options{Plane: s.Plane, Blocks: s.Blocks, Log: logger, Version: "0.0.1"})
	must(t, err)
	served := server.New(server.Options{Plane: s.Plane, Blocks: s.Blocks, Log: logger, Version: "0.0.1", Home: pages})
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = s.Plane.Run(ctx) })
	work.Go(func() { _ = s.Blocks.Run(ctx) })
	far := httptest.NewServer(served)
	t.Cleanup(func() {
		served.Close()
		far.CloseClientConnections() // of tabs that follow something
		far.Close()
		cancel()
		work.Wait()
	})
	s.URL = far.URL
	return s
}

// Token makes a token.
func (s *Site) Token(t testing.TB, of remuda.Token) remuda.Token {
	t.Helper()
	made, err := s.Admin.CreateToken(t.Context(), of)
	must(t, err)
	return made
}

// Tab is a tab of a browser.
type Tab struct {
	t       testing.TB
	site    *Site
	Context context.Context // for chromedp.Run

	mu       sync.Mutex
	faults   []string // what its console complains of
	received map[network.RequestID]int64
}

// Path is the Chromium that tests use.
const Path = "/usr/bin/chromium"

// patience is how long a test waits for anything that it sees in a browser.
const patience = 2 * time.Minute

// Tab opens a browser of its own with one tab. In CI a browser that is absent is a failure, elsewhere a reason to skip.
func (s *Site) Tab(t testing.TB) *Tab {
	t.Helper()
	return s.TabFor(t, 5*patience)
}

// TabFor is Tab, for a test that takes so long at most.
func (s *Site) TabFor(t testing.TB, long time.Duration) *Tab {
	t.Helper()
	if _, err := os.Stat(Path); err != nil {
		if os.Getenv("CI") != "" { //nolint:forbidigo // a test asks where it runs
			t.Fatal(err)
		}
		t.Skip("no Chromium: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(Path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900),
		chromedp.WSURLReadTimeout(patience), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	allocator, closeAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeTab := chromedp.NewContext(allocator)
	tab := &Tab{t: t, site: s, received: map[network.RequestID]int64{}}
	timed, stop := context.WithTimeout(ctx, long)
	tab.Context = timed
	t.Cleanup(func() {
		stop()
		closeTab()
		closeAllocator()
	})
	must(t, chromedp.Do(ctx, chromedp.Navigate("about:blank"))) // it begins the browser, which lives as long as this context
	must(t, chromedp.Listen(ctx, tab.hear))
	tab.Do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, log.Enable, cdp.Empty{})
		return err
	}))
	return tab
}

// hear notes what the console complains of, and how much was received.
func (b *Tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			b.faults = append(b.faults, fmt.Sprint(e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			b.faults = append(b.faults, e.Entry.Text)
		}
	case *network.EventLoadingFinished:
		b.received[e.RequestID] = int64(e.EncodedDataLength)
	}
}

// Do carries out what the test wants done.
func (b *Tab) Do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.Context, actions...); err != nil {
		b.t.Fatalf("in the browser: %v\n%s", err, b.text())
	}
}

// text is what the page says, for a test that fails.
func (b *Tab) text() string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Context), 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// Go opens a page of the site.
func (b *Tab) Go(path string) {
	b.t.Helper()
	b.Do(chromedp.Navigate(b.site.URL + path))
}

// SignIn signs in with a token, through the form.
func (b *Tab) SignIn(token string) {
	b.t.Helper()
	b.Go("/sign-in")
	b.Do(
		chromedp.SendKeys(`input[name=token]`, token),
		chromedp.Submit(`form[action="/sign-in"]`),
	)
	b.Until(`!!document.querySelector('form[action="/sign-out"]')`)
}

// Until waits until an expression of JavaScript is true.
func (b *Tab) Until(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.Context, patience)
	defer cancel()
	for {
		var is bool
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err == nil && is {
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("never true: %s\n%s", expression, b.text())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// UntilSays waits until the page says something.
func (b *Tab) UntilSays(text string) {
	b.t.Helper()
	b.Until(`document.body.innerText.includes(` + quoted(text) + `)`)
}

// Says is whether the page says something now.
func (b *Tab) Says(text string) bool {
	b.t.Helper()
	return Evaluate[bool](b, `document.body.innerText.includes(`+quoted(text)+`)`)
}

// Press clicks the first element that a selector finds.
func (b *Tab) Press(selector string) {
	b.t.Helper()
	b.Do(chromedp.Click(selector))
}

// Evaluate is the value of an expression of JavaScript in the page; of a promise, what it comes to.
func Evaluate[T any](b *Tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.Context, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

// Received is how many bytes came over the wire since it was asked the last time.
func (b *Tab) Received() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var sum int64
	for _, n := range b.received {
		sum += n
	}
	clear(b.received)
	return sum
}

// IsSound fails the test when the console complained of anything, such as what the page's own policy forbids. But is what
// the test itself provoked, such as "status of 422": parts of what the console says then.
func (b *Tab) IsSound(but ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fault := range b.faults {
		if !slices.ContainsFunc(but, func(part string) bool { return strings.Contains(fault, part) }) {
			b.t.Errorf("the console says: %s", fault)
		}
	}
}

// axe checks pages against the rules of WCAG; version 4.10.3, unchanged from npm.
//
//go:embed axe.min.js
var axe string

// IsAccessible fails the test when labels, contrast, names or the order of headings are wrong on the page as it is.
func (b *Tab) IsAccessible() {
	b.t.Helper()
	found := Evaluate[string](b, axe+`;axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}).then(
		r => JSON.stringify(r.violations.map(v => v.id + ": " + v.help + "\n" + v.nodes.slice(0, 3).map(n => "  " + n.html + "\n  " + n.failureSummary).join("\n"))))`)
	var violations []string
	must(b.t, json.Unmarshal([]byte(found), &violations))
	for _, v := range violations {
		b.t.Errorf("%s: %s", Evaluate[string](b, `location.pathname`), v)
	}
}

func quoted(text string) string {
	encoded, _ := json.Marshal(text) // a string can always be encoded
	return string(encoded)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

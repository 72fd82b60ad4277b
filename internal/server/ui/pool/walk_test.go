package pool_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// fitsAPhone has the tab be as wide as a phone, and fails the test when the page then has to be scrolled sideways.
func fitsAPhone(t *testing.T, tab *browsertest.Tab) {
	t.Helper()
	tab.Do(chromedp.EmulateViewport(375, 800))
	tab.Until(`innerWidth === 375`)
	if over := browsertest.Evaluate[int](tab, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
		t.Errorf("%s is %d pixels too wide for a phone", browsertest.Evaluate[string](tab, `location.pathname`), over)
	}
	tab.Do(chromedp.EmulateViewport(1280, 900))
}

func look(t *testing.T, tab *browsertest.Tab) {
	t.Helper()
	tab.IsAccessible()
	tab.IsSound()
	fitsAPhone(t, tab)
}

// fill types into a field that has the focus of nothing else.
func fill(tab *browsertest.Tab, selector, text string) {
	tab.Do(chromedp.SendKeys(selector, text))
}

// copied is the text of a box whose text begins so.
func copied(t *testing.T, tab *browsertest.Tab, begins string) string {
	t.Helper()
	text := browsertest.Evaluate[string](tab, `[...document.querySelectorAll(".copy pre")].map(e => e.textContent).find(t => t.startsWith("`+begins+`")) ?? ""`)
	if text == "" {
		t.Fatalf("nothing to copy begins with %q", begins)
	}
	return text
}

// A newcomer to an organization that has nothing yet gets from an empty list to a task that was carried out, by what the
// pages say.
func TestANewcomerIsWalkedFromNothingToAFirstTask(t *testing.T) {
	site := browsertest.Open(t)
	got(site.Admin.CreateOrganization(t.Context(), remuda.Organization{Name: "acme", VCSName: "ACME"}))(t)
	me := as(t, site, remuda.RoleAdmin)
	tab := site.Tab(t)
	tab.SignIn(me)

	tab.Go("/resource-classes")
	tab.UntilSays("There is no resource class yet.")
	look(t, tab)
	tab.Press(`a[href="/resource-classes/new"]`)
	tab.UntilSays("acme has no namespace yet")
	look(t, tab)
	tab.Do(chromedp.Submit(`form[action="/resource-classes/namespace"]`)) // as it is suggested
	tab.UntilSays("acme has the namespace acme.")
	fill(tab, `input[name=name]`, "linux")
	fill(tab, `input[name=description]`, "Debian 12")
	tab.Do(chromedp.Submit(`form[action="/resource-classes/new"]`))
	tab.UntilSays("The resource class acme/linux is there.")
	tab.UntilSays("No runner serves this class yet.")

	class := site.Tab(t) // somebody else has the class open all the while
	class.SignIn(me)
	class.Go("/resource-classes/acme/linux")
	class.UntilSays("No runner serves this class yet.")

	tab.Press(`a[href="/resource-classes/acme/linux/install"]`)
	tab.UntilSays("1. Make a token")
	fill(tab, `input[name=nickname]`, "web-1")
	tab.Do(chromedp.SetValue(`input[name=slots]`, "2"), chromedp.Submit(`form[action="/resource-classes/acme/linux/install"]`))
	tab.UntilSays("No runner has registered with this token yet.")
	look(t, tab)
	if at := browsertest.Evaluate[string](tab, `location.href`); strings.Contains(at, "rmd_") {
		t.Errorf("the token is in the address %s", at)
	}

	bin := buildAll(t)
	home := homeForTasks(t)
	config := copied(t, tab, "api:")
	if err := os.WriteFile(filepath.Join(home, "runner.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := start(t, bin, home, copied(t, tab, "remuda runner"))
	tab.UntilSays("web-1 connected, 2 slots, idle")
	class.Until(`document.querySelector("#runners a")?.textContent === "web-1"`)
	class.UntilSays("2 free of 2")
	class.UntilSays("for any number of runners") // the token's row
	class.IsSound()
	tab.IsSound()

	token := filepath.Join(home, "token")
	if err := os.WriteFile(token, []byte(me), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, bin, home, copied(t, tab, "remuda login")+" < "+token)
	if said := run(t, bin, home, copied(t, tab, "remuda run ")); !strings.Contains(said, "hello\n") {
		t.Errorf("the first task printed %q", said)
	}
	class.Until(`document.querySelector("#tasks tbody .state")?.textContent === "succeeded"`)
	if strings.Contains(site.Log.String(), "rmd_cls_") {
		t.Error("the token is in the log")
	}
	stop()
	class.Until(`!document.querySelector("#runners a[href^='/runners/0']")`)
}

// buildAll is a folder with the programs that people install.
func buildAll(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "github.com/remuda-dev/remuda/cmd/remuda", "github.com/remuda-dev/remuda/cmd/remuda-agent")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, said)
	}
	return dir
}

// homeForTasks is a folder that tasks may pass through, which run as users of their own when the test is root.
func homeForTasks(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	for _, dir := range []string{home, filepath.Dir(home)} {
		if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // it is for others to pass
			t.Fatal(err)
		}
	}
	return home
}

// shell is a command as a person types it, in a folder of its own.
func shell(ctx context.Context, bin, home, line string) *exec.Cmd {
	c := exec.CommandContext(ctx, "sh", "-c", line)
	c.Dir = home
	c.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "HOME=" + home, "XDG_STATE_HOME=" + home, "XDG_CONFIG_HOME=" + home}
	return c
}

func run(t *testing.T, bin, home, line string) string {
	t.Helper()
	said, err := shell(t.Context(), bin, home, line).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, said)
	}
	return string(said)
}

// start runs a command until stop, which lets it end by itself.
func start(t *testing.T, bin, home, line string) (stop func()) {
	t.Helper()
	c := shell(t.Context(), bin, home, "exec "+line)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = time.Minute
	said := &browsertest.Log{}
	c.Stdout, c.Stderr = said, said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if !ended {
			ended = true
			_ = c.Process.Signal(os.Interrupt)
			if err := c.Wait(); err != nil || t.Failed() {
				t.Logf("%s: %v\n%s", line, err, said)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

package output_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
)

func TestTheRawOutputIsTheBytesOfTheAPI(t *testing.T) {
	w := newTown(t)
	k := w.begin("one", "two")
	k.print(0, "\x1b[31mred\x1b[0m\r\nünï\xff\x00\n")
	k.print(1, "<script>alert(1)</script>\n"+strings.Repeat("long ", 100_000))
	k.print(0, "again\n")
	for query, api := range map[string]string{"": "", "?attempt=1": "?attempt=1", "?attempt=1&step=1": "?attempt=1&step=1", "?step=0": "?step=0", "?step=7": "?step=7"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL+"/api/v1/tasks/"+k.id+"/output"+api, nil)
		must(t, err)
		request.Header.Set("Authorization", "Bearer "+w.AdminToken)
		answer, err := w.http.Do(request)
		must(t, err)
		want, err := io.ReadAll(answer.Body)
		must(t, err)
		must(t, answer.Body.Close())
		raw, got := w.get("/tasks/" + k.id + "/output.txt" + query)
		if got != string(want) || raw.StatusCode != http.StatusOK {
			t.Errorf("%s: %d, %d bytes, the API has %d", query, raw.StatusCode, len(got), len(want))
		}
		if name := raw.Header.Get("Content-Disposition"); !strings.HasPrefix(name, `attachment; filename="build `) {
			t.Errorf("%s is offered as %s", query, name)
		}
		if kind := raw.Header.Get("Content-Type"); kind != "text/plain; charset=utf-8" || raw.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s has the type %s", query, kind)
		}
	}
	_, text := w.get("/tasks/" + k.id + "/output")
	if !strings.Contains(text, "&lt;script&gt;alert(1)&lt;&#47;script&gt;") || !strings.Contains(text, `<span class="term-fg31">red</span>`) ||
		!strings.Contains(text, "of output are not shown here") || strings.Contains(text, "<script>alert") {
		t.Errorf("without JavaScript the page is %.3000s", text)
	}
}

func TestOutputIsShownToThoseAloneWhoMaySeeTheTask(t *testing.T) {
	w := newTown(t)
	k := w.begin("one")
	k.print(0, "only for acme\n")
	must(t, second(w.Admin.CreateOrganization(t.Context(), remuda.Organization{Name: "other"})))
	viewer := w.signIn(w.Token(t, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "v", Organization: "acme", Role: remuda.RoleViewer}).Token)
	stranger := w.signIn(w.Token(t, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "s", Organization: "other", Role: remuda.RoleViewer}).Token)
	for _, path := range []string{"/tasks/" + k.id + "/output", "/tasks/" + k.id + "/output.txt", "/follow/tasks/" + k.id + "/output"} {
		for by, want := range map[*http.Client]int{viewer: http.StatusOK, stranger: http.StatusNotFound} {
			ctx, cancel := context.WithCancel(t.Context())
			answer := w.open(ctx, by, path)
			if answer.StatusCode != want {
				t.Errorf("%s answers %d, want %d", path, answer.StatusCode, want)
			}
			cancel()
			_ = answer.Body.Close()
		}
		for query, want := range map[string]int{"?attempt=2": 404, "?attempt=0": 422, "?attempt=x": 422} {
			if answer, _ := w.get(path + query); answer.StatusCode != want {
				t.Errorf("%s answers %d, want %d", path+query, answer.StatusCode, want)
			}
		}
		answer := w.open(t.Context(), &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, path)
		if answer.StatusCode != http.StatusSeeOther || !strings.HasPrefix(answer.Header.Get("Location"), "/sign-in") {
			t.Errorf("%s answers somebody unknown with %d", path, answer.StatusCode)
		}
		_ = answer.Body.Close()
	}
}

func TestAStreamEndsWhenItsTabIsClosed(t *testing.T) {
	w := newTown(t)
	k := w.begin("one")
	k.print(0, "hello\n")
	ctx, cancel := context.WithCancel(t.Context())
	answer := w.open(ctx, w.http, newScreen(t).address(k))
	s := newScreen(t)
	s.read(answer.Body, func() bool { return s.text(0) == "hello" })
	if readers() != 1 {
		t.Fatalf("%d streams are open", readers())
	}
	cancel()
	_ = answer.Body.Close()
	patience := time.After(30 * time.Second)
	for readers() > 0 {
		select {
		case <-patience:
			t.Fatal("the stream goes on")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// readers is how many goroutines follow for a browser.
func readers() int {
	stacks := make([]byte, 4<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "output.(*follower).tell(")
}

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

// FuzzAnyRangeOfOutput asks for output from any place, in words that may be no numbers: the answer is the rest of what
// was written, or says what is wrong with the question.
func FuzzAnyRangeOfOutput(f *testing.F) {
	for _, one := range [][4]string{
		{"", "", "", ""}, {"0", "0", "0", ""}, {"1", "1", "3", ""}, {"2", "", "", "1:4"}, {"", "-1", "", "2:1"}, {"", "", "", "0:0"}, {"9", "", "", ""},
		{"", "9999", "", ""}, {"", "10000", "", ""}, {"", "", "9223372036854775807", ""}, {"", "", "9223372036854775808", ""}, {"", "", "-1", ""},
		{"1e1", "", "", ""}, {"", "", "0x10", ""}, {"", "", "", "1:"}, {"", "", "", ":1"}, {"", "", "", "1:-1"}, {"", "", "", "99:0"}, {"", "", "", "1:9223372036854775807"},
		{"", "", "+5", "1:2:3"}, {"1", "", "", "2:0"}, {"\x00", " 1", "١", "١:٢"},
	} {
		f.Add(one[0], one[1], one[2], one[3])
	}
	w := newTown(f)
	task, said := twice(w)
	f.Fuzz(func(t *testing.T, attempt, step, offset, lastID string) {
		w := w.of(t)
		unspeakable := func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
		if strings.ContainsFunc(lastID, unspeakable) || strings.TrimSpace(lastID) != lastID {
			return // no header can say so
		}
		query := url.Values{}
		for name, value := range map[string]string{"attempt": attempt, "step": step, "offset": offset} {
			if value != "" {
				query.Set(name, value)
			}
		}
		path := v1 + "/tasks/" + task + "/output?" + query.Encode()
		plain := w.ask("GET", path, w.viewer, nil)
		answered(t, path, plain)
		if plain.status == http.StatusOK && !isRest(string(plain.body), said) {
			t.Fatalf("%s answers %q", path, plain.body)
		}
		headers := []string{"Accept", eventStream}
		if lastID != "" {
			headers = append(headers, "Last-Event-ID", lastID)
		}
		streamed := w.ask("GET", path, w.viewer, nil, headers...)
		answered(t, path+" after "+lastID, streamed)
		if streamed.status != http.StatusOK {
			return
		}
		got := events(t, strings.NewReader(string(streamed.body)), nil)
		if len(got) == 0 || got[len(got)-1].name != "end" {
			t.Fatalf("%s after %s does not end: %q", path, lastID, streamed.body)
		}
		if text := printed(t, got); !isRest(text, said) && !isRest(text, append(said, said[0]+said[1])) {
			t.Fatalf("%s after %s gives %q", path, lastID, text)
		}
	})
}

// twice is a task with two attempts, and what there is to read: of both together, and of their steps.
func twice(w *town) (task string, said []string) {
	w.t.Helper()
	m := w.register("one")
	w.want(201, "POST", v1+"/tasks", w.admin, strings.Replace(helloJob, "{", `{"retry_interrupted": true, `, 1))
	first := w.claimNext(m)
	w.begin(first)
	w.print(first, 0, 0, "lost ")
	w.print(first, 1, 0, "words")
	w.want(204, "POST", v1+"/claims/"+first.ID+"/return", m.token, `{"detail": "the machine is ill"}`)
	second := w.claimNext(m)
	w.begin(second)
	w.print(second, 0, 0, "one ")
	w.print(second, 1, 0, "two ")
	w.print(second, 0, 4, "three ")
	w.print(second, 1, 4, "four")
	w.finish(m, second, `{"state": "succeeded"}`)
	return second.Task.ID, []string{"lost words", "one two three four", "lost ", "words", "one three ", "two four"}
}

// of is the same town as another test sees it.
func (w *town) of(t testing.TB) *town {
	seen := *w
	seen.t = t
	return &seen
}

// isRest says whether a text is the end of one of these.
func isRest(text string, of []string) bool {
	for _, whole := range of {
		if strings.HasSuffix(whole, text) {
			return true
		}
	}
	return false
}

// answered holds an answer to what every caller may rely on: it is good, or a problem document that is not our fault.
func answered(t *testing.T, what string, g got) {
	t.Helper()
	if g.status >= 200 && g.status < 300 {
		return
	}
	var problem Problem
	if err := json.Unmarshal(g.body, &problem); err != nil || g.status >= 500 || problem.Status != g.status || problem.Detail == "" || problem.Kind == "" {
		t.Fatalf("%s answers %s", what, g)
	}
}

// FuzzAnySync sends anything as what a runner has to say. A claim that it does not name is delivered again at once;
// a request that is held was understood.
func FuzzAnySync(f *testing.F) {
	for _, body := range []string{
		`{"holding": [], "ready": true}`, `{"holding": null}`, `{"holding": ["x", "x", ""], "ready": false, "reason": "the disk is full"}`, `{}`, `null`, `[]`, ``,
		`{"holding": [1]}`, `{"ready": "yes"}`, `{"holding": [], "ready": true, "news": {"a": [1]}}`, `{"holding": [], "holding": ["a"]}`, `{"draining": true}`,
		`{"holding": ["\u0000"], "ready": true}`, `{"holding": ["'; drop table tasks; --"]}`, "{\"reason\": \"\xff\"}", `{"Ready": true}`,
	} {
		f.Add(body)
	}
	w := newTown(f)
	m := w.register("one")
	claim := w.claim(m)
	f.Fuzz(func(t *testing.T, body string) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if strings.Contains(body, claim.ID) {
			return // held for as long as there is nothing to say
		}
		request, err := http.NewRequestWithContext(ctx, "POST", w.url+v1+"/runners/"+m.id+"/sync", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", jsonType)
		request.Header.Set("Authorization", "Bearer "+m.token)
		answer, err := w.http.Do(request)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		answered(t, fmt.Sprintf("%q", body), got{answer.StatusCode, answer.Header, text})
		var said remuda.SyncAnswer
		if answer.StatusCode == http.StatusOK && (json.Unmarshal(text, &said) != nil || len(said.Claims) != 1 || said.Claims[0].ID != claim.ID) {
			t.Fatalf("%q is answered with %s", body, text)
		}
	})
}

package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
)

// until goes on when it is so.
func until(t *testing.T, so func() bool) {
	t.Helper()
	for late := time.Now().Add(time.Minute); !so(); runtime.Gosched() {
		if time.Now().After(late) {
			t.Fatal("waited in vain")
		}
	}
}

func TestEndsThatComeWhileOthersAreSaidGoInOneCall(t *testing.T) {
	var mu sync.Mutex
	var paths []string
	var together []string
	open := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.URL.Path)
		mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/api/v1/claims/") {
			<-open
			w.WriteHeader(http.StatusNoContent)
			return
		}
		var body struct {
			Results []remuda.ClaimResult `json:"results"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		for _, result := range body.Results {
			together = append(together, result.Claim)
		}
		answer(w, http.StatusOK, `{"refused": [{"claim": "d", "kind": "gone", "detail": "it has ended"}]}`)
	})
	runner := c.Runner("r1", "token")
	outcomes := map[string]error{}
	var saying sync.WaitGroup
	say := func(ctx context.Context, claim string) {
		saying.Go(func() {
			_, err := runner.Finish(ctx, claim, remuda.Result{State: remuda.Succeeded}, false)
			mu.Lock()
			defer mu.Unlock()
			outcomes[claim] = err
		})
	}
	say(t.Context(), "a")
	until(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(paths) == 1 }) // it is on its way
	for _, claim := range []string{"c", "d", "e"} {
		say(t.Context(), claim)
	}
	until(t, func() bool { return runner.Waiting() == 3 })
	close(open)
	saying.Wait()
	slices.Sort(together)
	if want := []string{"c", "d", "e"}; !slices.Equal(together, want) || len(paths) != 2 || paths[1] != "/api/v1/runners/r1/finish" {
		t.Errorf("%v were said together, by %v", together, paths)
	}
	for claim, err := range outcomes {
		if (claim == "d") != errors.Is(err, remuda.Gone) {
			t.Errorf("of %s came %v", claim, err)
		}
	}
}

func TestEndsThatAreTooMuchForOneCallAreSaidEachByItself(t *testing.T) {
	var mu sync.Mutex
	var paths []string
	open := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.URL.Path)
		first := len(paths) == 1
		mu.Unlock()
		if first {
			<-open
		}
		if strings.HasSuffix(r.URL.Path, "/runners/r1/finish") {
			answer(w, http.StatusRequestEntityTooLarge, `{"kind": "too-large"}`)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	runner := c.Runner("r1", "token")
	var saying sync.WaitGroup
	for i, claim := range []string{"a", "b", "c", "d"} {
		saying.Go(func() {
			if _, err := runner.Finish(t.Context(), claim, remuda.Result{State: remuda.Succeeded}, false); err != nil {
				t.Error(err)
			}
		})
		if i == 0 {
			until(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(paths) == 1 })
		}
	}
	until(t, func() bool { return runner.Waiting() == 3 })
	close(open)
	saying.Wait()
	slices.Sort(paths)
	want := []string{"/api/v1/claims/a/finish", "/api/v1/claims/b/finish", "/api/v1/claims/c/finish", "/api/v1/claims/d/finish", "/api/v1/runners/r1/finish"}
	if !slices.Equal(paths, want) {
		t.Errorf("the calls were %v", paths)
	}
}

func TestTheAnswerToEndsBringsWhatComesNextToWhoAskedForIt(t *testing.T) {
	var mu sync.Mutex
	var asked []int
	open := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Results []remuda.ClaimResult `json:"results"`
			Next    int                  `json:"next"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		mu.Lock()
		asked = append(asked, body.Next)
		first := len(asked) == 1
		mu.Unlock()
		if first {
			<-open
		}
		var came []string
		for i := range body.Next {
			came = append(came, `{"id": "after `+body.Results[i].Claim+`"}`)
		}
		answer(w, http.StatusOK, `{"refused": [], "claims": [`+strings.Join(came, ",")+`]}`)
	})
	runner := c.Runner("r1", "token")
	var came []string
	var saying sync.WaitGroup
	say := func(claim string, next bool) {
		saying.Go(func() {
			claims, err := runner.Finish(t.Context(), claim, remuda.Result{State: remuda.Succeeded}, next)
			if err != nil || len(claims) > 0 && !next {
				t.Errorf("with the end of %s came %v, %v", claim, claims, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, one := range claims {
				came = append(came, one.ID)
			}
		})
	}
	say("a", true)
	until(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(asked) == 1 })
	say("b", true)
	say("c", false)
	say("d", true)
	until(t, func() bool { return runner.Waiting() == 3 })
	close(open)
	saying.Wait()
	if !slices.Equal(asked, []int{1, 2}) || len(came) != 3 {
		t.Errorf("asked for %v, there came %v", asked, came)
	}
}

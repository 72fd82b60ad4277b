package server

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
)

func TestEventsAreListedFromTheNewestAndSayFromWhereItWasAskedFor(t *testing.T) {
	w := newTown(t)
	forward := read[remuda.Page[remuda.Event]](t, w.want(200, "GET", v1+"/events?limit=1000", w.admin, nil)).Items
	var back []remuda.Event
	for path := v1 + "/events?newest_first=true&limit=2"; ; {
		page := read[remuda.Page[remuda.Event]](t, w.want(200, "GET", path, w.admin, nil))
		back = append(back, page.Items...)
		if page.Next == "" {
			break
		}
		path = v1 + "/events?newest_first=true&limit=2&before=" + page.Next
	}
	slices.Reverse(back)
	if diff := cmp.Diff(forward, back); diff != "" {
		t.Errorf("forward and backward differ: %s", diff)
	}
	of := func(token, query string) []remuda.Event {
		return read[remuda.Page[remuda.Event]](t, w.want(200, "GET", v1+"/events?newest_first=true&"+query, token, nil)).Items
	}
	if made := of(w.admin, "type=resource-class.created&actor=root"); len(made) != 1 || made[0].Address != "127.0.0.1" {
		t.Errorf("the administrator is told %+v", made)
	}
	if made := of(w.viewer, "type=resource-class.created"); len(made) != 1 || made[0].Address != "" {
		t.Errorf("a viewer is told %+v", made)
	}
	if made := of(w.admin, "actor=nobody"); len(made) != 0 {
		t.Errorf("nobody did %+v", made)
	}
	w.want(400, "GET", v1+"/events?newest_first=true&before=x", w.admin, nil)
	w.want(400, "GET", v1+"/events?before=7", w.admin, nil)
	w.want(404, "GET", v1+"/events?newest_first=true&organization=nobody", w.viewer, nil)
}

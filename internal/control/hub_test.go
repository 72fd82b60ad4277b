package control_test

import (
	"fmt"
	"testing"

	"github.com/remuda-dev/remuda/internal/control"
)

// woken says whether a wake-up is there, and takes it.
func woken(s *control.Subscription) bool {
	select {
	case <-s.C:
		return true
	default:
		return false
	}
}

func countWoken(all []*control.Subscription) (n int) {
	for _, s := range all {
		if woken(s) {
			n++
		}
	}
	return n
}

func TestAWakeUpWakesAsManyAsAskedAndTheSameOnesLast(t *testing.T) {
	h := control.NewHub()
	var all []*control.Subscription
	for range 5 {
		all = append(all, h.Subscribe("class/x"))
	}
	for _, c := range []struct {
		n    int
		want []int
	}{{2, []int{0, 1}}, {2, []int{2, 3}}, {1, []int{4}}, {1, []int{0}}, {0, nil}, {7, []int{0, 1, 2, 3, 4}}, {control.Everyone, []int{0, 1, 2, 3, 4}}} {
		h.Wake("class/x", c.n)
		var got []int
		for i, s := range all {
			if woken(s) {
				got = append(got, i)
			}
		}
		same(t, fmt.Sprintf("woken by %d", c.n), c.want, got)
	}
	h.Wake("class/y", 1)
	if countWoken(all) != 0 {
		t.Error("a wake-up of another topic woke someone")
	}
}

func TestWakeUpsMerge(t *testing.T) {
	h := control.NewHub()
	s := h.Subscribe("class/x", "runner/y")
	h.Wake("class/x", 1)
	h.Wake("runner/y", control.Everyone)
	if !woken(s) || woken(s) {
		t.Error("two wake-ups are not one")
	}
}

func TestAWakeUpThatWasNotUsedIsPassedOn(t *testing.T) {
	for what, end := range map[string]func(*control.Subscription){
		"close": func(s *control.Subscription) { s.Close() },
		"leave": func(s *control.Subscription) { s.Leave("class/x") },
	} {
		t.Run(what, func(t *testing.T) {
			h := control.NewHub()
			first, second, other := h.Subscribe("class/x", "runner/1"), h.Subscribe("class/x"), h.Subscribe("class/y")
			h.Wake("class/x", 1)
			end(first)
			if !woken(second) {
				t.Error("the next one sleeps")
			}
			if woken(other) {
				t.Error("one who waits for something else is woken")
			}
			second.Close()
			if h.Wake("class/x", 1); woken(first) || woken(second) {
				t.Error("who has left is woken")
			}
			first.Close()
			other.Close()
			if h.Topics() != 0 {
				t.Errorf("%d topics are kept for nobody", h.Topics())
			}
		})
	}
}

func TestWhoJoinsTwiceIsThereOnce(t *testing.T) {
	h := control.NewHub()
	s := h.Subscribe("runner/1")
	if h.WaitsForWork() {
		t.Error("a runner that waits for orders alone waits for work")
	}
	s.Join("class/x")
	s.Join("class/x", "class/y")
	if !h.WaitsForWork() || !h.Waits("class/y") {
		t.Error("nobody waits for work")
	}
	s.Leave("class/x", "class/y", "class/z")
	if h.WaitsForWork() || h.Waits("class/x") || !h.Waits("runner/1") {
		t.Error("who has left still waits, or waits for nothing any more")
	}
	s.Close()
	s.Close()
	if h.Topics() != 0 {
		t.Errorf("%d topics are kept for nobody", h.Topics())
	}
}

// BenchmarkHub wakes one of many who wait, who then waits anew.
func BenchmarkHub(b *testing.B) {
	for _, n := range []int{100, 10000} {
		b.Run(fmt.Sprintf("waiting=%d", n), func(b *testing.B) {
			h := control.NewHub()
			all := make([]*control.Subscription, n)
			for i := range all {
				all[i] = h.Subscribe(fmt.Sprint("runner/", i), "class/x")
			}
			i := 0
			for b.Loop() {
				h.Wake("class/x", 1)
				all[i].Close()
				all[i] = h.Subscribe(fmt.Sprint("runner/", i), "class/x")
				i = (i + 1) % n
			}
		})
	}
}

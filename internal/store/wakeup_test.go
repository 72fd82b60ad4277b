package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
)

// heardTopics are the wake-ups that a store heard.
type heardTopics struct {
	mu     sync.Mutex
	topics map[string]int
}

func (h *heardTopics) hear(topic string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.topics[topic] += n
}

func (h *heardTopics) heard(topic string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.topics[topic]
}

func listening(t *testing.T, s control.Store) *heardTopics {
	h := &heardTopics{topics: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Listen(ctx, h.hear) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	until(t, "it listens", func() bool { return h.heard(control.AllTopics) != 0 })
	return h
}

func TestWakeUpsReachOtherStoresAndNotTheirOwn(t *testing.T) {
	address := postgrestest.Fresh(t)
	one, other := openPostgres(t, address), openPostgres(t, address)
	mine, theirs := listening(t, one), listening(t, other)
	many := map[string]int{"class/a": 2, "events": -1, "class/a docker  gpu ": 1}
	for n := range 1000 { // more than one notification holds
		many[fmt.Sprintf("task/%036d", n)] = -1
	}
	one.Tell(many)
	until(t, "they are heard", func() bool {
		for topic := range many {
			if theirs.heard(topic) == 0 {
				return false
			}
		}
		return true
	})
	if n := theirs.heard("class/a"); n != 2 {
		t.Errorf("%d wake-ups of a class were heard, want 2", n)
	}
	other.Tell(map[string]int{"back": 1})
	until(t, "the answer is heard", func() bool { return mine.heard("back") != 0 })
	if mine.heard("events") != 0 {
		t.Error("a store hears itself")
	}
}

// TestAWakeUpReachesOtherStoresWithinATenthOfASecond takes the quicker ones of many: whatever waits on purpose is slow each
// time, and a machine that has other things to do only at times.
func TestAWakeUpReachesOtherStoresWithinATenthOfASecond(t *testing.T) {
	address := postgrestest.Fresh(t)
	one, other := openPostgres(t, address), openPostgres(t, address)
	heard := make(chan string, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- other.Listen(ctx, func(topic string, _ int) { heard <- topic }) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for topic := range heard { // it listens
		if topic == control.AllTopics {
			break
		}
	}
	var took []time.Duration
	for n := range 41 {
		topic := fmt.Sprintf("class/%d", n)
		told := time.Now()
		one.Tell(map[string]int{topic: 1})
		for <-heard != topic {
		}
		took = append(took, time.Since(told))
	}
	slices.Sort(took)
	t.Logf("middle %s, worst %s", took[len(took)/2], took[len(took)-1])
	if quarter := took[len(took)/4]; quarter > 100*time.Millisecond {
		t.Errorf("a wake-up takes %s to another store", quarter)
	}
}

func TestAListenerWhoseConnectionEndsListensAgainAndWakesAll(t *testing.T) {
	address := postgrestest.Fresh(t)
	one, other := openPostgres(t, address), openPostgres(t, address)
	h := listening(t, other)
	before := h.heard(control.AllTopics)
	_, err := connected(t, address).Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where query = 'listen remuda'")
	if err != nil {
		t.Fatal(err)
	}
	until(t, "all are woken once more", func() bool { return h.heard(control.AllTopics) < before })
	one.Tell(map[string]int{"class/b": 1})
	until(t, "wake-ups are heard again", func() bool { return h.heard("class/b") == 1 })
}

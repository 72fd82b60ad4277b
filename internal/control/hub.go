package control

import (
	"container/list"
	"slices"
	"strings"
	"sync"
)

// hub wakes those who wait in this process. A wake-up carries no data and may be merged or lost: whoever is woken
// reads the truth. Joining, leaving and waking one cost the same however many wait.
type hub struct {
	mu      sync.Mutex
	topics  map[string]*list.List // of *subscription, who was woken longest ago first
	classes int                   // how many of the topics are classes: none, when no runner waits for work
	calls   map[string]uint64     // how often each class was called, whether or not anyone waited for it
	all     uint64                // how often everyone was
}

// subscription waits for any of its topics. C holds at most one wake-up.
type subscription struct {
	C      chan struct{}
	hub    *hub
	places map[string]*list.Element
	has    string // what a runner is capable of, in its own words
	by     string // the last topic by which it was woken
	called bool   // by a class, and has not been asked since
}

const classPrefix = "class/"

func classTopic(id string) string { return classPrefix + id }

// workTopic wakes those of a class who have the capabilities that a lane needs. They wait for the class alone.
func workTopic(class, needs string) string {
	topic := classTopic(class)
	for _, capability := range strings.Fields(needs) {
		topic += "," + capability
	}
	return topic
}

func runnerTopic(id string) string { return "runner/" + id }
func taskTopic(id string) string   { return "task/" + id }

const eventTopic = "events"

func newHub() *hub { return &hub{topics: map[string]*list.List{}, calls: map[string]uint64{}} }

// subscribe before reading, so that nothing falls between.
func (h *hub) subscribe(topics ...string) *subscription {
	s := &subscription{C: make(chan struct{}, 1), hub: h, places: map[string]*list.Element{}}
	s.join(topics...)
	return s
}

// join waits for more topics.
func (s *subscription) join(topics ...string) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for _, topic := range topics {
		if s.places[topic] != nil {
			continue
		}
		waiting := s.hub.topics[topic]
		if waiting == nil {
			waiting = list.New()
			s.hub.topics[topic] = waiting
			s.hub.count(topic, 1)
		}
		s.places[topic] = waiting.PushBack(s)
	}
}

// work waits for tasks of classes, as a runner that is capable of what it says.
func (s *subscription) work(has string, classes ...string) {
	s.hub.mu.Lock()
	s.has = has
	s.hub.mu.Unlock()
	s.join(classes...)
}

// leave waits for these topics no more. A wake-up that was not used is passed on to others who wait for them, since it
// may have been the only one.
func (s *subscription) leave(topics ...string) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for _, topic := range topics {
		s.drop(topic)
	}
	select {
	case <-s.C:
		for _, topic := range topics {
			if class, _, _ := strings.Cut(s.by, ","); class == topic && s.by != topic {
				s.hub.wakeLocked(s.by, 1)
			}
			s.hub.wakeLocked(topic, 1)
		}
	default:
	}
}

// hearing is how often classes had been called at some time.
type hearing struct {
	all     uint64
	classes []uint64
}

func (h *hub) hearing(classes []string) hearing {
	heard := hearing{all: h.all}
	for _, class := range classes {
		heard.classes = append(heard.classes, h.calls[class])
	}
	return heard
}

// rest waits for classes no more, but for the rest, and says how often they had been called. It does nothing when a
// wake-up is there.
func (s *subscription) rest(classes []string) (heard hearing, quiet bool) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if len(s.C) > 0 {
		return heard, false
	}
	for _, class := range classes {
		s.drop(class)
	}
	return s.hub.hearing(classes), true
}

// resume waits for classes again. It is false when there was a wake-up, or a call for one of them, since it rested.
func (s *subscription) resume(classes []string, heard hearing) bool {
	s.join(classes...)
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	now := s.hub.hearing(classes)
	return len(s.C) == 0 && now.all == heard.all && slices.Equal(now.classes, heard.classes)
}

// drop takes the subscription out of a topic. The answer is whether it was in it.
func (s *subscription) drop(topic string) bool {
	place := s.places[topic]
	if place == nil {
		return false
	}
	delete(s.places, topic)
	waiting := s.hub.topics[topic]
	waiting.Remove(place)
	if waiting.Len() == 0 {
		delete(s.hub.topics, topic)
		s.hub.count(topic, -1)
	}
	return true
}

// wake leaves a wake-up; one that is there already will do. Whoever took one and could not follow it up leaves it for
// close to pass on.
func (s *subscription) wake() {
	select {
	case s.C <- struct{}{}:
	default:
	}
}

// forWork says, once, whether it was woken for a task that a runner may claim.
func (s *subscription) forWork() bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	work := s.called
	s.called = false
	return work
}

// close ends the subscription.
func (s *subscription) close() {
	s.hub.mu.Lock()
	topics := make([]string, 0, len(s.places))
	for topic := range s.places {
		topics = append(topics, topic)
	}
	s.hub.mu.Unlock()
	s.leave(topics...)
}

// wake wakes n of those who wait for topic, or everyone; the ones that were woken go to the back of the line. The answer
// is how many they are.
func (h *hub) wake(topic string, n int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.wakeLocked(topic, n)
}

// wakeAll wakes everyone, whatever they wait for.
func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all++
	for topic, waiting := range h.topics {
		h.wakeLocked(topic, everyone)
		for one := waiting.Front(); one != nil; one = one.Next() {
			one.Value.(*subscription).called = false // nobody knows of any work
		}
	}
}

func (h *hub) wakeLocked(topic string, n int) (woken int) {
	place, needs, _ := strings.Cut(topic, ",")
	if strings.HasPrefix(place, classPrefix) {
		h.calls[place]++
	}
	waiting := h.topics[place]
	if waiting == nil {
		return 0
	}
	if n == everyone || n > waiting.Len() {
		n = waiting.Len()
	}
	next := waiting.Front()
	for left := waiting.Len(); left > 0 && woken < n; left-- {
		one := next
		next = one.Next()
		s := one.Value.(*subscription)
		if needs != "" && len(lacking(strings.ReplaceAll(needs, ",", " "), s.has)) > 0 {
			continue
		}
		s.by = topic
		s.called = s.called || strings.HasPrefix(place, classPrefix)
		s.wake()
		waiting.MoveToBack(one)
		woken++
	}
	return woken
}

// waits says whether anyone waits for topic.
func (h *hub) waits(topic string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.topics[topic] != nil
}

// waitsForWork says whether any runner waits for a task.
func (h *hub) waitsForWork() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.classes > 0
}

func (h *hub) count(topic string, by int) {
	if strings.HasPrefix(topic, classPrefix) {
		h.classes += by
	}
}

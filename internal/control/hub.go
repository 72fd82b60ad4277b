package control

import "sync"

// hub wakes those who wait in this process. A wake-up carries no data and may be merged or lost: whoever is woken
// reads the truth.
type hub struct {
	mu     sync.Mutex
	topics map[string][]*subscription
}

// subscription waits for any of its topics. C holds at most one wake-up.
type subscription struct {
	C      chan struct{}
	hub    *hub
	topics []string
}

func classTopic(id string) string  { return "class/" + id }
func runnerTopic(id string) string { return "runner/" + id }
func taskTopic(id string) string   { return "task/" + id }

const eventTopic = "events"

func newHub() *hub { return &hub{topics: map[string][]*subscription{}} }

// subscribe before reading, so that nothing falls between.
func (h *hub) subscribe(topics ...string) *subscription {
	s := &subscription{C: make(chan struct{}, 1), hub: h, topics: topics}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, topic := range topics {
		h.topics[topic] = append(h.topics[topic], s)
	}
	return s
}

// wake wakes n of those who wait for topic, or everyone; the ones that were woken go to the back of the line.
func (h *hub) wake(topic string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	waiting := h.topics[topic]
	if n == everyone || n > len(waiting) {
		n = len(waiting)
	}
	if n <= 0 {
		return
	}
	for _, s := range waiting[:n] {
		select {
		case s.C <- struct{}{}:
		default: // it is awake already
		}
	}
	if n < len(waiting) {
		h.topics[topic] = append(append(make([]*subscription, 0, len(waiting)), waiting[n:]...), waiting[:n]...)
	}
}

// waits says whether anyone waits for topic.
func (h *hub) waits(topic string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.topics[topic]) > 0
}

// close ends the subscription. A wake-up that it did not use is passed on, since it may have been the only one.
func (s *subscription) close() {
	s.hub.mu.Lock()
	for _, topic := range s.topics {
		rest := make([]*subscription, 0, len(s.hub.topics[topic]))
		for _, other := range s.hub.topics[topic] {
			if other != s {
				rest = append(rest, other)
			}
		}
		if len(rest) == 0 {
			delete(s.hub.topics, topic)
		} else {
			s.hub.topics[topic] = rest
		}
	}
	s.hub.mu.Unlock()
	select {
	case <-s.C:
		for _, topic := range s.topics {
			s.hub.wake(topic, 1)
		}
	default:
	}
}

package control

import (
	"context"
	"strings"
	"time"
)

// Planes over one store tell each other whom they woke. What a plane does by itself it also does when it hears of it;
// nothing depends on hearing, since a wake-up may be lost.
const (
	freedPrefix  = "freed/"  // a task has ended, and there may be room under a limit
	followPrefix = "follow/" // someone follows a task's output

	followedFor = 2 * pollEvery // how long that holds
)

// wake wakes those who wait for a topic here, and the others' on other planes.
func (p *Plane) wake(topic string, n int) {
	told := map[string]int{}
	p.wakeHere(topic, n, told)
	p.store.Tell(told)
}

// wakeHere wakes those who wait for a topic here, and notes what is left for other planes: all of it, unless it is for
// so many of a class.
func (p *Plane) wakeHere(topic string, n int, told map[string]int) {
	woken := p.hub.wake(topic, n)
	switch {
	case n == everyone || !strings.HasPrefix(topic, classPrefix):
		told[topic] = everyone
	case woken < n:
		told[topic] = n - woken
	}
}

// listen hears what other planes tell, until ctx ends.
func (p *Plane) listen(ctx context.Context) {
	if err := p.store.Listen(ctx, p.hear); err != nil && ctx.Err() == nil {
		p.log.Error("listen to other planes; the slow poll does their work", "err", err)
	}
}

func (p *Plane) hear(topic string, n int) {
	if topic == AllTopics {
		p.hub.wakeAll()
		return
	}
	if task, is := strings.CutPrefix(topic, followPrefix); is {
		p.mu.Lock()
		p.followed[task] = time.Now().Add(followedFor)
		p.mu.Unlock()
		return
	}
	if freed, is := strings.CutPrefix(topic, freedPrefix); is {
		if parts := strings.Split(freed, "/"); len(parts) == 4 && p.hub.waitsForWork() {
			select {
			case p.freed <- TaskRow{OrganizationID: parts[0], ProjectID: parts[1], ClassID: parts[2], GroupID: parts[3]}:
			default: // the slow poll does it
			}
		}
		return
	}
	p.hub.wake(topic, n)
}

// freedTopic says under whose limits there is room.
func freedTopic(t TaskRow) string {
	return freedPrefix + t.OrganizationID + "/" + t.ProjectID + "/" + t.ClassID + "/" + t.GroupID
}

// following tells everybody that a task's output is followed.
func (p *Plane) following(task string) {
	p.store.Tell(map[string]int{followPrefix + task: everyone})
}

// isFollowed says whether someone waits for a task's output, here or at another plane.
func (p *Plane) isFollowed(task string) bool {
	if p.hub.waits(taskTopic(task)) {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Before(p.followed[task])
}

// forgetFollowed drops what was heard long ago.
func (p *Plane) forgetFollowed() {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for task, until := range p.followed {
		if now.After(until) {
			delete(p.followed, task)
		}
	}
}

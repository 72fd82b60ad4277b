package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/time/rate"

	"github.com/remuda-dev/remuda/internal/control"
)

const (
	wakeupChannel = "remuda"
	// A notification locks out all others while it commits, so in the long run there is one for all that were told in this
	// time. Of what happens to one task a few may follow each other at once.
	tellEvery    = 5 * time.Millisecond
	tellAtOnce   = 4
	mostTold     = 7000 // bytes of one notification, of which PostgreSQL takes 7999
	mostTopics   = 2000 // in one round; more are told as all
	reconnectMax = 2 * time.Second
)

// wakeups hands wake-ups to the other planes on a database, and hears theirs. Each way has a connection of its own.
type wakeups struct {
	config *pgx.ConnConfig
	self   string // in each notification, so that nobody hears itself
	stop   context.CancelFunc
	done   chan struct{}
	signal chan struct{}
	pace   *rate.Limiter // of notifications

	mu     sync.Mutex
	topics map[string]int
}

func startWakeups(config *pgx.ConnConfig) *wakeups {
	ctx, stop := context.WithCancel(context.Background())
	w := &wakeups{
		config: config.Copy(), self: uuid.NewString(), stop: stop,
		done: make(chan struct{}), signal: make(chan struct{}, 1), topics: map[string]int{},
		pace: rate.NewLimiter(rate.Every(tellEvery), tellAtOnce),
	}
	go w.run(ctx) // ends in close
	return w
}

func (w *wakeups) close() {
	w.stop()
	<-w.done
}

// tell leaves wake-ups for the next notification.
func (w *wakeups) tell(topics map[string]int) {
	w.mu.Lock()
	for topic, n := range topics {
		if known := w.topics[topic]; n < 0 || known < 0 {
			w.topics[topic] = -1
		} else {
			w.topics[topic] = known + n
		}
	}
	if len(w.topics) > mostTopics {
		w.topics = map[string]int{control.AllTopics: -1}
	}
	w.mu.Unlock()
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

func (w *wakeups) take() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	topics := w.topics
	w.topics = map[string]int{}
	return topics
}

// run notifies until ctx ends. What cannot be told is told as all when the database is back.
func (w *wakeups) run(ctx context.Context) {
	defer close(w.done)
	for wait := time.Duration(0); ctx.Err() == nil; wait = longer(wait) {
		if !pause(ctx, wait) {
			return
		}
		conn, err := connectAlone(ctx, w.config)
		if err != nil {
			continue
		}
		for wait = 0; err == nil; {
			err = w.notify(ctx, conn)
		}
		_ = conn.Close(context.WithoutCancel(ctx)) // it is broken, or we end
		w.tell(map[string]int{control.AllTopics: -1})
	}
}

// notify tells once, at once when there was little to tell for a while.
func (w *wakeups) notify(ctx context.Context, conn *pgx.Conn) error {
	idle := time.NewTimer(checkEvery)
	defer idle.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-idle.C:
		return conn.Ping(ctx)
	case <-w.signal:
	}
	if err := w.pace.Wait(ctx); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, statementWithin)
	defer cancel()
	batch := &pgx.Batch{}
	for _, payload := range payloads(w.self, w.take()) {
		batch.Queue("select pg_notify($1, $2)", wakeupChannel, payload)
	}
	if batch.Len() == 0 {
		return nil
	}
	return conn.SendBatch(within, batch).Close()
}

// payloads write down topics: who tells, then a line for each.
func payloads(self string, topics map[string]int) []string {
	var all []string
	var text strings.Builder
	for topic, n := range topics {
		line := "\n" + topic + " " + strconv.Itoa(n)
		if text.Len() > 0 && text.Len()+len(line) > mostTold {
			all = append(all, text.String())
			text.Reset()
		}
		if text.Len() == 0 {
			text.WriteString(self)
		}
		text.WriteString(line)
	}
	if text.Len() > 0 {
		all = append(all, text.String())
	}
	return all
}

// heard reads a payload; what is no wake-up is from another version.
func (w *wakeups) heard(payload string, hear func(string, int)) {
	lines := strings.Split(payload, "\n")
	if lines[0] == w.self {
		return
	}
	for _, line := range lines[1:] {
		end := strings.LastIndexByte(line, ' ') // a topic may have spaces of its own
		if end < 0 {
			continue
		}
		if n, err := strconv.Atoi(line[end+1:]); err == nil {
			hear(line[:end], n)
		}
	}
}

// listen hears until ctx ends.
func (w *wakeups) listen(ctx context.Context, hear func(string, int)) error {
	for wait := time.Duration(0); ctx.Err() == nil; wait = longer(wait) {
		if !pause(ctx, wait) {
			return nil
		}
		conn, err := connectAlone(ctx, w.config)
		if err != nil {
			continue
		}
		if _, err = conn.Exec(ctx, "listen "+wakeupChannel); err == nil {
			wait = 0
			hear(control.AllTopics, -1) // some may have been lost before
		}
		for err == nil {
			err = w.hearOne(ctx, conn, hear)
		}
		_ = conn.Close(context.WithoutCancel(ctx)) // it is broken, or we end
	}
	return nil
}

// hearOne waits for a notification, and now and then sees that the connection still is one.
func (w *wakeups) hearOne(ctx context.Context, conn *pgx.Conn, hear func(string, int)) error {
	within, cancel := context.WithTimeout(ctx, checkEvery)
	defer cancel()
	told, err := conn.WaitForNotification(within)
	if err == nil {
		w.heard(told.Payload, hear)
		return nil
	}
	if ctx.Err() != nil || within.Err() == nil {
		return fmt.Errorf("listen: %w", err)
	}
	trying, done := context.WithTimeout(ctx, connectWithin)
	defer done()
	return conn.Ping(trying)
}

// pause waits, and says whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func longer(wait time.Duration) time.Duration {
	return min(max(2*wait, 50*time.Millisecond), reconnectMax)
}

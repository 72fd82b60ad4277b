package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/aside"
	"github.com/remuda-dev/remuda/internal/together"
)

// The times of the rules; docs/operate.md explains them to operators.
const (
	silentAfter      = 30 * time.Second   // a runner is called silent, an attempt that has not begun is taken from it
	lostRunnerAfter  = 12 * time.Hour     // a silent runner is called lost
	runnerLife       = 7 * 24 * time.Hour // how long one that has gone is still known
	holdBusy         = 10 * time.Second   // how long a sync is held while the runner holds claims
	holdIdle         = 50 * time.Second   // and while it does not, at most; up to a fifth less, by the runner
	lateReports      = time.Hour          // how long an ended claim may still append its own output
	signEvery        = 5 * time.Second    // a sign of life is written down at most so often a claim
	keyLife          = 24 * time.Hour     // how long an idempotency key is remembered
	sweepEvery       = time.Second
	sweepGap         = 5 * time.Second // sweeps that lie further apart say that no sign could be taken
	forgetEvery      = time.Minute
	busySilentAfter  = max(silentAfter, holdBusy+overdueSync)
	overdueSync      = 15 * time.Second // how much later than its hold's end a runner's next sync may come
	pollEvery        = 5 * time.Second  // the slow poll behind the wake-ups
	defaultLostAfter = remuda.Duration(10 * time.Minute)
)

// maxSyncing is how many syncs arrive or look at once: as many as one batch of a store's writer takes. More wait, with
// stacks that are still small.
const maxSyncing = 256

// Keys encrypts what must not lie open in the store, and signs.
type Keys interface {
	// Encrypt and Decrypt bind plain to its place, such as "jobs/<id>/secrets".
	Encrypt(plain []byte, place string) ([]byte, error)
	Decrypt(sealed []byte, place string) ([]byte, error)
	// MAC is a keyed hash of message for one purpose.
	MAC(purpose, message string) []byte
}

// Options are what a Plane is made of.
type Options struct {
	Store       Store
	Keys        Keys
	Log         *slog.Logger
	OutputLimit int64  // bytes of output kept of an attempt; 64 MiB when 0
	Version     string // of the program; what is not a release works with every runner
	Retention   Retention
	Clock       func() time.Time // the clock on the wall, which may be set; time.Now when nil
	IdleHold    time.Duration    // how long an idle runner's sync is held, at most; 50 s when 0
}

// Plane is the control plane's rules over one store. Any number of them may share a store.
type Plane struct {
	store       Store
	keys        Keys
	log         *slog.Logger
	hub         *hub
	outputLimit int64
	version     string
	clock       func() time.Time
	holdIdle    time.Duration

	mu    sync.Mutex
	syncs map[string]*heldSync // the one open sync of each runner
	away  map[string]bool      // parts of the store whose last write failed
	since Micros               // since when signs could be taken without a gap

	followed map[string]time.Time // tasks whose output is followed at other planes, and until when that holds
	freed    chan TaskRow         // tasks that other planes have ended, of which there may be room under a limit

	waited    map[string]wait    // what each runner's last sync here waited for
	arrivals  map[string]arrival // what runners said of themselves here just now
	lettingGo bool               // no sync is held any more

	resting map[string]resting // runners between two idle syncs
	seen    map[string]Micros  // when runners arrived, as far as that is not written down

	recognized recognized
	activities activities

	crew    aside.Crew // does what held syncs need of the store
	endings *together.Group[*ending]

	retention Retention
	kept      keeping
}

// New makes a Plane; Run must run beside it.
func New(o Options) *Plane {
	limit := o.OutputLimit
	if limit == 0 {
		limit = 64 << 20
	}
	clock := o.Clock
	if clock == nil {
		clock = time.Now
	}
	hold := o.IdleHold
	if hold == 0 || hold > holdIdle {
		hold = holdIdle
	}
	p := &Plane{
		store: o.Store, keys: o.Keys, log: o.Log, hub: newHub(), outputLimit: limit, version: o.Version, clock: clock, holdIdle: hold,
		syncs: map[string]*heldSync{}, away: map[string]bool{}, since: micros(clock()),
		followed: map[string]time.Time{}, freed: make(chan TaskRow, 64),
		waited: map[string]wait{}, arrivals: map[string]arrival{}, resting: map[string]resting{}, seen: map[string]Micros{}, crew: aside.NewCrew(maxSyncing),
		retention: o.Retention,
	}
	p.endings = together.New(endingsAtOnce, endingsTogether, p.carryOutEndings)
	return p
}

// Ready says whether the store can be used.
func (p *Plane) Ready(ctx context.Context) error {
	err := p.store.Read(ctx, func(v View) error {
		_, err := v.Waiting(ctx, "")
		return err
	})
	if err != nil {
		return &remuda.Error{Kind: remuda.Unavailable, Detail: "the store cannot be read", Cause: err}
	}
	return p.tryWriting(ctx)
}

// Run sweeps what only time brings about, and hears what other planes tell, until ctx ends.
func (p *Plane) Run(ctx context.Context) error {
	var hearing sync.WaitGroup
	defer hearing.Wait()
	hearing.Go(func() { p.listen(ctx) })
	hearing.Go(func() { p.tend(ctx) })
	sweep, poll, forget := time.NewTicker(sweepEvery), time.NewTicker(pollEvery), time.NewTicker(forgetEvery)
	defer sweep.Stop()
	defer poll.Stop()
	defer forget.Stop()
	last := p.now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-sweep.C:
			_ = p.noteSeen(ctx) // noteStore tells that the store is away
			last = p.sweepSince(ctx, last)
		case <-poll.C:
			p.poll(ctx)
		case task := <-p.freed:
			p.wakeLimited(ctx, task)
		case <-forget.C:
			p.forgetWaited()
			p.forgetResting()
			p.recognized.forgetOld()
			p.forgetFollowed()
			if err := p.forget(ctx); err != nil && ctx.Err() == nil {
				p.log.Error("forget what is old", "err", err)
			}
		}
	}
}

// now is the present of this plane's clock, as the store keeps it.
func (p *Plane) now() Micros { return micros(p.clock()) }

// sweepSince sweeps, and answers when it did. A plane that was stopped, or whose store could not be read or written, took
// no signs: that time does not count. It goes by the clock on the wall, which runs while the machine sleeps. What it sweeps is
// silent at the moment that was looked at for a gap: a process that is stopped right after would know of none.
func (p *Plane) sweepSince(ctx context.Context, last Micros) Micros {
	now := p.now()
	if isGap(last, now) {
		p.restartSigns(now)
	}
	if p.couldNotWrite(ctx) {
		p.restartSigns(p.now())
	}
	if err := p.sweep(ctx, now); err != nil {
		if ctx.Err() == nil {
			p.log.Error("sweep", "err", err)
		}
		p.restartSigns(p.now())
	}
	return now
}

// isGap says that a process was stopped from one moment to another, or that the clock was set meanwhile.
func isGap(from, to Micros) bool {
	return to < from || to > from.after(sweepGap)
}

func (p *Plane) restartSigns(now Micros) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = now
}

func (p *Plane) signsSince() Micros {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since
}

// poll wakes one runner for each class in which tasks wait: a wake-up may have been lost. If it finds a task and leaves
// others, it wakes the next.
func (p *Plane) poll(ctx context.Context) {
	var waiting []LaneKey
	err := p.store.Read(ctx, func(v View) (err error) {
		waiting, err = v.Waiting(ctx, "")
		return err
	})
	if err != nil {
		return // sweep logs that the store is away
	}
	for _, lane := range waiting {
		p.hub.wake(workTopic(lane.ClassID, lane.Capabilities), 1)
	}
}

// transition is one transaction with the wake-ups that it owes once it is durable.
type transition struct {
	Tx
	now     Micros
	actor   string
	address string // the actor's
	wakes   map[string]int
	freed   []TaskRow // those that run no more
}

const everyone = -1

func (t *transition) wake(topic string, n int) {
	if n == everyone || t.wakes[topic] == everyone {
		t.wakes[topic] = everyone
		return
	}
	t.wakes[topic] += n
}

// event writes down what happened, in the transaction that made it happen.
func (t *transition) event(ctx context.Context, kind, organization, subject, detail string) error {
	t.wake(eventTopic, everyone)
	return t.Insert(ctx, &EventRow{
		Type: kind, OrganizationID: organization, Subject: subject, Actor: t.actor, Detail: detail, At: t.now, Address: t.address,
	})
}

// noteStore remembers whether a part of the store took the last write, and tells the operator when that changes.
func (p *Plane) noteStore(part string, err error) {
	var e *remuda.Error
	away := errors.As(err, &e) && e.Kind == remuda.Unavailable && e.Cause != nil // without a cause, we are stopping
	p.mu.Lock()
	changed := p.away[part] != away
	if away {
		p.away[part] = true
	} else {
		delete(p.away, part)
	}
	p.mu.Unlock()
	switch {
	case changed && away:
		p.log.Error("the store takes no writes; what needs one is refused until it does", "part", part, "err", err)
	case changed:
		p.log.Info("the store takes writes again", "part", part)
	}
}

// couldNotWrite says whether the last write of tasks failed, and with it maybe a sign of life. A full disk is read as
// always, so nothing else tells. It tries once more: where all are silent nobody else does, and nothing would be swept
// ever again.
func (p *Plane) couldNotWrite(ctx context.Context) bool {
	p.mu.Lock()
	away := p.away["tasks"]
	p.mu.Unlock()
	if away {
		_ = p.tryWriting(ctx) // noteStore tells what came of it
	}
	return away
}

// tryWriting writes and takes back a row when the last write failed.
func (p *Plane) tryWriting(ctx context.Context) error {
	p.mu.Lock()
	away := len(p.away) > 0
	p.mu.Unlock()
	if !away {
		return nil
	}
	return p.writeIn(ctx, Beside, "system", func(t *transition) error {
		row := SubmissionKeyRow{ID: newID(), Request: make([]byte, 4096)}
		if err := t.Insert(ctx, &row); err != nil {
			return err
		}
		return t.Delete(ctx, &row)
	})
}

// write carries out one transition while no other is under way, and wakes whom it concerns.
func (p *Plane) write(ctx context.Context, actor string, change func(*transition) error) error {
	return p.writeIn(ctx, Alone, actor, change)
}

// writeIn carries out a transition beside others.
func (p *Plane) writeIn(ctx context.Context, scope Scope, actor string, change func(*transition) error) error {
	var done *transition
	err := p.store.Write(ctx, scope, func(tx Tx) error {
		done = &transition{Tx: tx, now: p.now(), actor: actor, wakes: map[string]int{}}
		return change(done)
	})
	p.noteStore("tasks", err)
	if err != nil {
		return err
	}
	told := map[string]int{}
	for topic, n := range done.wakes {
		p.wakeHere(topic, n, told)
	}
	for _, task := range done.freed {
		told[freedTopic(task)] = everyone
	}
	p.store.Tell(told)
	for _, task := range done.freed {
		if p.hub.waitsForWork() {
			p.wakeLimited(context.WithoutCancel(ctx), task)
		}
	}
	return nil
}

// newID makes ids that sort by the time at which they were made.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// firstIDOf is an id that comes before all that are made at a time or later; empty for no time. An id begins with the
// milliseconds of its time (RFC 9562, section 5.7), so what is newest can be found without looking at the rest.
func firstIDOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	ms := uint64(max(0, t.UnixMilli()))
	return fmt.Sprintf("%08x-%04x-7000-8000-000000000000", ms>>16, ms&0xffff)
}

// orAbsent says in words what was not found.
func orAbsent(err error, noun, name string) error {
	if errors.Is(err, remuda.NotFound) {
		return absent(noun, name)
	}
	return err
}

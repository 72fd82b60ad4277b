package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/runner"
)

// world is one run of one seed.
type world struct {
	t        *testing.T
	plan     plan
	town     town
	mutation mutation
	ledger   *ledger
	order    order
	shed     *shed // nil: output has no bucket
	site     *site
	hosts    []*host
	root     person
	began    time.Time

	ctx        context.Context // of everything; ends with the run
	stop       context.CancelFunc
	background sync.WaitGroup
	trouble    atomic.Bool
	closing    atomic.Bool // no runner starts any more

	mu     sync.Mutex
	tokens map[string]remuda.Token // class tokens as they are now
	lines  []string
}

// patience is how long tasks may take once trouble is over: a half-open request, the silence of a runner that is lost,
// four attempts of which each is lost, and the work itself.
const patience = 40 * time.Minute

// simulate runs a plan, with a rule broken by mutation, and gives what did not hold. It is called in a bubble.
func simulate(t *testing.T, f *folder, p plan, m mutation) (found []broken, notes string) {
	t.Helper()
	defer func() {
		if fault := recover(); fault != nil {
			t.Errorf("seed %d: %s", p.seed, replay(p.seed))
			panic(fault)
		}
	}()
	if err := f.settle(context.Background()); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, plan: p, town: f.town, mutation: m, began: time.Now(), tokens: map[string]remuda.Token{}}
	w.ctx, w.stop = context.WithCancel(context.Background())
	w.ledger, w.root = newLedger(w), w.person("root")
	held := control.Store(f.held)
	if !overPostgres() { // there, one that waits for a lock would have time stand still for him who has it
		held = takeTurns(f.held, newDisk(p))
	}
	w.furnish(f)
	w.run(held)
	w.stop()
	w.background.Wait()
	synctest.Wait() // nothing of it is under way in the next one's folder
	if !w.ledger.isEnough() {
		w.audit(held)
	}
	return w.ledger.found(), w.notes()
}

// run is trouble, then peace until all tasks have ended, then the end of the runners.
func (w *world) run(held control.Store) {
	w.site = newSite(w, held)
	if w.mutation.store != nil {
		w.site.store = w.mutation.store(held)
	}
	w.readLimits(held)
	w.trouble.Store(true)
	for n := range w.plan.replicas {
		w.site.start(n)
	}
	for n := range w.plan.hosts {
		w.hosts = append(w.hosts, w.newHost(n, stream(w.plan.seed, "host", strconv.Itoa(n))))
	}
	for _, h := range w.hosts {
		h.start()
	}
	busy, rest := context.WithTimeout(w.ctx, w.plan.trouble)
	defer rest()
	var submitting sync.WaitGroup
	for n := range w.plan.submitters {
		submitting.Go(func() { w.person("submitter " + strconv.Itoa(n)).submits(w.ctx) })
	}
	w.background.Go(func() { w.person("meddler").meddles(busy) })
	if w.plan.reads {
		w.background.Go(func() { w.person("reader").follows(w.ctx) })
	}
	w.background.Go(w.watch)
	w.strikes(busy)
	<-busy.Done()
	w.makePeace()
	submitting.Wait()
	w.awaitEnds()
	w.drainAll()
}

// strikes breaks one thing after the other.
func (w *world) strikes(ctx context.Context) {
	if len(w.plan.strikes) == 0 {
		return
	}
	w.background.Go(func() {
		r := stream(w.plan.seed, "strikes")
		for pause(ctx, between(r, w.plan.every/2, w.plan.every*2)) {
			kind := one(r, w.plan.strikes)
			w.note("strike: %s", kind)
			kind.act(ctx, w, r)
		}
	})
}

// makePeace ends all trouble: from now on everything that should go on does.
func (w *world) makePeace() {
	w.trouble.Store(false)
	close(w.site.peace)
	w.site.hasRoom()
	w.note("peace;%s", w.ledger.states())
	for n := range w.plan.replicas {
		w.site.start(n)
	}
	for _, h := range w.hosts {
		h.line.cut.Store(false)
		h.start()
	}
	w.background.Go(func() {
		for _, runner := range w.ledger.pausedRunners() {
			_, _ = insist(w.ctx, w.root, "resume", func(ctx context.Context, d control.UserDoor) (remuda.Runner, error) {
				return d.PauseRunner(ctx, runner, false)
			})
		}
		for pause(w.ctx, 10*time.Second) { // those that drain leave, and others come
			for _, h := range w.hosts {
				h.renew()
				h.start()
			}
		}
	})
}

// awaitEnds waits until all tasks have ended.
func (w *world) awaitEnds() {
	long := patience
	if w.mutation.rule != "" && w.mutation.rule != everEnds {
		long /= 8 // what is broken may keep them from it, and shows in another way
	}
	limit := time.Now().Add(long)
	for pause(w.ctx, time.Second) {
		left := w.ledger.unfinished()
		if len(left) == 0 {
			w.note("all tasks have ended")
			return
		}
		if time.Now().After(limit) {
			w.ledger.isBroken(everEnds, "%d tasks have not ended %s after the last trouble: %v", len(left), long, left)
			return
		}
	}
}

// drainAll ends the runners as their operators would.
func (w *world) drainAll() {
	pause(w.ctx, 2*time.Second)
	w.closing.Store(true)
	limit := time.Now().Add(patience)
	for _, h := range w.hosts {
		l := h.living()
		if l == nil {
			continue
		}
		l.Drain()
		select {
		case <-l.ended:
		case <-w.ctx.Done():
		case <-time.After(time.Until(limit)):
			w.ledger.isBroken(everEnds, "%s does not end its runner", h.name)
		}
	}
}

// watch looks for idlers, once all runners had the time to notice what was broken.
func (w *world) watch() {
	const settling = 100 * time.Second // a half-open request, and the longest wait before the next
	calm := w.began
	for pause(w.ctx, time.Second) {
		if w.troubled() {
			calm = time.Now().Add(settling)
		}
		if time.Now().After(calm) {
			w.ledger.lookForIdlers()
		} else {
			w.ledger.forgetIdlers()
		}
	}
}

// troubled is true while things break.
func (w *world) troubled() bool {
	return w.trouble.Load() && (len(w.plan.faults) > 0 || len(w.plan.strikes) > 0)
}

func (w *world) isOver() bool { return w.ctx.Err() != nil }

func (w *world) tokenOf(class string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if token := w.tokens[class].Token; token != "" {
		return token
	}
	return w.town.tokens[class]
}

func (w *world) readLimits(held control.Store) {
	err := held.Read(context.Background(), func(v control.View) error {
		all := control.Span{Limit: 100}
		organizations, err := v.Organizations(context.Background(), "", all)
		if err != nil {
			return err
		}
		var projects []control.ProjectRow
		for _, o := range organizations {
			more, err := v.Projects(context.Background(), o.ID, all)
			if err != nil {
				return err
			}
			projects = append(projects, more...)
		}
		classes, err := v.Classes(context.Background(), control.ClassQuery{Span: all})
		w.ledger.limitsOf(organizations, projects, classes)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// note writes down what happened, for whoever looks at a failure.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf("%12s ", time.Since(w.began))+fmt.Sprintf(format, args...))
}

const lastNotes = 600

func (w *world) notes() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.lines
	if len(lines) > lastNotes && os.Getenv("REMUDA_NOTES") == "" {
		lines = lines[len(lines)-lastNotes:]
	}
	return strings.Join(lines, "\n")
}

// log takes what planes and runners log into the notes, when REMUDA_NOTES asks for it.
func (w *world) log() *slog.Logger {
	if os.Getenv("REMUDA_NOTES") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(noteWriter{w}, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

type noteWriter struct{ w *world }

// Write is one line of a log.
func (n noteWriter) Write(line []byte) (int, error) {
	n.w.note("  %s", strings.TrimSpace(string(line)))
	return len(line), nil
}

// replay is how to see a seed again.
func replay(seed uint64) string {
	return fmt.Sprintf("replay it with: REMUDA_SEED=%d REMUDA_NOTES=1 go test ./internal/simulation -run TestNothingIsLost -count=1", seed)
}

// executor is the one that runners of a host have: the host, unless a mutation spoils it.
func (w *world) executor(h *host) runner.Executor {
	if w.mutation.executor != nil {
		return w.mutation.executor(h)
	}
	return h
}

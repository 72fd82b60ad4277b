package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// sight is what is known of a block that is followed. Whoever is woken reads it.
type sight struct {
	mu    sync.Mutex
	block remuda.Block
	runs  map[string]remuda.BlockRun
	woken chan struct{}
}

// told takes what a follower is told.
func (s *sight) told(f client.FollowedBlock) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Block != nil {
		s.block = *f.Block
	}
	if f.Run != nil {
		s.runs[f.Run.ID] = *f.Run
	}
	select {
	case s.woken <- struct{}{}:
	default:
	}
	return nil
}

// now is the block with the run of an id, when that is known.
func (s *sight) now(run string) (remuda.Block, remuda.BlockRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.block, s.runs[run]
}

// blockWatch shows a block and its runs until it rests: nothing of it runs any more, or it waits for somebody.
type blockWatch struct {
	p         *program
	u         *client.User
	sight     *sight
	wanted    string // the run that was asked for; whichever comes when empty
	approving bool   // whoever watches approves: nobody needs to be told how
	fresh     string // the run that was there when the watch began, and belongs to it
	shown     map[string]bool
	said      remuda.BlockStatus
	last      remuda.BlockRun // the last one that was shown
}

// newBlockWatch watches a block, and of its runs the one that was asked for when there is one.
func newBlockWatch(p *program, u *client.User, b remuda.Block, run string) *blockWatch {
	w := &blockWatch{
		p: p, u: u, wanted: run, fresh: run, shown: map[string]bool{},
		sight: &sight{block: b, runs: map[string]remuda.BlockRun{}, woken: make(chan struct{}, 1)},
	}
	if run == "" && moving(b) {
		w.fresh = max(b.LatestRun, b.LatestDryRun) // ids ascend
	}
	return w
}

// watchBlock shows a block until it rests. The first ^C aborts its run and waits for the end, the second leaves at once.
func (p *program) watchBlock(ctx context.Context, u *client.User, b remuda.Block, run string) error {
	signals, stop := listen()
	defer stop()
	err := newBlockWatch(p, u, b, run).until(ctx, signals)
	if errors.Is(err, errForced) {
		return failure{exitInterrupted, nil}
	}
	return err
}

// until is watchBlock with signals that are listened to already. It returns errForced after the second one.
func (w *blockWatch) until(ctx context.Context, signals <-chan os.Signal) error {
	ctx, force := context.WithCancelCause(ctx)
	defer force(nil)
	b, _ := w.sight.now("")
	ended := make(chan error, 1)
	go func() { ended <- w.watch(ctx, b.ID) }()
	interrupted := false
	var aborting sync.WaitGroup
	defer aborting.Wait()
	for {
		select {
		case <-signals:
			if interrupted {
				force(errForced)
				continue
			}
			interrupted = true
			fmt.Fprintln(w.p.stderr, "\nremuda: aborting; interrupt again to leave at once")
			aborting.Go(func() { w.abort(ctx, b, force) })
		case err := <-ended:
			if interrupted && !errors.Is(err, errForced) {
				return failure{exitInterrupted, nil}
			}
			return err
		}
	}
}

// abort aborts what runs. Where nothing may be seen that could be aborted, the watch ends.
func (w *blockWatch) abort(ctx context.Context, b remuda.Block, force context.CancelCauseFunc) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	run, err := liveRun(ctx, w.u, b)
	if err == nil {
		_, err = w.u.AbortRun(ctx, run.ID)
	}
	if err != nil {
		w.p.complain(fmt.Errorf("abort the run of %s: %w", b.Name, err))
		force(errForced)
	}
}

// moving says whether something of a block is under way.
func moving(b remuda.Block) bool {
	switch {
	case b.Lifecycle == remuda.LifecycleDeleted:
		return false
	case b.Status == remuda.BlockPending || b.Status == remuda.BlockInProgress:
		return true
	}
	return b.Lifecycle == remuda.LifecycleDeleting && b.Status == remuda.BlockSucceeded
}

func (w *blockWatch) watch(ctx context.Context, id string) error {
	following, stop := context.WithCancel(ctx)
	followed := make(chan error, 1)
	go func() { followed <- w.u.FollowBlock(following, id, w.sight.told) }()
	left, err := w.untilRest(ctx, followed)
	stop()
	if left {
		_ = <-followed // ended by stop
	}
	if err != nil {
		return err
	}
	return w.ending(ctx, id)
}

// lookAgain is how often a block is looked at of which nothing is told: the run that is waited for may not be its latest.
const lookAgain = 5 * time.Second

// untilRest looks whenever something changed. It may leave the follower following.
func (w *blockWatch) untilRest(ctx context.Context, followed <-chan error) (left bool, err error) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		select {
		case <-w.sight.woken:
		case <-again.C:
		case err := <-followed:
			return false, err
		}
		rests, err := w.look(ctx)
		if err != nil || rests {
			return true, err
		}
	}
}

// look shows what is new, and says whether the block rests.
func (w *blockWatch) look(ctx context.Context) (rests bool, err error) {
	b, _ := w.sight.now("")
	for _, id := range []string{w.wanted, b.LatestRun, b.LatestDryRun} {
		run, err := w.run(ctx, id)
		if err != nil {
			return false, err
		}
		if id == "" || w.shown[id] || run.Status.Ended() && id != w.fresh || run.Task == "" && run.Status != remuda.RunInProgress {
			continue // or it waits for the run before
		}
		if run.Task == "" {
			w.last = run
			w.p.byHand(b, run)
			return true, nil
		}
		w.shown[id] = true
		task, err := w.u.Task(ctx, run.Task)
		if err != nil {
			return false, err
		}
		if _, err := w.p.watchOne(ctx, w.u, task, newScreen(w.p, "")); err != nil {
			return false, err
		}
		w.last = run
	}
	b, _ = w.sight.now("")
	if w.wanted != "" {
		run, err := w.run(ctx, w.wanted)
		if err != nil {
			return false, err
		}
		w.last = run
		return run.Status.Ended() && (run.Behavior == remuda.Detect || !moving(b)), nil
	}
	if moving(b) && b.Status != w.said && b.LatestRun == "" { // nothing else is seen of it
		w.said = b.Status
		fmt.Fprintln(w.p.stdout, w.p.faint(w.p.stdout, "… "+words(string(b.Status))))
	}
	return !moving(b), nil
}

// run is a run as it stands: as it was told, unless it may be one of which nobody tells.
func (w *blockWatch) run(ctx context.Context, id string) (remuda.BlockRun, error) {
	if id == "" {
		return remuda.BlockRun{}, nil
	}
	if _, run := w.sight.now(id); run.ID != "" && id != w.wanted {
		return run, nil
	}
	run, err := w.u.Run(ctx, id)
	if errors.Is(err, remuda.NotFound) && id != w.wanted {
		return remuda.BlockRun{ID: id, Status: remuda.RunAborted}, nil
	}
	return run, err
}

// byHand tells who goes on.
func (p *program) byHand(b remuda.Block, run remuda.BlockRun) {
	fmt.Fprintf(p.stdout, "… run %d of %s is done by hand: whoever did it says 'remuda block finish %s'\n", run.Number, plain(b.Name), b.ID)
}

// ending shows where the block rests, and fails when that is no good place.
func (w *blockWatch) ending(ctx context.Context, id string) error {
	b, err := w.u.Block(ctx, id)
	if err != nil {
		return err
	}
	run := w.last
	if run.ID != "" {
		if run, err = w.u.Run(ctx, run.ID); err != nil && !errors.Is(err, remuda.NotFound) {
			return err
		}
	}
	for _, said := range run.Messages {
		fmt.Fprintf(w.p.stdout, "%s: %s\n", plain(said.Step), plain(said.Message))
	}
	if run.Behavior == remuda.Detect && run.Status == remuda.RunSucceeded {
		w.p.showPlan(run)
	}
	if w.wanted != "" && run.Behavior == remuda.Detect && run.Approval == "" && !w.approving {
		if run.Status != remuda.RunSucceeded {
			return failure{exitFailed, nil} // the screen has said so
		}
		return nil
	}
	if w.approving && b.Status == remuda.BlockWaitsForApproval {
		return nil
	}
	if len(w.shown) > 0 {
		b.Detail = "" // the screen has said it
	}
	return w.p.rests(b)
}

// rests tells where a block stands when nothing of it moves.
func (p *program) rests(b remuda.Block) error {
	name := plain(b.Name)
	switch {
	case b.Lifecycle == remuda.LifecycleDeleted:
		fmt.Fprintln(p.stdout, p.paint(p.stdout, good, "✓ "+name+" is deleted"))
		return nil
	case moving(b):
		return nil // by hand
	}
	switch b.Status {
	case remuda.BlockSucceeded:
		fmt.Fprintln(p.stdout, p.paint(p.stdout, good, "✓ "+name+" succeeded"))
		return p.showValues("OUTPUT", b.Outputs)
	case remuda.BlockWaitsForApproval:
		fmt.Fprintf(p.stdout, "… %s waits for approval: 'remuda block approve %s', or reject\n", name, b.ID)
		return nil
	case remuda.BlockWaitsForUser:
		fmt.Fprintf(p.stdout, "… %s; give it with 'remuda block change %s --input KEY=VALUE'\n", waitsFor(b), b.ID)
		return nil
	case remuda.BlockWaitsForOperator, remuda.BlockWaitsForParent:
		fmt.Fprintf(p.stdout, "… %s\n", waitsFor(b))
		return nil
	}
	text := "✗ " + name + " " + words(string(b.Status))
	if b.Detail != "" {
		text += ": " + plain(b.Detail)
	}
	fmt.Fprintln(p.stdout, p.paint(p.stdout, bad, text))
	return failure{exitFailed, nil}
}

// waitsFor is the control plane's own sentence, or one of the same meaning.
func waitsFor(b remuda.Block) string {
	if b.Detail != "" {
		return plain(b.Name + ": " + b.Detail)
	}
	return plain(b.Name + " is " + statusOf(b))
}

// awaitRun waits for the end of a run without showing it.
func (p *program) awaitRun(ctx context.Context, u *client.User, block, id string) (remuda.BlockRun, error) {
	errEnded := errors.New("the run has ended")
	var last remuda.BlockRun
	err := u.FollowBlock(ctx, block, func(client.FollowedBlock) (err error) {
		if last, err = u.Run(ctx, id); err != nil {
			return err
		}
		if last.Status.Ended() || last.Task == "" && last.Status == remuda.RunInProgress { // by hand
			return errEnded
		}
		return nil
	})
	if errors.Is(err, errEnded) {
		err = nil
	}
	return last, err
}

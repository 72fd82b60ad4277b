package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// errForced is why everything is dropped: a second ^C.
var errForced = errors.New("interrupted twice")

// whyAfter is how long a task may wait before it is said why.
const whyAfter = 3 * time.Second

// watch shows tasks until they have ended. The first ^C cancels them and waits for their end, the second one leaves
// at once. It listens to signals itself.
func (p *program) watch(ctx context.Context, u *client.User, tasks []remuda.Task) error {
	signals, stop := listen()
	defer stop()
	err := p.watchUntil(ctx, u, tasks, signals)
	if errors.Is(err, errForced) {
		return failure{exitInterrupted, nil}
	}
	return err
}

// watchUntil is watch with signals that are listened to already. It returns errForced after the second one.
func (p *program) watchUntil(ctx context.Context, u *client.User, tasks []remuda.Task, signals <-chan os.Signal) error {
	ctx, force := context.WithCancelCause(ctx)
	defer force(nil)
	ended := make(chan error, 1)
	results := make([]remuda.Task, len(tasks))
	out := &readership{to: p.stdout, gone: make(chan struct{})}
	go func() { ended <- p.watchAll(ctx, u, tasks, results, out) }()

	interrupted, gone := false, out.gone
	for {
		select {
		case s := <-signals:
			switch {
			case s == syscall.SIGHUP && interrupted: // a closed terminal tells it more than once
			case interrupted:
				force(errForced)
			default:
				interrupted = true
				fmt.Fprintln(p.stderr, "\nremuda: cancelling; interrupt again to leave at once")
				go p.cancelAll(ctx, u, tasks)
			}
		case <-gone:
			gone = nil
			if !interrupted {
				interrupted = true
				fmt.Fprintln(p.stderr, "remuda: cancelling, since nobody reads what it prints")
				go p.cancelAll(ctx, u, tasks)
			}
		case err := <-ended:
			switch {
			case err != nil:
				return err
			case interrupted:
				return failure{exitInterrupted, nil}
			}
			for _, t := range results {
				if t.State != remuda.Succeeded {
					return failure{exitFailed, nil}
				}
			}
			return nil
		}
	}
}

func (p *program) cancelAll(ctx context.Context, u *client.User, tasks []remuda.Task) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, t := range tasks {
		_, err := u.CancelTask(ctx, t.ID)
		if err != nil && !errors.Is(err, remuda.Conflict) && ctx.Err() == nil {
			p.complain(fmt.Errorf("cancel task %s: %w", t.ID, err))
		}
	}
}

// watchAll shows tasks side by side, each line whole.
func (p *program) watchAll(ctx context.Context, u *client.User, tasks, results []remuda.Task, out io.Writer) error {
	shared := &lines{to: out}
	group, ctx := errgroup.WithContext(ctx)
	for i, t := range tasks {
		prefix := ""
		if len(tasks) > 1 {
			prefix = p.faint(p.stdout, fmt.Sprintf("[%d/%d] ", i+1, len(tasks)))
		}
		s := newScreen(p, prefix)
		s.w = out
		if prefix != "" {
			s.w = shared
		}
		group.Go(func() (err error) {
			results[i], err = p.watchOne(ctx, u, t, s)
			return err
		})
	}
	return group.Wait()
}

// watchOne shows one task until it has ended.
func (p *program) watchOne(ctx context.Context, u *client.User, t remuda.Task, s *screen) (remuda.Task, error) {
	told := make(chan client.Followed)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		ended <- u.Follow(ctx, t.ID, client.OutputQuery{}, func(f client.Followed) error {
			select {
			case told <- f:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	quiet, why := time.NewTimer(settle), time.NewTimer(whyAfter)
	defer quiet.Stop()
	defer why.Stop()
	said := ""
	s.task = t
	for {
		select {
		case f := <-told:
			s.told(f)
			quiet.Reset(settle)
		case <-quiet.C:
			s.flush(true)
		case <-why.C:
			said = p.sayWhy(ctx, u, s, said)
			why.Reset(2 * whyAfter)
		case err := <-ended:
			if err != nil {
				return s.task, err
			}
			last, err := u.Task(ctx, t.ID)
			if err != nil {
				return s.task, err
			}
			s.moved(last)
			s.result(last)
			return last, nil
		}
	}
}

// sayWhy tells why a task still waits, when that is news.
func (p *program) sayWhy(ctx context.Context, u *client.User, s *screen, said string) string {
	if s.task.State != remuda.Queued && s.task.State != remuda.Waiting {
		return said
	}
	w, err := u.Why(ctx, s.task.ID)
	if err != nil || len(w.Reasons) == 0 || w.Reasons[0] == said {
		return said // It is said by the way: what matters is that the task goes on.
	}
	s.say(p.faint(p.stdout, "… "+plain(w.Reasons[0])))
	return w.Reasons[0]
}

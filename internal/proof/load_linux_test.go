package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent/redact"
	"github.com/remuda-dev/remuda/client"
)

// order is a task that was asked for until it was acknowledged.
type order struct {
	number     int
	submission remuda.Submission
	prints     [][]byte // by each step
	id         string   // the task's, once it was acknowledged

	followed int    // the attempt that its follower saw last
	seen     []byte // what its follower saw of that
}

// key is the same however often the order is sent.
func (o *order) key() string { return fmt.Sprintf("proof-%d", o.number) }

// countsIn is the file to which each execution of the task adds a line: the number of its attempt.
func (o *order) countsIn(dir string) string {
	return filepath.Join(dir, "counts", fmt.Sprint(o.number))
}

// doneIn is the file in which a task that takes its time says that it has done all it had to do.
func (o *order) doneIn(dir string) string { return o.countsIn(dir) + ".done" }

// password is a secret that some tasks print.
const password = "correct horse 'battery' staple"

// newOrder is one of several kinds of tasks by its number, always the same.
func newOrder(dir string, number int) *order {
	o := &order{number: number}
	begun := fmt.Sprintf("echo $REMUDA_ATTEMPT >> %s\n", o.countsIn(dir))
	var commands []string
	step := func(command string, prints string) {
		commands, o.prints = append(commands, command), append(o.prints, []byte(prints))
	}
	seq := func(what string, n int) (string, string) {
		var prints strings.Builder
		for i := range n {
			fmt.Fprintf(&prints, "%s of task %d, line %d\n", what, number, i+1)
		}
		return fmt.Sprintf("seq -f '%s of task %d, line %%.0f' %d\n", what, number, n), prints.String()
	}
	switch number % 8 {
	case 0: // over at once
		step(begun+"echo hello", "hello\n")
	case 1, 2: // a line now and then
		command, prints := seq("some", 7)
		step(begun+"for i in 1 2 3 4 5 6; do "+command+" sleep 0.0$i; done", strings.Repeat(prints, 6))
	case 3: // more than a part of the bucket holds
		command, prints := seq("much", 40_000)
		step(begun+command, prints)
	case 4: // steps, bytes that are no text, no newline at the end
		step(begun+`printf '\0\377\r\n\033[1mbold'`, "\x00\xff\r\n\x1b[1mbold")
		command, prints := seq("second", 300)
		step("sleep 0.1;"+command, prints)
		step("printf end", "end")
	case 5: // secrets
		step(begun+`for i in 1 2 3; do printf 'the password is %s, and ' "$PASSWORD"; sleep 0.05; done`, strings.Repeat("the password is "+redact.Mask+", and ", 3))
	case 6: // may be repeated
		command, prints := seq("again", 50)
		step(begun+command+"sleep 0.2;"+command, prints+prints)
	case 7: // may be repeated, and takes its time
		command, prints := seq("long", 5)
		step(begun+"for i in 1 2 3 4 5 6 7 8 9 10 11 12; do "+command+" sleep 0.1; done", strings.Repeat(prints, 12))
	}
	o.submission = remuda.Submission{
		ResourceClass: class, Organization: owner, Project: fmt.Sprintf("project-%d", number%3),
		Job: &remuda.Job{}, Priority: number % 5, LostAfter: remuda.Duration(30 * time.Second),
	}
	if number%8 == 5 {
		o.submission.Secrets = map[string]remuda.Secret{"PASSWORD": remuda.NewSecret(password)}
	}
	if number%8 >= 6 {
		o.submission.RetryInterrupted, o.submission.MaxAttempts = true, 10
	}
	o.runs(commands...)
	return o
}

// newLong is a task that prints a line now and then for so long, and then so many at once.
func newLong(dir string, number int, long time.Duration, many int) *order {
	o := newOrder(dir, number*8) // none of the special kinds
	lines := int(long / (200 * time.Millisecond))
	var prints strings.Builder
	for i := range lines {
		fmt.Fprintf(&prints, "tick %d\n", i+1)
	}
	for i := range many {
		fmt.Fprintf(&prints, "line %d of those that task %d prints at its end\n", i+1, o.number)
	}
	o.prints = [][]byte{[]byte(prints.String())}
	o.submission.Job.Steps = nil
	o.runs(fmt.Sprintf("echo $REMUDA_ATTEMPT >> %s\nfor i in $(seq %d); do echo tick $i; sleep 0.2; done\nseq -f 'line %%.0f of those that task %d prints at its end' %d\necho done > %s",
		o.countsIn(dir), lines, o.number, many, o.doneIn(dir)))
	return o
}

// runs gives a task its steps.
func (o *order) runs(commands ...string) {
	for _, command := range commands {
		o.submission.Job.Steps = append(o.submission.Job.Steps, remuda.JobStep{Run: &remuda.Run{Command: command}})
	}
}

// load submits tasks and follows each to its end, many at once, until it is told to submit no more.
type load struct {
	dir   string
	users []*client.User // each for some
	log   func(string, ...any)

	mu     sync.Mutex
	orders []*order
	full   bool
	group  sync.WaitGroup
}

// newLoad is a load from so many clients.
func (s *site) newLoad(clients int) *load {
	s.t.Helper()
	l := &load{dir: s.dir, log: s.t.Logf}
	for range clients {
		c, err := client.New(s.door.url(), client.Options{Timeout: 10 * time.Second})
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(c.CloseIdle)
		l.users = append(l.users, c.User(s.token()))
	}
	return l
}

// run begins with so many at once. End it by stop.
func (l *load) run(ctx context.Context, atOnce int) {
	for n := range atOnce {
		l.group.Go(func() {
			for {
				o := l.next()
				if o == nil {
					return
				}
				if err := l.carry(ctx, l.users[n%len(l.users)], o); err != nil {
					l.log("task %d: %v", o.number, err)
					return
				}
			}
		})
	}
}

// stop lets those that are under way end, and gives all.
func (l *load) stop() []*order {
	l.mu.Lock()
	l.full = true
	l.mu.Unlock()
	l.group.Wait()
	return l.orders
}

func (l *load) next() *order {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return nil
	}
	o := newOrder(l.dir, len(l.orders))
	l.orders = append(l.orders, o)
	return o
}

// carry submits an order until that is acknowledged, and follows it to its end.
func (l *load) carry(ctx context.Context, user *client.User, o *order) error {
	// Made here, so that any task's user may add to it.
	for _, file := range []string{o.countsIn(l.dir), o.doneIn(l.dir)} {
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chmod(file, 0o666)); err != nil {
			return err
		}
	}
	err := persist(ctx, func() error {
		submitted, err := user.Submit(ctx, o.submission, o.key())
		if err == nil {
			o.id = submitted.Tasks[0].ID
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	return persist(ctx, func() error {
		o.followed, o.seen = 0, nil
		return user.Follow(ctx, o.id, client.OutputQuery{}, o.follow)
	})
}

func (o *order) follow(f client.Followed) error {
	if f.Output == nil {
		return nil
	}
	if f.Attempt != o.followed {
		o.followed, o.seen = f.Attempt, nil
	}
	if f.Output.Offset != int64(len(o.seen)) {
		return fmt.Errorf("a follower is given offset %d after %d bytes of attempt %d", f.Output.Offset, len(o.seen), f.Attempt)
	}
	o.seen = append(o.seen, f.Output.Data...)
	return nil
}

// persist repeats what nobody answered.
func persist(ctx context.Context, what func() error) error {
	for {
		err := what()
		if err == nil || !errors.Is(err, remuda.Unavailable) && !errors.Is(err, remuda.Limited) && !errors.Is(err, remuda.Internal) {
			return err
		}
		pause := time.NewTimer(100 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

// all is what the task prints, its steps one after the other.
func (o *order) all() []byte { return bytes.Join(o.prints, nil) }

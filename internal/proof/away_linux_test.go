package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// absence is something that Remuda needs and does not have for a while.
type absence struct {
	take, give func()
	refuses    bool   // whether submissions are refused meanwhile
	again      func() // takes what has come back by itself; may be nil
}

func TestAFullDiskLosesNothing(t *testing.T) {
	dir := newFolder(t)
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("remuda-proof", data, "tmpfs", 0, "size=48m,mode=700"); err != nil {
		t.Skipf("no small disk can be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := openSite(t, dir, sqlite{dir}, 1, 2)
	ballast := filepath.Join(data, "ballast")
	away(t, s, absence{
		take: func() { fill(t, ballast) },
		give: func() {
			if err := os.Remove(ballast); err != nil {
				t.Error(err)
			}
		},
		refuses: true,
		again:   func() { fill(t, ballast) }, // the database makes room by itself when it tidies up
	})
}

// fill takes the last byte of a disk.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if n, err := file.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) && n == 0 {
			size /= 2
		} else if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

func TestABucketThatIsAwayLosesNothing(t *testing.T) {
	dir := newFolder(t)
	s := openSite(t, dir, sqlite{dir}, 1, 2)
	bucket := filepath.Join(dir, "bucket")
	away(t, s, absence{
		take: func() { // a file in its place keeps everybody from making it anew
			if err := errors.Join(os.Rename(bucket, bucket+".away"), os.WriteFile(bucket, nil, 0o600)); err != nil {
				t.Error(err)
			}
		},
		give: func() {
			if err := errors.Join(os.Remove(bucket), os.Rename(bucket+".away", bucket)); err != nil {
				t.Error(err)
			}
		},
	})
}

// The server hangs for the first half, and is not there for the second.
func TestADatabaseThatIsAwayLosesNothing(t *testing.T) {
	dir := newFolder(t)
	p := openPostgres(t, dir)
	s := openSite(t, dir, p, 2, 2)
	hang := func() {
		for _, pid := range p.parts() {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
	}
	var gone *time.Timer
	ended := make(chan struct{})
	away(t, s, absence{
		take: func() {
			hang()
			gone = time.AfterFunc(length(t)/2, func() {
				defer close(ended)
				p.killAll()
			})
		},
		give: func() {
			if !gone.Stop() {
				<-ended
			}
			p.start()
		},
		refuses: true,
	})
}

// away takes something away while tasks run, and looks whether they run on to their end, whether nobody is promised
// anything meanwhile, and whether all that was promised came true when it is back.
func away(t *testing.T, s *site, a absence) {
	long := length(t)
	l := s.newLoad(4)
	defer l.group.Wait() // after end, however the test comes to its own
	working, end := context.WithTimeoutCause(t.Context(), long+4*time.Minute, errors.New("it takes too long"))
	defer end()
	for n := range 2 * slots {
		l.orders = append(l.orders, newLong(s.dir, 1+n, long/2, []int{0, 100, 30_000, 200_000}[n%4]))
	}
	for n, o := range l.orders {
		l.group.Go(func() {
			if err := l.carry(working, l.users[n%len(l.users)], o); err != nil {
				t.Errorf("task %d: %v", o.number, err)
			}
		})
	}
	until(t, time.Minute, "each task begun", func() error { return s.each(l.orders, (*order).countsIn) })

	a.take()
	t.Logf("taken away for %s", long)
	back := time.NewTimer(long)
	defer back.Stop()
	late := newOrder(s.dir, 1000*8)
	if a.refuses {
		until(t, time.Minute, "a submission that is refused", func() error {
			if a.again != nil {
				a.again()
			}
			return s.refused(working, late)
		})
	}
	l.orders = append(l.orders, late)
	l.group.Go(func() {
		if err := l.carry(working, l.users[0], late); err != nil {
			t.Errorf("task %d: %v", late.number, err)
		}
	})
	select {
	case <-back.C:
	case <-t.Context().Done():
		t.Fatal(context.Cause(t.Context()))
	}
	if err := s.each(l.orders[:2*slots], (*order).doneIn); err != nil && long >= 10*time.Second {
		t.Errorf("while it was away: %v", err)
	}
	a.give()
	t.Log("given back")
	orders := l.stop()
	v := s.conclude(t, orders, usual(0))
	if v.states["succeeded"] != len(orders) || v.repeated > 0 {
		t.Errorf("not every task succeeded at once")
	}
}

// each says which tasks have not written a line to one of their files.
func (s *site) each(orders []*order, in func(*order, string) string) error {
	for _, o := range orders {
		text, err := os.ReadFile(in(o, s.dir))
		if err != nil {
			return err
		}
		if !bytes.HasSuffix(text, []byte("\n")) {
			return fmt.Errorf("task %d has written nothing into %s", o.number, filepath.Base(in(o, s.dir)))
		}
	}
	return nil
}

// refused submits once, without patience. It wants to hear that nothing was changed and when to come again.
func (s *site) refused(ctx context.Context, o *order) error {
	body, err := json.Marshal(o.submission)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 50*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.door.url()+"/api/v1/tasks", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+s.token())
	request.Header.Set("Idempotency-Key", o.key())
	began := time.Now()
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(answer.Body)
	wait, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	if answer.StatusCode != http.StatusServiceUnavailable || err != nil || wait < 1 {
		return fmt.Errorf("it answers %s, Retry-After %q: %s", answer.Status, answer.Header.Get("Retry-After"), said)
	}
	s.t.Logf("refused after %s: %s", time.Since(began).Round(time.Millisecond), said)
	return nil
}

package agent_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/agent/agenttest"
)

// clock notes when chunks came, in time since it was made.
type clock struct {
	*agenttest.Plane
	begin time.Time
	mu    sync.Mutex
	came  []time.Duration
	sizes []int
}

func newClock() *clock { return &clock{Plane: agenttest.NewPlane(), begin: time.Now()} }

func (c *clock) Append(ctx context.Context, chunk remuda.Chunk) (remuda.StreamState, error) {
	c.mu.Lock()
	c.came, c.sizes = append(c.came, time.Since(c.begin)), append(c.sizes, len(chunk.Data))
	c.mu.Unlock()
	return c.Plane.Append(ctx, chunk)
}

// begun is a plane on which the claim has begun.
func begun(t *testing.T, plane *agenttest.Plane) {
	t.Helper()
	if _, err := plane.Begin(t.Context(), remuda.Begin{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if wrong := plane.Seen().Wrong; len(wrong) > 0 {
			t.Errorf("the plane was told what it must not be: %q", wrong)
		}
	})
}

func wantStream(t *testing.T, plane *agenttest.Plane, text string, summed bool) {
	t.Helper()
	stream := plane.Seen().Streams[0]
	if string(stream.Data) != text {
		t.Errorf("the plane holds %.100q, not %.100q", stream.Data, text)
	}
	if !stream.Closed || stream.Summed != summed {
		t.Errorf("closed: %t, with a checksum: %t", stream.Closed, stream.Summed)
	}
}

func TestTheFirstWordAfterSilenceIsSentAtOnceAndTheRestOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, spool := newClock(), agent.NewGrowing()
		begun(t, plane.Plane)
		go func() {
			defer spool.End()
			for range 26 { // at 0 ms, 100 ms … 2500 ms
				spool.Say("x")
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(10 * time.Second) // until 12600 ms
			spool.Say("y")
			time.Sleep(100 * time.Millisecond)
			spool.Say("z")
		}()
		if err := spool.Send(t.Context(), plane); err != nil {
			t.Fatal(err)
		}
		wantStream(t, plane.Plane, strings.Repeat("x", 26)+"yz", true)
		want := []time.Duration{0, 1000, 2000, 3000, 12600, 12700} // the last one because the spool has ended
		for i := range want {
			want[i] *= time.Millisecond
		}
		if !slices.Equal(plane.came, want) {
			t.Errorf("chunks came at %v, not %v", plane.came, want)
		}
	})
}

func TestWhileSomeoneFollowsItIsSentEvery200Milliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, spool := newClock(), agent.NewGrowing()
		begun(t, plane.Plane)
		plane.Follow(true)
		go func() {
			defer spool.End()
			for range 50 {
				spool.Say("x")
				time.Sleep(10 * time.Millisecond)
			}
		}()
		if err := spool.Send(t.Context(), plane); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0, 200 * time.Millisecond, 400 * time.Millisecond, 500 * time.Millisecond}
		if !slices.Equal(plane.came, want) {
			t.Errorf("chunks came at %v, not %v", plane.came, want)
		}
	})
}

func TestAFloodDoesNotWaitAndComesInChunksOfAMebibyte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, spool := newClock(), agent.NewGrowing()
		begun(t, plane.Plane)
		line := strings.Repeat("0123456789abcde\n", 1<<16) // 1 MiB
		spool.Say(strings.Repeat(line, 5))
		ended := make(chan error)
		go func() { ended <- spool.Send(t.Context(), plane) }()
		synctest.Wait()
		if got := len(plane.Output(0)); got != 5<<20 || plane.came[len(plane.came)-1] != 0 {
			t.Errorf("%d bytes came at %v", got, plane.came)
		}
		if slices.Max(plane.sizes) > 1<<20 {
			t.Errorf("the chunks have %v bytes", plane.sizes)
		}
		spool.End()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
}

func TestASilentStepSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, spool := newClock(), agent.NewGrowing()
		begun(t, plane.Plane)
		time.AfterFunc(time.Hour, spool.End)
		if err := spool.Send(t.Context(), plane); err != nil {
			t.Fatal(err)
		}
		if len(plane.came) > 0 {
			t.Errorf("chunks came at %v", plane.came)
		}
		if stream := plane.Seen().Streams[0]; stream.Closed {
			t.Error("a stream was closed that there is not")
		}
	})
}

func TestWhileThePlaneIsAwayOutputWaitsAndThenArrivesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, spool := agenttest.NewPlane(), agent.NewGrowing()
		begun(t, plane)
		plane.Away(true)
		go func() {
			for range 100 {
				spool.Say("line\n")
				time.Sleep(time.Minute)
			}
			spool.End()
			time.Sleep(time.Hour)
			plane.Away(false)
		}()
		if err := spool.Send(t.Context(), plane); err != nil {
			t.Fatal(err)
		}
		wantStream(t, plane, strings.Repeat("line\n", 100), true)
	})
}

func TestALostAnswerDoublesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, spool := agenttest.NewPlane(), agent.NewGrowing()
		begun(t, plane)
		plane.LoseAnswers(3)
		spool.Say("one ")
		time.AfterFunc(time.Minute, func() { spool.Say("two"); spool.End() })
		if err := spool.Send(t.Context(), plane); err != nil {
			t.Fatal(err)
		}
		wantStream(t, plane, "one two", true)
	})
}

func TestASenderGoesOnFromWhatThePlaneHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, spool := agenttest.NewPlane(), agent.NewGrowing()
		begun(t, plane)
		plane.Put(0, agenttest.Stream{Data: []byte("I am [secret] and "), Source: int64(len("I am hunter22 and "))})
		spool.Say("I am hunter22 and hunter22 I stay")
		spool.End()
		if err := spool.Send(t.Context(), plane, "hunter22"); err != nil {
			t.Fatal(err)
		}
		wantStream(t, plane, "I am [secret] and [secret] I stay", false) // whoever did not send all cannot vouch for it
	})
}

func TestAPlaneThatForgotIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, spool := agenttest.NewPlane(), agent.NewGrowing()
		begun(t, plane)
		spool.Say("one ")
		time.AfterFunc(time.Second, func() {
			plane.Put(0, agenttest.Stream{Data: []byte("o"), Source: 1}) // as after a restored backup
			spool.Say("two")
			spool.End()
		})
		if err := spool.Send(t.Context(), plane); err != nil {
			t.Fatal(err)
		}
		wantStream(t, plane, "one two", false)
	})
}

func TestAStreamThatSomebodyElseClosedIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, spool := agenttest.NewPlane(), agent.NewGrowing()
		begun(t, plane)
		plane.Put(0, agenttest.Stream{Data: []byte("all"), Source: 3, Closed: true})
		spool.Say("all of it")
		spool.End()
		if err := spool.Send(t.Context(), plane); err != nil {
			t.Fatal(err)
		}
		wantStream(t, plane, "all", false)
	})
}

func TestASecretThatIsCutIntoPiecesIsMasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, spool := agenttest.NewPlane(), agent.NewGrowing()
		begun(t, plane)
		go func() {
			for _, c := range "a hunter22 b hunter2" {
				spool.Say(string(c))
				time.Sleep(2 * time.Second)
			}
			spool.End()
		}()
		if err := spool.Send(t.Context(), plane, "hunter22"); err != nil {
			t.Fatal(err)
		}
		wantStream(t, plane, "a [secret] b hunter2", true)
	})
}

func TestAClaimThatHasEndedEndsSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, spool := agenttest.NewPlane(), agent.NewGrowing()
		begun(t, plane)
		plane.End()
		spool.Say("too late")
		if err := spool.Send(t.Context(), plane); !errors.Is(err, remuda.Gone) {
			t.Errorf("sending ended with %v", err)
		}
	})
}

func TestSendingEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, spool := agenttest.NewPlane(), agent.NewGrowing()
		begun(t, plane)
		plane.Away(true)
		spool.Say("never heard")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := spool.Send(ctx, plane); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("sending ended with %v", err)
		}
	})
}

// refusing is a plane that is too busy, or has no place, for some calls.
type refusing struct {
	*agenttest.Plane
	refusals []error
}

func (r *refusing) Append(ctx context.Context, chunk remuda.Chunk) (remuda.StreamState, error) {
	if len(r.refusals) > 0 {
		err := r.refusals[0]
		r.refusals = r.refusals[1:]
		return remuda.StreamState{}, err
	}
	return r.Plane.Append(ctx, chunk)
}

func TestRefusalsForNowAreWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, spool := &refusing{Plane: agenttest.NewPlane()}, agent.NewGrowing()
		begun(t, plane.Plane)
		for range 100 {
			plane.refusals = append(plane.refusals,
				&remuda.Error{Kind: remuda.Unavailable, Detail: "the bucket for output cannot be used now", Retry: 2 * time.Second},
				&remuda.Error{Kind: remuda.Limited, Detail: "too often", Retry: time.Second})
		}
		spool.Say("all of it")
		spool.End()
		if err := spool.Send(t.Context(), plane); err != nil {
			t.Fatal(err)
		}
		wantStream(t, plane.Plane, "all of it", true)
	})
}

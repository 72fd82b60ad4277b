package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/bucket"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/s3test"
	"github.com/remuda-dev/remuda/internal/store"
)

// spell is what an attempt's only step prints: bytes that say where they are.
func spell(from, to int64) []byte {
	data := make([]byte, 0, to-from)
	for at := from; at < to; at++ {
		data = append(data, byte(at>>8)^byte(at*31))
	}
	return data
}

// say appends to a step until so many bytes are held, and answers how many are when it is refused.
func say(s control.Store, attempt string, from, to, piece int64) (held int64, err error) {
	for held = from; held < to && err == nil; {
		var state remuda.StreamState
		state, err = s.Output().Append(context.Background(), attempt, remuda.Chunk{Offset: held, Data: spell(held, min(to, held+piece))}, int64(1)<<40)
		if err == nil {
			held = state.Length
		}
	}
	return held, err
}

// heard reads what an attempt has said from an offset on.
func heard(t testing.TB, s control.Store, attempt string, from int64) (to int64) {
	t.Helper()
	for to = from; ; {
		found := chunks(t, s, attempt, nil, to, 1<<20)
		if len(found) == 0 {
			return to
		}
		for _, c := range found {
			if c.Offset != to || !bytes.Equal(c.Data, spell(to, to+int64(len(c.Data)))) {
				t.Fatalf("from %d on there are other bytes, at %d", to, c.Offset)
			}
			to += int64(len(c.Data))
		}
	}
}

func wantAway(t testing.TB, err error) {
	t.Helper()
	var away *remuda.Error
	if !errors.As(err, &away) || away.Kind != remuda.Unavailable || away.Retry == 0 {
		t.Fatalf("while the bucket is away, the answer is %v", err)
	}
}

func TestOutputWaitsForItsBucketWithinItsBound(t *testing.T) {
	inEach(t, func(t *testing.T, d database) {
		s, m := d.withBucket(t)
		attempt := newID()
		before, err := say(s, attempt, 0, 10*smallPart+7, 30)
		if err != nil {
			t.Fatal(err)
		}
		m.set(true, false)
		during, err := say(s, attempt, before, 1<<20, 30)
		wantAway(t, err)
		if tail := during - before; tail < smallBound-smallPart-30 || tail > smallBound {
			t.Errorf("%d bytes are taken while the bucket is away", tail)
		}
		_, err = s.Output().Chunks(t.Context(), attempt, nil, 0, 100)
		wantAway(t, err)
		if to := heard(t, s, attempt, 10*smallPart); to != during {
			t.Errorf("what the store holds is read to %d, not to %d", to, during)
		}
		if state, err := s.Output().Close(t.Context(), attempt, 0, remuda.StreamClose{Length: during}); err != nil || !state.Closed {
			t.Errorf("a stream does not end while the bucket is away: %v", err)
		}
		if err := s.Output().Tend(t.Context()); !errors.Is(err, control.ErrBucketAway) {
			t.Errorf("of a bucket that is away, the operator is told %v", err)
		}
		m.set(false, false)
		s.Outage()
		if err := s.Output().Tend(t.Context()); err != nil {
			t.Fatal(err)
		}
		held, err := s.Output().Held(t.Context())
		if err != nil || held.Store >= smallPart || held.Objects != int64(len(m.of(attempt))) {
			t.Errorf("when it is back, held are %+v, %v; objects are %d", held, err, len(m.of(attempt)))
		}
		if to := heard(t, s, attempt, 0); to != during {
			t.Errorf("when it is back, output is read to %d, not to %d", to, during)
		}
	})
}

func TestPlanesThatMoveTheSameOutputDoSoOnce(t *testing.T) {
	inEach(t, func(t *testing.T, d database) {
		address := d.fresh(t)
		m := newMemory()
		var planes []bucketed
		for range 2 {
			s := d.opened(t, address).(bucketed)
			s.KeepOutputIn(m)
			s.MeasureOutput(smallPiece, smallPart, smallBound)
			planes = append(planes, s)
		}
		attempts := []string{newID(), newID(), newID()}
		m.set(true, false)
		for _, attempt := range attempts {
			_, err := say(planes[0], attempt, 0, 1<<20, 20)
			wantAway(t, err)
		}
		m.set(false, false)
		var all sync.WaitGroup
		for _, s := range planes {
			s.Outage()
			all.Go(func() {
				if err := s.Output().Tend(context.Background()); err != nil {
					t.Error(err)
				}
			})
			for _, attempt := range attempts { // both have the same to say
				all.Go(func() {
					if _, err := say(s, attempt, 0, 40*smallPart, 33); err != nil {
						t.Error(err)
					}
				})
			}
		}
		all.Wait()
		for _, s := range planes {
			if err := s.Output().Tend(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		objects := 0
		for _, attempt := range attempts {
			if to := heard(t, planes[0], attempt, 0); to != 40*smallPart {
				t.Errorf("output is read to %d", to)
			}
			objects += len(m.of(attempt))
		}
		if held, err := planes[1].Output().Held(t.Context()); err != nil || held.Objects != int64(objects) {
			t.Errorf("held are %+v, %v, and the bucket has %d objects", held, err, objects)
		}
	})
}

func TestStepsThatPrintAtOnceLoseNothing(t *testing.T) {
	inEach(t, func(t *testing.T, d database) {
		s, m := d.withBucket(t)
		attempt := newID()
		if _, err := say(s, attempt, 0, smallPart-1, smallPart); err != nil {
			t.Fatal(err)
		}
		m.onPut = func() { add(t, s, attempt, 1, 0, 0, "meanwhile", wide) } // between the object and its row
		if _, err := say(s, attempt, smallPart-1, 2*smallPart, smallPart); err != nil {
			t.Fatal(err)
		}
		first, second := 0, 1
		if got := text(chunks(t, s, attempt, &first, 0, 1000)); got != string(spell(0, 2*smallPart)) {
			t.Errorf("the first step printed %d bytes", len(got))
		}
		if got := text(chunks(t, s, attempt, &second, 0, 1000)); got != "meanwhile" {
			t.Errorf("the second step printed %q", got)
		}
		if err := s.Output().Tend(t.Context()); err != nil {
			t.Fatal(err)
		}
		if held, err := s.Output().Held(t.Context()); err != nil || held.Objects != int64(len(m.of(attempt))) {
			t.Errorf("held are %+v, %v, and the bucket has %v", held, err, m.of(attempt))
		}
	})
}

// Many small rows make a part: it takes several transactions until the last of them is deleted, and readers come in
// between.
func TestReadersSeeEachByteOnceWhileOutputIsMoved(t *testing.T) {
	inEach(t, func(t *testing.T, d database) {
		s, m := d.withBucket(t)
		s.MeasureOutput(smallPiece, 600, 2400)
		attempt := newID()
		m.set(true, false)
		if _, err := say(s, attempt, 0, 600, 2); err != nil {
			t.Fatal(err)
		}
		m.set(false, false)
		s.Outage()
		moved := make(chan error, 1)
		go func() { moved <- s.Output().Tend(context.Background()) }()
		for over := false; !over; {
			select {
			case err := <-moved:
				if over = true; err != nil {
					t.Error(err)
				}
			default:
			}
			if to := heard(t, s, attempt, 0); to != 600 {
				t.Fatalf("while it is moved, output is read to %d", to)
			}
			step := 0
			if got := text(chunks(t, s, attempt, &step, 0, 1000)); got != string(spell(0, 600)) {
				t.Fatalf("while it is moved, the step has %d bytes", len(got))
			}
		}
		if held, err := s.Output().Held(t.Context()); err != nil || held.Objects != 1 || held.Store != 0 {
			t.Errorf("held are %+v, %v", held, err)
		}
	})
}

func TestAReaderFetchesWhatItAsksForAndLittleMore(t *testing.T) {
	inEach(t, func(t *testing.T, d database) {
		s, m := d.withBucket(t)
		s.MeasureOutput(4<<10, 64<<10, 256<<10)
		attempt := newID()
		if _, err := say(s, attempt, 0, 640<<10, 100<<10); err != nil {
			t.Fatal(err)
		}
		for _, offset := range []int64{0, 5000, 333_333} {
			m.read = 0
			if got := text(chunks(t, s, attempt, nil, offset, 100)); got != string(spell(offset, offset+100)) {
				t.Errorf("from %d there are other bytes", offset)
			}
			if m.read == 0 || m.read > 8<<10+200 {
				t.Errorf("for 100 bytes %d were fetched", m.read)
			}
		}
	})
}

func TestAPartThatIsNotThereIsNoEnd(t *testing.T) {
	inEach(t, func(t *testing.T, d database) {
		s, m := d.withBucket(t)
		attempt := newID()
		if _, err := say(s, attempt, 0, 5*smallPart, smallPart); err != nil {
			t.Fatal(err)
		}
		delete(m.objects, m.of(attempt)[0])
		_, err := s.Output().Chunks(t.Context(), attempt, nil, 10, 100)
		wantAway(t, err)
		if to := heard(t, s, attempt, smallPart); to != 5*smallPart {
			t.Errorf("behind it, output is read to %d", to)
		}
	})
}

func TestOutputLiesInS3(t *testing.T) {
	d := databases()[0]
	server := s3test.Start(t)
	objects, err := bucket.Open(t.Context(), server.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	s := d.opened(t, d.fresh(t)).(bucketed)
	s.KeepOutputIn(objects)
	attempt := newID()
	before, err := say(s, attempt, 0, 3<<20+5, 700<<10)
	if err != nil {
		t.Fatal(err)
	}
	server.Stop(t)
	during, err := say(s, attempt, before, 64<<20, 700<<10)
	wantAway(t, err)
	server.Start(t)
	s.Outage()
	if err := s.Output().Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := say(s, attempt, during, during+2<<20, 700<<10)
	if err != nil {
		t.Fatal(err)
	}
	if to := heard(t, s, attempt, 0); to != after {
		t.Errorf("output is read to %d, not to %d", to, after)
	}
	if err := s.Output().Forget(t.Context(), []string{attempt}); err != nil {
		t.Fatal(err)
	}
	if err := s.Output().Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(server.Folder + "/" + attempt); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("when it is forgotten, its folder is there: %v", err)
	}
}

// appendUntilKilled is set in the environment of a copy of this program: to the database's name, its address, the
// bucket's and the attempt, separated by spaces.
const appendUntilKilled = "REMUDA_TEST_APPEND_UNTIL_KILLED"

func openSmall(ctx context.Context, name, address, folder string) (bucketed, error) {
	objects, err := bucket.Open(ctx, folder)
	if err != nil {
		return nil, err
	}
	for _, d := range databases() {
		if d.name == name {
			s, err := d.open(ctx, address)
			if err != nil {
				return nil, err
			}
			small := s.(*store.Store)
			small.KeepOutputIn(objects)
			small.MeasureOutput(1<<10, 8<<10, 32<<10)
			return small, nil
		}
	}
	return nil, errors.New("no such database")
}

// appendAndTell appends from where the stream is, and prints what is held.
func appendAndTell(where string) {
	ctx := context.Background()
	words := strings.Fields(where)
	s, err := openSmall(ctx, words[0], words[1], words[2])
	if err != nil {
		panic(err)
	}
	state, err := s.Output().Stream(ctx, words[3], 0)
	for held := state.Length; err == nil; {
		fmt.Println(held)
		held, err = say(s, words[3], held, held+3000, 3000)
	}
	panic(err)
}

func TestNoAcknowledgedByteIsLostOrDoubledByAKill(t *testing.T) {
	inEach(t, func(t *testing.T, d database) {
		address, attempt := d.fresh(t), newID()
		folder, err := bucket.FolderAddress(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		for round := range 6 {
			acknowledged := appendForAWhile(t, strings.Join([]string{d.name, address, folder, attempt}, " "), 5+round*7)
			s, err := openSmall(t.Context(), d.name, address, folder)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Output().Tend(t.Context()); err != nil {
				t.Error(err)
			}
			if to := heard(t, s, attempt, 0); to < acknowledged {
				t.Errorf("round %d: %d bytes are there, and %d were acknowledged", round, to, acknowledged)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// appendForAWhile runs a copy of this program until it has told so many times what is held, and kills it.
func appendForAWhile(t *testing.T, where string, lines int) (acknowledged int64) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program)
	command.Env = append(os.Environ(), appendUntilKilled+"="+where)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var told []byte
	buffer := make([]byte, 256)
	for bytes.Count(told, []byte("\n")) < lines {
		n, err := out.Read(buffer)
		if told = append(told, buffer[:n]...); err != nil {
			t.Errorf("the copy ended by itself after %q", told)
			break
		}
	}
	_ = command.Process.Kill()
	rest, _ := io.ReadAll(out)
	_ = command.Wait() // it was killed
	whole := strings.Split(string(append(told, rest...)), "\n")
	if acknowledged, err = strconv.ParseInt(whole[len(whole)-2], 10, 64); err != nil {
		t.Fatal(err)
	}
	return acknowledged
}

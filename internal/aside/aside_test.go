package aside

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestTheWorkIsDoneWhenDoReturns(t *testing.T) {
	done := false
	Do(func() { done = true })
	if !done {
		t.Error("it was not done")
	}
}

func TestAPanicIsTheCallersToo(t *testing.T) {
	defer func() {
		err, _ := recover().(error)
		var panicked *Panic
		if !errors.As(err, &panicked) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("the caller panicked with %v", err)
		}
		if !strings.Contains(err.Error(), "TestAPanicIsTheCallersToo") {
			t.Errorf("it is not told where: %v", err)
		}
	}()
	Do(func() { panic(io.ErrUnexpectedEOF) })
}

func TestWorkThatEndsItsGoroutineEndsTheCallers(t *testing.T) {
	ended, wentOn := make(chan struct{}), false
	go func() {
		defer close(ended)
		Do(runtime.Goexit)
		wentOn = true
	}()
	<-ended
	if wentOn {
		t.Error("the caller went on")
	}
}

func TestACrewDoesSoMuchAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crew := NewCrew(2)
		release := make(chan struct{})
		var working, most atomic.Int32
		for range 5 {
			go crew.Do(func() {
				now := working.Add(1)
				for before := most.Load(); now > before && !most.CompareAndSwap(before, now); before = most.Load() {
					continue
				}
				<-release
				working.Add(-1)
			})
		}
		synctest.Wait()
		if working.Load() != 2 {
			t.Errorf("%d work at once, not 2", working.Load())
		}
		close(release)
		synctest.Wait()
		if working.Load() != 0 || most.Load() != 2 || len(crew) != 0 {
			t.Errorf("%d work still, %d did at once, %d places are taken", working.Load(), most.Load(), len(crew))
		}
	})
}

func TestAPanicLeavesTheCrewWhole(t *testing.T) {
	crew := NewCrew(1)
	func() {
		defer func() { _ = recover() }()
		crew.Do(func() { panic("lost") })
	}()
	if len(crew) != 0 {
		t.Error("the place of who panicked is lost")
	}
}

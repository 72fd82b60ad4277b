package aside

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
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

// Package aside does deep work on a goroutine of its own.
//
// The stack of a goroutine grows with the deepest call that it ever made, and shrinks late. One that waits for long,
// beside ten thousand others, is better off when somebody else goes down for it.
package aside

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Panic is what Do panics with when the work did: what it said, and where.
type Panic struct {
	Value any
	Stack []byte
}

// Error tells both.
func (p *Panic) Error() string { return fmt.Sprintf("%v\n\n%s", p.Value, p.Stack) }

// Unwrap gives the error that the work panicked with, if it was one.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// Do returns when work has ended. A panic of work is one of the caller's.
func Do(work func()) {
	var caught *Panic
	whole := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if value := recover(); value != nil {
				caught = &Panic{value, debug.Stack()}
			}
		}()
		work()
		whole = true
	}()
	<-done
	switch {
	case caught != nil:
		panic(caught)
	case !whole:
		runtime.Goexit() // as work did
	}
}

// Crew does work aside, so much of it at once.
type Crew chan struct{}

// NewCrew is a Crew of n.
func NewCrew(n int) Crew { return make(Crew, n) }

// Do waits for one of the crew, and then until work has ended.
func (c Crew) Do(work func()) {
	c <- struct{}{}
	defer func() { <-c }()
	Do(work)
}

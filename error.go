package remuda

import (
	"errors"
	"time"
)

// Kind says how a call failed, in a way that its caller can act on. A Kind is an error, so a check reads as a
// sentence: errors.Is(err, remuda.NotFound).
type Kind string

// The kinds. Each wire format has one table from these to its own codes.
const (
	Invalid         Kind = "invalid"         // the request cannot be understood or breaks a rule of form
	Unauthenticated Kind = "unauthenticated" // nobody's credential
	Forbidden       Kind = "forbidden"       // a good credential at the wrong door
	NotFound        Kind = "not-found"       // nothing of this name, or nothing that the caller may see
	Conflict        Kind = "conflict"        // what is there already does not allow it
	Gone            Kind = "gone"            // the claim has ended; nothing changed
	TooLarge        Kind = "too-large"       // over a limit of size
	Limited         Kind = "limited"         // too often; wait for Retry
	Unavailable     Kind = "unavailable"     // not now; nothing changed, wait for Retry
	Internal        Kind = "internal"        // a fault of ours
)

// Error makes a Kind an error of its own.
func (k Kind) Error() string { return string(k) }

// Error is a failure that the caller can act on. Every other error is a fault of ours: logged whole, shown to nobody.
type Error struct {
	Kind   Kind
	Detail string        // for whoever made the request: a sentence that says what to do
	Fields []Field       // what is wrong with which member of the request; may be empty
	Retry  time.Duration // how long to wait before trying again; zero when trying again is no use
	Cause  error         // for our log; may be nil
}

// Field is one member of a request that is wrong.
type Field struct {
	Location string `json:"location" doc:"Where in the request, such as body.job.steps[2].command"`
	Message  string `json:"message" doc:"What is wrong with it"`
}

// Fail makes an Error of a Kind and a sentence for whoever made the request.
func Fail(kind Kind, detail string) *Error { return &Error{Kind: kind, Detail: detail} }

func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = string(e.Kind)
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Is makes errors.Is(err, remuda.NotFound) true for an Error of that Kind.
func (e *Error) Is(target error) bool {
	kind, ok := target.(Kind)
	return ok && kind == e.Kind
}

// Unwrap gives what lies below, for our log.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf is the Kind of err, Internal when it has none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var k Kind
	if errors.As(err, &k) {
		return k
	}
	return Internal
}

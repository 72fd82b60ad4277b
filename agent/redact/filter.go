// Package redact keeps secrets out of output: it replaces every occurrence of a secret, plain or encoded, wherever
// the pieces of the stream begin and end.
package redact

import (
	"sync"
	"sync/atomic"
)

const (
	// Mask stands where a secret was. It is the same for all, so that it does not tell how long the secret is.
	Mask = "[secret]"

	// Shortest is the length in bytes, without white space around it, from which a secret is masked. Shorter ones
	// would take common syllables out of the output, and say by that what they are.
	Shortest = 4
)

// Filter knows the secrets. It may be used from several goroutines.
type Filter struct {
	adding sync.Mutex
	forms  map[string]bool // of all secrets so far; guarded by adding
	table  atomic.Pointer[table]
}

// New returns a filter that replaces each occurrence of a secret, in any of its forms, by Mask.
//
// The forms are the secret itself without white space around it; its lines of at least 8 bytes, and the whole with
// either line end; base64 with both alphabets, padded or not, wherever in the encoded bytes the secret lies;
// percent-encoding; JSON and shell quoting.
func New(secrets ...string) *Filter {
	f := &Filter{forms: map[string]bool{}}
	f.Add(secrets...)
	return f
}

// Add takes more secrets. Streams mask them in all that they have not returned yet. Secrets shorter than Shortest
// are not masked.
func (f *Filter) Add(secrets ...string) {
	f.adding.Lock()
	defer f.adding.Unlock()
	before := len(f.forms)
	for _, secret := range secrets {
		for _, form := range forms(secret) {
			f.forms[form] = true
		}
	}
	if len(f.forms) > before || f.table.Load() == nil {
		f.table.Store(newTable(f.forms))
	}
}

// Stream filters one stream of output. It is for one goroutine.
func (f *Filter) Stream() *Stream { return &Stream{filter: f, table: f.table.Load()} }

// Text is text without the secrets that it may hold.
func (f *Filter) Text(text string) string {
	stream := f.Stream()
	shown, _ := stream.Next([]byte(text))
	hidden := string(shown) // the stream's until its next call
	rest, _ := stream.Flush()
	return hidden + string(rest)
}

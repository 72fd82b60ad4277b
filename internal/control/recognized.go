package control

import (
	"sync"
	"time"
)

// recognizedFor is how long a runner is known by its token without another look. A runner that leaves is refused by each
// rule, at once and on every plane: what this defers, on planes that did not see it leave, is only what it is told.
const recognizedFor = 5 * time.Second

// rememberedFor is how much longer its token is kept, for a runner that rests: the sync that it comes back with finds it
// known still. Had it left meanwhile, on whatever plane, that sync would have been woken, and it would not rest.
const rememberedFor = holdIdle + restsFor

// recognized are runners by the hashes of their tokens, so that not each of their many calls asks the store.
type recognized struct {
	mu      sync.Mutex
	runners map[[32]byte]recognition
	hashes  map[string][32]byte // of the tokens, by runner
}

type recognition struct {
	runner string
	until  time.Time
}

// runner is whose token this is, empty when it is to be looked up.
func (r *recognized) runner(hash [32]byte) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, is := r.runners[hash]
	if !is || time.Now().After(known.until) {
		return ""
	}
	return known.runner
}

func (r *recognized) remember(hash [32]byte, runner string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runners == nil {
		r.runners, r.hashes = map[[32]byte]recognition{}, map[string][32]byte{}
	}
	r.runners[hash], r.hashes[runner] = recognition{runner, time.Now().Add(recognizedFor)}, hash
}

// keep goes on knowing a runner that was known, until it comes back.
func (r *recognized) keep(runner string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if hash, known := r.hashes[runner]; known {
		r.runners[hash] = recognition{runner, time.Now().Add(recognizedFor)}
	}
}

// knows says whether a runner would be known by its token now.
func (r *recognized) knows(runner string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	hash, known := r.hashes[runner]
	return known && !time.Now().After(r.runners[hash].until)
}

// forget drops a runner that has left.
func (r *recognized) forget(runner string) {
	r.drop(func(known recognition) bool { return known.runner == runner })
}

// forgetOld drops those that have not called lately.
func (r *recognized) forgetOld() {
	long := time.Now().Add(-rememberedFor)
	r.drop(func(known recognition) bool { return long.After(known.until) })
}

func (r *recognized) drop(which func(recognition) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for hash, known := range r.runners {
		if which(known) {
			delete(r.runners, hash)
			delete(r.hashes, known.runner)
		}
	}
}

package simulation

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// plan is what a seed decides before anything runs.
type plan struct {
	seed     uint64
	replicas int
	deaf     bool          // no replica hears the wake-ups of others
	http     bool          // runners, agents and people speak through the real client and server
	trouble  time.Duration // for how long things break; then there is peace until all tasks have ended
	bad      float64       // the chance that a message meets a fault while there is trouble
	faults   []fault       // those that this seed knows: a few kinds find more than all at once
	strikes  []strike
	every    time.Duration   // between two strikes
	lasting  []time.Duration // the most that one may last: one of these
	slow     bool            // planes take their time between a look and the change that follows from it

	disk   bool  // writes take their time, and those that come meanwhile are carried out together
	coarse bool  // calls arrive together, every few milliseconds
	clocks bool  // those of the replicas differ by some seconds
	limit  int64 // bytes of output that are kept of an attempt; 0: more than any has
	bucket bool  // output that makes a part goes into one
	loud   int   // how many times as much as a little is printed

	repeats bool // every task may be interrupted and begin again

	hosts      int
	submitters int
	jobs       int  // of each submitter
	reads      bool // somebody follows output
}

// newPlan draws a plan. Small ones are many: what breaks with two runners and four tasks is found there, and is easier
// to understand.
func newPlan(seed uint64) plan {
	r := stream(seed, "plan")
	p := plan{
		seed: seed, replicas: 1 + r.IntN(2), deaf: r.IntN(2) == 0, http: r.IntN(16) == 0,
		trouble: between(r, 15*time.Second, 80*time.Second),
		bad:     0.02 + 0.3*r.Float64()*r.Float64(), every: between(r, 3*time.Second, 20*time.Second),
		lasting: []time.Duration{time.Second, 10 * time.Second, 70 * time.Second}, slow: r.IntN(4) == 0,
		hosts: 2 + r.IntN(3), submitters: 1 + r.IntN(2), jobs: 1 + r.IntN(3), reads: r.IntN(2) == 0,
	}
	p.disk, p.clocks, p.bucket, p.loud = r.IntN(2) == 0, r.IntN(3) == 0, r.IntN(3) == 0, 1
	if r.IntN(3) == 0 {
		p.loud, p.limit = 1+r.IntN(8), 200+r.Int64N(3000)
	}
	if p.bucket {
		p.loud = 1 + r.IntN(8)
		if p.limit > 0 {
			p.limit += 8 * partSize // with less, nothing is moved
		}
	}
	p.coarse = r.IntN(2) == 0
	for _, f := range allFaults() {
		if r.IntN(3) == 0 {
			p.faults = append(p.faults, f)
		}
	}
	for _, s := range allStrikes() {
		if r.IntN(3) == 0 {
			p.strikes = append(p.strikes, s)
		}
	}
	if r.IntN(5) == 0 { // In peace from the start the bounds of waiting hold from the start.
		p.faults, p.strikes = nil, nil
	}
	return p
}

// stream gives random numbers that depend on the seed and on who asks for what, and on nothing else.
func stream(seed uint64, names ...string) *rand.Rand {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, seed)
	for _, name := range names {
		_, _ = h.Write([]byte(name))
		_, _ = h.Write([]byte{0})
	}
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// between draws a time to the microsecond, so that hardly anything happens at the same moment.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64((most-least)/time.Microsecond)))*time.Microsecond
}

// one draws an element.
func one[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

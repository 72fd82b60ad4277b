// Package simulation tries the rules where the road between runners, agents, people and control planes is as bad as a
// road can be: one bubble of fake time holds real control planes over a real store, and real runners. It has tests
// only.
//
// A seed decides what is submitted, what breaks and when, so that a failure can be looked at again. Each actor draws
// from a stream of its own, and each message has a delay of its own: what two of them do hardly depends on which
// goroutine came first. It is not nothing, though: the jitter of retries and the scheduler are not seeded, so a failure
// prints what happened, too.
//
// What goes on beside each other does so in the store, which is the real one. On SQLite, where one transaction follows
// the other, some wait for the disk, and those that come meanwhile are carried out together. With
// REMUDA_TEST_DATABASE=postgres, transitions meet in PostgreSQL, in the modes that the rules ask for: in half of the seeds
// calls arrive together. The bucket for output lies in memory, with a road as bad as the others, and its parts are small.
// No rule goes by the clocks of runners, which are wrong by weeks. Those of control planes are set, and differ by as much as operators are told
// that they may.
//
// The mutations show that the simulation sees: each breaks one rule on purpose and must be noticed.
package simulation

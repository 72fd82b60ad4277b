// Package proof kills what Remuda is made of, as real processes, and looks whether anything is lost. It holds tests only.
//
//	kill      control planes, runners, task-agents and PostgreSQL end at random moments, some of them together, while
//	          tasks come and go
//	guest     a machine that runs the control plane loses its power, with all that its kernel had not put on disk
//	away      the disk is full, the bucket or the database is away, for as long as things are killed otherwise
//
// Each task counts its own executions in a file and prints what is known before. Afterwards every task that was
// acknowledged has ended, once; was executed as often as it allows; its output is what it printed, byte for byte, for
// who reads it later and for who followed it through all that; and no process, folder, cgroup, count or user is left.
//
// REMUDA_PROOF says for how long things are killed or away ("60s"), REMUDA_PROOF_SEED repeats what an earlier run did
// when, REMUDA_PROOF_RACE builds the programs so that they look for races of their own, REMUDA_PROOF_GUEST names the
// guest's kernel. `make prove` and `make guest` say what is usual.
package proof

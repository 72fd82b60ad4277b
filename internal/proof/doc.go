// Package proof kills what Remuda is made of, as real processes, and looks whether anything is lost. It holds tests only.
//
// REMUDA_PROOF says for how long things are killed ("60s"), REMUDA_PROOF_SEED repeats what an earlier run did when.
package proof

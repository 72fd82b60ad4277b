//go:build !race

package simulation

// seeds is how many are tried in CI. The race detector makes each twenty times as dear.
const seeds = 5000

//go:build race

package simulation

// seeds is how many are tried; the race detector makes each ten times as dear.
const seeds = 200

//go:build race

package simulation

// seeds is how many are tried in CI; see norace_test.go.
const seeds = 200

//go:build !race

package simulation

// seeds is how many are tried when nobody says; CI says 5,000.
const seeds = 300

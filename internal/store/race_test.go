//go:build race

package store_test

// eachClaimed is how many tasks of each organization many claimers take; the race detector makes each ten times as dear.
const eachClaimed = 150

//go:build !race

package store_test

// eachClaimed is how many tasks of each organization many claimers take; 'make prove' has five times as many.
const eachClaimed = 667

//go:build !linux && !darwin

package main

import "math"

// mostFiles is how many files this process may have open: there is no such limit here.
func mostFiles() uint64 { return math.MaxUint64 }

//go:build linux || darwin

package main

import (
	"math"
	"syscall"
)

// mostFiles is how many files this process may have open. Go has raised the limit as far as it may be.
func mostFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint64
	}
	return limit.Cur
}

//go:build !linux

package machine

// spread is of Linux.
func spread(string) {}

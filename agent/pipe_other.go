//go:build !linux

package agent

import "os"

// pipeHolds is nothing here: steps write into their spools themselves.
func pipeHolds(*os.File) int { return 0 }

//go:build !unix

package agent_test

import "os"

// mkfifo makes what comes closest: something that is no file.
func mkfifo(path string) error { return os.Mkdir(path, 0o700) }

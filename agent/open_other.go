//go:build !unix

package agent

import "io/fs"

// openNoBlock has no meaning here: there are no named pipes among files.
const openNoBlock = 0

// hasOneName is not known here.
func hasOneName(fs.FileInfo) bool { return true }

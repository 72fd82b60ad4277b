//go:build !unix

package agent

// openNoBlock has no meaning here: there are no named pipes among files.
const openNoBlock = 0

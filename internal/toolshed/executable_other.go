//go:build !windows

package toolshed

const executableSuffix = ""

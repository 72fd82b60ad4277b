//go:build linux || darwin

package machine

import "golang.org/x/sys/unix"

func roomOf(dir string) (room, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return room{}, err
	}
	block := uint64(stat.Bsize)
	// What root alone may use is of no use to tasks.
	return room{free: stat.Bavail * block, size: stat.Blocks * block, freeFiles: stat.Ffree, mostOfFiles: stat.Files}, nil
}

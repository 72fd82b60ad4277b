package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// topOfTrees marks a folder whose folders have nothing to do with each other (chattr +T); see FS_IOC_SETFLAGS(2const).
const topOfTrees = 0x20000

// spread lets an ext4 without a journal, as small virtual machines have it, put the folders of a folder far from each
// other. Such a file system gives no new file the place of one that was deleted in the last minutes, and looks at all
// of those nearby, one after the other: where thousands of short tasks come and go, that was a fifth of what an agent
// costs. With a journal it does not, and far from each other would mean more to write.
func spread(dir string) {
	folder, err := os.Open(dir)
	if err != nil {
		return
	}
	defer folder.Close()
	raw, err := folder.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if !withoutJournal(int(fd)) {
			return
		}
		if flags, err := unix.IoctlGetInt(int(fd), unix.FS_IOC_GETFLAGS); err == nil && flags&topOfTrees == 0 {
			_ = unix.IoctlSetPointerInt(int(fd), unix.FS_IOC_SETFLAGS, flags|topOfTrees) // refused, it goes on as it did
		}
	})
}

// withoutJournal is true for a file of an ext4 that says that nothing writes a journal.
func withoutJournal(fd int) bool {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return false
	}
	number := fmt.Sprintf("%d:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev))
	device, err := os.Readlink(filepath.Join("/sys/dev/block", number))
	if err != nil {
		return false
	}
	journal, err := os.ReadFile(filepath.Join("/sys/fs/ext4", filepath.Base(device), "journal_task"))
	return err == nil && strings.TrimSpace(string(journal)) == "<none>"
}

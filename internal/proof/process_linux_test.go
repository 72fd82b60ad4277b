package proof

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// eachProcess visits the processes of this machine.
func eachProcess(visit func(pid int, dir string)) {
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && pid != os.Getpid() {
			visit(pid, filepath.Join("/proc", entry.Name()))
		}
	}
}

// killAgents kills those task-agents that are chosen. A runner is the same binary, with a word behind its name.
func killAgents(chosen func() bool) (killed int) {
	eachProcess(func(pid int, dir string) {
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		agent := exe == filepath.Join(bin, "remuda-agent") && bytes.Count(command, []byte{0}) == 1
		if agent && chosen() && syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	})
	return killed
}

// processesOf are those that have to do with a folder: they were started from it, in it, or with its name.
func processesOf(dir string) (found []*os.Process) {
	eachProcess(func(pid int, at string) {
		exe, _ := os.Readlink(filepath.Join(at, "exe"))
		cwd, _ := os.Readlink(filepath.Join(at, "cwd"))
		command, _ := os.ReadFile(filepath.Join(at, "cmdline"))
		agents := strings.HasPrefix(exe, filepath.Join(bin, "remuda-agent"))
		if agents || within(dir, exe) || within(dir, cwd) || bytes.Contains(command, []byte(dir+"/")) {
			if p, err := os.FindProcess(pid); err == nil {
				found = append(found, p)
			}
		}
	})
	return found
}

func within(dir, path string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func describe(p *os.Process) string {
	command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.Pid))
	return fmt.Sprintf("process %d: %s", p.Pid, bytes.ReplaceAll(command, []byte{0}, []byte(" ")))
}

// The users of tasks are numbers: docs/decisions/0004. Each runner has 1000 of them, and its folder is written down here.
const (
	firstUID  = 2_100_000_000
	blocksDir = "/run/remuda"
)

// uidsOf says whether a user is one of the tasks of the runners in a folder.
func uidsOf(dir string) func(uid uint32) bool {
	var blocks []uint32
	entries, _ := os.ReadDir(blocksDir)
	for _, entry := range entries {
		number, ok := strings.CutPrefix(entry.Name(), "uids-")
		block, err := strconv.Atoi(number)
		holder, _ := os.ReadFile(filepath.Join(blocksDir, entry.Name()))
		if ok && err == nil && within(dir, string(holder)) {
			blocks = append(blocks, uint32(block))
		}
	}
	return func(uid uint32) bool {
		for _, block := range blocks {
			if uid >= firstUID+block*1000 && uid < firstUID+(block+1)*1000 {
				return true
			}
		}
		return false
	}
}

// dead is true of a process of which only its parent has to take leave: an orphan's is the machine's first, in its own time.
func dead(at string) bool {
	status, err := os.ReadFile(filepath.Join(at, "status"))
	return err != nil || bytes.Contains(status, []byte("State:\tZ"))
}

// present are the processes that there are. Those of an earlier test, whose users' numbers are used again, are not ours.
func present() map[int]bool {
	found := map[int]bool{}
	eachProcess(func(pid int, _ string) { found[pid] = true })
	return found
}

// leftovers are what should not be there when all tasks have ended and their runners are gone.
func leftovers(dir string, attempts map[string]bool, before map[int]bool) (found []string) {
	for _, p := range processesOf(dir) {
		// One without a command line is ending, as backends of a database do whose first process was killed.
		if text := describe(p); !strings.HasSuffix(text, ": ") {
			found = append(found, text)
		}
	}
	ours := uidsOf(dir)
	eachProcess(func(pid int, at string) {
		if info, err := os.Stat(at); err == nil && ours(ownerOf(info)) && !before[pid] && !dead(at) {
			found = append(found, fmt.Sprintf("process %d of a task's user", pid))
		}
	})
	claims, _ := filepath.Glob(filepath.Join(dir, "runner-*", "claims", "*"))
	sockets, _ := filepath.Glob(filepath.Join(dir, "tmp", "*"))
	found = append(append(found, claims...), sockets...)
	for _, root := range []string{dir, "/tmp/*", "/dev/shm/*", "/var/tmp/*"} {
		tops, _ := filepath.Glob(root)
		for _, top := range tops {
			if info, err := os.Lstat(top); err == nil && ours(ownerOf(info)) {
				found = append(found, top+" is a task's user's")
			}
		}
	}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := entry.Info(); err == nil && ours(ownerOf(info)) {
			found = append(found, path+" is a task's user's")
		}
		return nil
	})
	return append(found, groupsOf(attempts)...)
}

func ownerOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }

// groupsOf are the cgroups of attempts that are left.
func groupsOf(attempts map[string]bool) (found []string) {
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return nil
		}
		if id, ok := strings.CutPrefix(entry.Name(), "remuda-"); ok && attempts[id] {
			found = append(found, path)
		}
		return nil
	})
	return found
}

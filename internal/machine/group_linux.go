package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// runnersLeaf is the group into which the runner moves itself to limit its tasks: the kernel gives controllers only to
// groups whose parent has no processes of its own. A unit of systemd's says DelegateSubgroup=remuda-runner.
const runnersLeaf = "remuda-runner"

// groups are the cgroups of this runner's tasks.
type groups struct {
	parent string // a folder of cgroup v2 that we may write; empty when the host has none
	limits map[string]string
}

func (g groups) found() bool { return g.parent != "" }

// findGroups finds where this process may make groups, and whether they can have limits.
func findGroups(limits Limits, log *slog.Logger) groups {
	own, err := ownGroup()
	if err != nil {
		log.Debug("no cgroup v2", "error", err)
		return unlimited(limits, log, "the host has no cgroup v2")
	}
	parent := own
	if filepath.Base(own) == runnersLeaf {
		parent = filepath.Dir(own)
	}
	probe := filepath.Join(parent, "remuda-probe-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(probe, 0o755); err != nil {
		log.Debug("no cgroup v2 that may be written", "error", err)
		return unlimited(limits, log, "the runner may not make cgroups in "+parent)
	}
	_ = os.Remove(probe)
	sweepGroups(parent)
	g := groups{parent: parent, limits: limits.files()}
	if err := g.enable(own); err != nil {
		unlimited(limits, log, err.Error())
		g.limits = nil
	}
	return g
}

// sweepGroups removes groups that are long empty: those of tasks that died with their runner. The kernel refuses to
// remove any other.
func sweepGroups(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !entry.IsDir() || !strings.HasPrefix(entry.Name(), "remuda-") || entry.Name() == runnersLeaf {
			continue
		}
		if time.Since(info.ModTime()) > time.Hour { // A young one may wait for its task to start.
			_ = os.Remove(filepath.Join(parent, entry.Name()))
		}
	}
}

func unlimited(limits Limits, log *slog.Logger, because string) groups {
	if len(limits.files()) > 0 {
		log.Warn("the limits of tasks do not apply", "because", because)
	}
	return groups{}
}

// files are the files of a cgroup that hold the limits. See the kernel's admin-guide/cgroup-v2.
func (l Limits) files() map[string]string {
	const period = 100_000 // µs
	files := map[string]string{}
	if l.Memory > 0 {
		files["memory.max"] = strconv.FormatInt(l.Memory, 10)
	}
	if l.CPU > 0 {
		files["cpu.max"] = fmt.Sprintf("%d %d", max(1000, int64(l.CPU*period)), period)
	}
	if l.Pids > 0 {
		files["pids.max"] = strconv.FormatInt(l.Pids, 10)
	}
	return files
}

// ownGroup is the folder of this process's cgroup: where cgroup2 is mounted, alone or beside version 1.
func ownGroup() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	mount := ""
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "cgroup2" {
			mount = fields[1]
			break
		}
	}
	if mount == "" {
		return "", errors.New("cgroup2 is not mounted")
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(own)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return filepath.Join(mount, path), nil
		}
	}
	return "", errors.New("this process is in no group of cgroup2")
}

// enable makes the controllers that the limits need available to the tasks' groups.
func (g groups) enable(own string) error {
	var wanted []string
	for file := range g.limits {
		name, _, _ := strings.Cut(file, ".")
		wanted = append(wanted, name)
	}
	slices.Sort(wanted)
	available, err := os.ReadFile(filepath.Join(g.parent, "cgroup.controllers"))
	if err != nil {
		return err
	}
	enabled, err := os.ReadFile(filepath.Join(g.parent, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	for _, name := range wanted {
		if slices.Contains(strings.Fields(string(enabled)), name) {
			continue
		}
		if !slices.Contains(strings.Fields(string(available)), name) {
			return fmt.Errorf("%s has no controller %s of cgroup v2", g.parent, name)
		}
		err := writeGroup(g.parent, "cgroup.subtree_control", "+"+name)
		if errors.Is(err, unix.EBUSY) && own == g.parent {
			err = errors.Join(moveSelf(own), writeGroup(g.parent, "cgroup.subtree_control", "+"+name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// moveSelf moves this process into a leaf of its group, if it is alone there.
func moveSelf(own string) error {
	members, err := os.ReadFile(filepath.Join(own, "cgroup.procs"))
	if err != nil {
		return err
	}
	self := strconv.Itoa(os.Getpid())
	if fields := strings.Fields(string(members)); len(fields) != 1 || fields[0] != self {
		return fmt.Errorf("%s has other processes than the runner: give it a group of its own", own)
	}
	leaf := filepath.Join(own, runnersLeaf)
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return writeGroup(leaf, "cgroup.procs", self)
}

func writeGroup(group, file, text string) error {
	return os.WriteFile(filepath.Join(group, file), []byte(text), 0)
}

// of is the group of a claim.
func (g groups) of(claimID string) string { return filepath.Join(g.parent, "remuda-"+claimID) }

// left is the group of a claim, if there is one.
func (g groups) left(claimID string) string {
	if !g.found() {
		return ""
	}
	if _, err := os.Stat(g.of(claimID)); err != nil {
		return ""
	}
	return g.of(claimID)
}

// make makes the group of one claim; none where that does not go.
func (g groups) make(claimID string, log *slog.Logger) string {
	if !g.found() {
		return ""
	}
	group := g.of(claimID)
	err := os.Mkdir(group, 0o755)
	if errors.Is(err, fs.ErrExist) {
		err = nil // Of a runner that died before it could note it.
	}
	for file, text := range g.limits {
		if err == nil {
			err = writeGroup(group, file, text)
		}
	}
	if err != nil {
		log.Warn("the task has no cgroup of its own", "error", err)
		_ = os.Remove(group)
		return ""
	}
	return group
}

// killGroup kills all in a group and removes it. A group that is not there any more is no error.
func killGroup(group string) error {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(killingTook); time.Now().Before(deadline); <-ticker.C {
		err := os.Remove(group) // Goes only when nothing is in it: the usual case, and one call.
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err := killMembers(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("kill what is left of a task: %w", err)
		}
	}
	return fmt.Errorf("what is left of a task in %s cannot be killed: the kernel holds it", group)
}

// killMembers kills the group as a whole, or, on a kernel older than 5.14, what is in it now. Groups that the task made
// below its own are killed with it and removed.
func killMembers(group string) error {
	err := writeGroup(group, "cgroup.kill", "1")
	if errors.Is(err, fs.ErrNotExist) {
		err = killEach(group)
	}
	below, readErr := os.ReadDir(group)
	for _, entry := range below {
		if entry.IsDir() {
			_ = killMembers(filepath.Join(group, entry.Name()))
			_ = os.Remove(filepath.Join(group, entry.Name()))
		}
	}
	return errors.Join(err, readErr)
}

func killEach(group string) error {
	members, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	for _, member := range strings.Fields(string(members)) {
		if pid, err := strconv.Atoi(member); err == nil && pid > 0 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	return err
}

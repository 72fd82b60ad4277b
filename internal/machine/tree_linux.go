package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// killingTook is for how long what is left of a task is killed again and again, should it go on forking.
const killingTook = 10 * time.Second

// becomeSubreaper makes this process the parent of its descendants whose own parent ends, so that what a task leaves
// behind stays among them. Only where there are no cgroups: it makes reaping them our business.
func becomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt what tasks leave behind: %w", err)
	}
	return nil
}

// end kills all that belongs to a claim, and returns when it is dead.
func (e *Executor) end(r record, p *process) error {
	if r.Group != "" {
		if err := killGroup(r.Group); err != nil {
			return err
		}
	} else if isTaskUser(r.UID) {
		if err := killUser(r.UID); err != nil {
			return err
		}
	} else if err := e.killTree(r, p); err != nil {
		return err
	}
	if p != nil && !p.ended {
		p.waitWithin(time.Second)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.agents, r.Pid)
	e.reapOrphans()
	return nil
}

// killTree kills an agent and all that it started, where there is no cgroup.
func (e *Executor) killTree(r record, p *process) error {
	if r.Pid == 0 {
		return nil
	}
	// The agent is the parent of every orphan below it, so it is stopped first and killed last: as long as it is
	// there, its descendants are the whole task.
	alive := p != nil && !p.ended
	if alive {
		p.signal(unix.SIGSTOP)
	}
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(killingTook); time.Now().Before(deadline); <-ticker.C {
		processes, err := allProcesses()
		if err != nil {
			return err
		}
		left := e.leftOf(r, p, processes)
		for _, pid := range left {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		switch {
		case len(left) > 0:
		case alive:
			p.signal(unix.SIGKILL)
			p.waitWithin(time.Second)
			alive = !p.ended
		default:
			return nil
		}
	}
	return errors.New("the task's processes cannot be killed: they go on being started, or the kernel holds them")
}

// leftOf are the living processes of a claim but its agent itself, as far as they can be told from others.
func (e *Executor) leftOf(r record, p *process, processes []stat) []int {
	isLeft := func(s stat) bool { return marked(s.pid, r) } // Long dead: its pid may be another's, its session too.
	switch {
	case p != nil && !p.ended:
		isLeft = func(s stat) bool { return s.parent == r.Pid }
	case p != nil:
		// Agents adopt the orphans below them, so that those which are ours had one that is dead: this one, or another
		// whose turn comes.
		self := os.Getpid()
		session := sessionOf(processes, self)
		isLeft = func(s stat) bool {
			return s.session == r.Pid || s.parent == self && s.session != session && !e.isAgent(s.pid)
		}
	}
	descends := map[int]bool{}
	var found []int
	for again := true; again; {
		again = false
		for _, s := range processes {
			if descends[s.pid] || s.pid == r.Pid || s.state == 'Z' || s.state == 'X' {
				continue
			}
			if descends[s.parent] || isLeft(s) {
				descends[s.pid], again = true, true
				found = append(found, s.pid)
			}
		}
	}
	return found
}

func (e *Executor) isAgent(pid int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.agents[pid]
}

// marked is true for a process in whose environment the claim's folder is named: HOME and TMPDIR of steps lie in it.
func marked(pid int, r record) bool {
	environment, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && r.Folder != "" && bytes.Contains(environment, []byte(r.Folder+"/"))
}

// reapOrphans takes leave of orphans that have ended. Those that others in this process wait for are in its session.
func (e *Executor) reapOrphans() {
	self := os.Getpid()
	if e.groups.found() && self != 1 {
		return // They are somebody else's orphans.
	}
	processes, err := allProcesses()
	if err != nil {
		return
	}
	session := sessionOf(processes, self)
	for _, s := range processes {
		if s.parent == self && s.state == 'Z' && s.session != session && !e.agents[s.pid] {
			_, _ = unix.Wait4(s.pid, nil, unix.WNOHANG, nil)
		}
	}
}

func sessionOf(processes []stat, pid int) int {
	for _, s := range processes {
		if s.pid == pid {
			return s.session
		}
	}
	return 0
}

// allProcesses lists what runs on this machine, as far as it can be seen.
func allProcesses() ([]stat, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("look for a task's processes: %w", err)
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("look for a task's processes: %w", err)
	}
	var all []stat
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			all = append(all, s)
		}
	}
	return all, nil
}

package machine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/remuda-dev/remuda/agent"
)

// handle is a file descriptor of a process, which becomes readable when it ends; nil on a kernel that has none.
type handle = *os.File

// adopts is whether a successor finds an agent that its runner left.
const adopts = true

// keepsReady is whether an agent can wait for its claim.
const keepsReady = true

// withoutHandle is how often a process is looked at that has no handle.
const withoutHandle = 20 * time.Millisecond

// launch starts an agent, from a thread of its own: what a process inherits of its thread (umask, the mark that it gains
// no privileges, whose death kills it) is so nobody else's. The thread lives as long as the agent, which the kernel
// would otherwise take for its parent's death.
func (e *Executor) launch(l launching) (*process, error) {
	p := &process{}
	started, ended, gone := make(chan error), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		runtime.LockOSThread() // Never unlocked: the thread ends with this goroutine.
		err := e.prepareThread(l)
		if err == nil {
			err = e.fork(p, l)
		}
		started <- err
		if err == nil && e.config.DieWithParent {
			<-ended
		}
	}()
	p.free = func() {
		close(ended)
		<-gone
	}
	if err := <-started; err != nil {
		p.free()
		return nil, err
	}
	return p, nil
}

// prepareThread changes what the calling thread hands down.
func (e *Executor) prepareThread(l launching) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("separate the umask: %w", err)
	}
	unix.Umask(0o077)
	e.giveName(l.passwd)
	agent.RestTimers()
	if l.account.byPrefix {
		return nil // sudo and its like gain privileges; the agent behind them gives them up.
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up gaining privileges: %w", err)
	}
	return nil
}

// fork starts the process itself, in its cgroup if that goes.
func (e *Executor) fork(p *process, l launching) error {
	path, err := lookPath(l.argv[0], e.config.Environment["PATH"])
	if err != nil {
		return err
	}
	attr := &os.ProcAttr{
		Dir: l.dir,
		// An agent moves what others write and mostly waits: on several processors at once it wakes threads for nothing.
		Env: []string{"PATH=" + e.config.Environment["PATH"], "LANG=" + e.config.Environment["LANG"], "GOMAXPROCS=1"},
		// Output of a prefix goes where the agent's words go.
		Files: []*os.File{l.input, l.output, l.output},
		Sys:   &syscall.SysProcAttr{Setsid: true, Credential: l.account.credential()},
	}
	if e.config.DieWithParent {
		// TERM, not KILL: the agent then ends its steps before itself, which nobody else would do.
		attr.Sys.Pdeathsig = syscall.SIGTERM
	}
	if l.group != "" {
		group, err := os.Open(l.group)
		if err != nil {
			return fmt.Errorf("open the task's cgroup: %w", err)
		}
		defer group.Close()
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(group.Fd())
	}
	// Whoever reaps orphans must know the child for what it is before it can end.
	e.mu.Lock()
	defer e.mu.Unlock()
	child, err := os.StartProcess(path, l.argv, attr)
	if err != nil {
		return err
	}
	e.agents[child.Pid] = true
	p.pid, p.child = child.Pid, child
	p.started, _ = startOf(child.Pid, e.boot)
	p.handle = openHandle(child.Pid)
	return nil
}

// openHandle is nil where the kernel is older than 5.10.
func openHandle(pid int) handle {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "process "+strconv.Itoa(pid))
}

// findProcess is the process of a record, if it still runs.
func findProcess(r record) *process {
	if r.Pid == 0 {
		return nil
	}
	p := &process{pid: r.Pid, started: r.Started, handle: openHandle(r.Pid)}
	if !p.alive() { // Looked at after the handle was opened, which therefore is not of a later process.
		p.closeHandle()
		return nil
	}
	return p
}

// alive is true while the process runs that was started, and not another one with its pid.
func (p *process) alive() bool {
	started, running := startOf(p.pid, bootID())
	return running && started == p.started
}

// startOf tells when a process started, in a form that differs between any two with the same pid, of all times.
func startOf(pid int, boot string) (started string, running bool) {
	stat, err := readStat(pid)
	if err != nil || boot == "" {
		return "", false
	}
	return stat.started + "@" + boot, stat.state != 'Z' && stat.state != 'X'
}

// bootID tells this start of the machine from all others; empty where the kernel does not say.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(id))
}

// stat is what /proc/PID/stat says of a process.
type stat struct {
	pid, parent, session int
	state                byte
	started              string
}

// readStat reads "12 (any name) S parent group session …". The 22nd field is the start in ticks since boot; see proc(5).
func readStat(pid int) (stat, error) {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	fields := strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:]))
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("process %d: %q is not how a process is described", pid, line)
	}
	s := stat{pid: pid, state: fields[0][0], started: fields[19]}
	s.parent, err = strconv.Atoi(fields[1])
	if err == nil {
		s.session, err = strconv.Atoi(fields[3])
	}
	return s, err
}

// wait returns when the process has ended, which it notes, or ctx has.
func (p *process) wait(ctx context.Context) exit {
	if p.handle == nil {
		p.poll(ctx)
	} else {
		p.await(ctx)
	}
	if !p.ended {
		return unknownExit()
	}
	if p.child != nil {
		state, err := p.child.Wait()
		if err != nil {
			return unknownExit()
		}
		return exitOf(state)
	}
	// Adopted within one process: a child all the same, which somebody has to take leave of.
	var status unix.WaitStatus
	if pid, err := unix.Wait4(p.pid, &status, unix.WNOHANG, nil); err == nil && pid == p.pid && status.Exited() {
		return exit{status.ExitStatus(), fmt.Sprintf("exit status %d", status.ExitStatus())}
	}
	return unknownExit()
}

// await waits by the handle.
func (p *process) await(ctx context.Context) {
	raw, err := p.handle.SyscallConn()
	if err != nil {
		p.poll(ctx)
		return
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = p.handle.SetReadDeadline(time.Unix(1, 0))
	})
	err = raw.Read(func(fd uintptr) bool {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		p.ended = err == nil && ready > 0
		return p.ended
	})
	if !stop() {
		<-interrupted
		_ = p.handle.SetReadDeadline(time.Time{})
	}
	if err != nil && ctx.Err() == nil {
		p.poll(ctx)
	}
}

// poll waits by looking.
func (p *process) poll(ctx context.Context) {
	ticker := time.NewTicker(withoutHandle)
	defer ticker.Stop()
	for {
		if !p.alive() {
			p.ended = true
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// waitWithin waits for the end of a process that was killed.
func (p *process) waitWithin(long time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	p.wait(ctx)
}

// terminate sends TERM to the agent; to its whole group when another command stands before it.
func (p *process) terminate(group bool) {
	if group {
		_ = unix.Kill(-p.pid, unix.SIGTERM)
		return
	}
	p.signal(unix.SIGTERM)
}

// signal reaches this process alone, also when another one has its pid by now.
func (p *process) signal(signal unix.Signal) {
	if p.handle == nil {
		if p.alive() {
			_ = unix.Kill(p.pid, signal)
		}
		return
	}
	if raw, err := p.handle.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.PidfdSendSignal(int(fd), signal, nil, 0) })
	}
}

// release lets go of a process, whether it has ended or not.
func (p *process) release() {
	p.closeHandle()
	if p.child != nil && !p.ended {
		_ = p.child.Release()
	}
	if p.free != nil {
		p.free()
	}
}

func (p *process) closeHandle() {
	if p.handle != nil {
		_ = p.handle.Close()
	}
}

package agent

import (
	"os/exec"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// usualSlack is how late the kernel may wake a process that sleeps, unless somebody says otherwise.
	usualSlack = 50 * time.Microsecond
	// restingSlack is how late it may wake an agent, a runner or a control plane. While anything of a Go program runs, its
	// monitor sleeps for 20 µs, looks, and sleeps again: in the few milliseconds of a short task that is a twentieth of
	// what its agent costs, and more of a control plane.
	restingSlack = 300 * time.Microsecond
)

// RestTimers lets the calling thread sleep a little longer than it asks for, and with it what is started from it or
// what it becomes; it tells whether it changed anything. An agent starts its steps without that. Where an operator said
// how late a process may be, it changes nothing.
func RestTimers() bool {
	if slack() != usualSlack {
		return false
	}
	setSlack(restingSlack)
	return slack() == restingSlack
}

// startAwake starts a step's process, which is woken as punctually as any other.
func startAwake(cmd *exec.Cmd) error {
	runtime.LockOSThread() // What a process begins with is its thread's.
	defer runtime.UnlockOSThread()
	if slack() == restingSlack {
		setSlack(usualSlack)
		defer setSlack(restingSlack)
	}
	return cmd.Start()
}

func slack() time.Duration {
	ns, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return 0
	}
	return time.Duration(ns)
}

// setSlack changes the calling thread; one that cannot be changed stays as it is, which costs time and nothing else.
func setSlack(to time.Duration) {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(to.Nanoseconds()), 0, 0, 0)
}

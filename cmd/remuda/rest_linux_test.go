package main

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAControlPlaneIsWokenLaterUnlessItsOperatorSaidHowLate(t *testing.T) {
	for name, test := range map[string]struct{ given, want time.Duration }{
		"as a rule":              {50 * time.Microsecond, 300 * time.Microsecond},
		"told to be punctual":    {time.Microsecond, time.Microsecond},
		"told to be later still": {time.Millisecond, time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread() // A process begins with what its parent's thread has.
			defer runtime.UnlockOSThread()
			setSlack(t, test.given)
			defer setSlack(t, 50*time.Microsecond)
			s := startServer(t, t.TempDir())
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/timerslack_ns", s.command.Process.Pid))
			if err != nil {
				t.Skip("this kernel does not tell how late it wakes a process")
			}
			if string(text) != fmt.Sprintln(test.want.Nanoseconds()) {
				t.Errorf("started with %s it has %q", test.given, text)
			}
			s.term()
		})
	}
}

func setSlack(t *testing.T, to time.Duration) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(to.Nanoseconds()), 0, 0, 0); err != nil {
		t.Fatal(err)
	}
}

package machine

import (
	"os"
)

// process is an agent, or the command that stands before it. It is a child of ours, or an earlier runner's.
type process struct {
	pid     int
	started string // tells it from a later process with the same pid
	ended   bool   // wait has seen its end
	child   *os.Process
	handle  handle // what the system waits by
	free    func() // lets go of the thread that started it; nil for an adopted one
}

// launching is what it takes to start an agent.
type launching struct {
	argv          []string
	dir           string
	input, output *os.File
	group         string // a cgroup; may be empty
	account       account
	passwd        string // what it is to find as /etc/passwd; may be absent
}

// exit is how a process ended.
type exit struct {
	code int // -1 when a signal ended it, or when nobody knows
	text string
}

func (e exit) String() string {
	if e.text == "" {
		return "nobody saw how it ended"
	}
	return e.text
}

// unknownExit is how a process ended whose parent we are not.
func unknownExit() exit { return exit{code: -1} }

func exitOf(state *os.ProcessState) exit { return exit{state.ExitCode(), state.String()} }

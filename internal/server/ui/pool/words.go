package pool

import (
	"strconv"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// statesShown are the states of runners in the order in which their numbers are told.
func statesShown() []remuda.RunnerState {
	return []remuda.RunnerState{
		remuda.RunnerBusy, remuda.RunnerIdle, remuda.RunnerDraining, remuda.RunnerPaused, remuda.RunnerQuarantined, remuda.RunnerSilent,
	}
}

// limit tells a number of tasks, of which 0 means any.
func limit(n int) string {
	if n == 0 {
		return "none"
	}
	return strconv.Itoa(n)
}

// accessWords say who may use a class.
func accessWords(class remuda.ResourceClass) string {
	switch class.Access {
	case remuda.AccessAll:
		return "every organization"
	case remuda.AccessSome:
		return strings.Join(append([]string{class.Organization}, class.Organizations...), ", ")
	default:
		return class.Organization + " alone"
	}
}

// platform is what a runner runs on, such as linux/amd64.
func platform(r remuda.Runner) string {
	if r.OS == "" || r.Arch == "" {
		return r.OS + r.Arch
	}
	return r.OS + "/" + r.Arch
}

// standing says in words where a runner stands that does not take tasks as usual; empty when it does.
func standing(r remuda.Runner) string {
	switch r.State {
	case remuda.RunnerPaused:
		return "Somebody paused it: it takes nothing new until it is resumed. What it runs goes on."
	case remuda.RunnerDraining:
		return "It drains: it takes nothing new, finishes what it has, and then ends."
	case remuda.RunnerQuarantined:
		return "It finds its machine unfit and takes nothing new" + because(r.Reason) +
			" It tries again by itself. When the machine is mended, resume it to have it try at once."
	case remuda.RunnerSilent:
		return "It has given no sign for 30 seconds or more: its process, its machine or the network between is down. What it had not begun is " +
			"queued again; what it had begun is given up when it stays silent for as long as its class allows. Look at its log on the machine."
	case remuda.RunnerLost:
		return "It took leave, or was silent for 12 hours. If it should still be there, start it again on its machine and look at its log."
	default:
		if r.Reason != "" {
			return "It takes nothing new" + because(r.Reason)
		}
		return ""
	}
}

// because ends a sentence with a reason.
func because(reason string) string {
	if reason == "" {
		return "."
	}
	return ": " + strings.TrimRight(reason, ".") + "."
}

// waited tells how long the oldest task has waited, in whole minutes: a page that tells seconds is never still.
func waited(s remuda.Scaling) string {
	switch minutes := s.OldestAge / 60; {
	case s.Queued == 0:
		return "none waits"
	case minutes == 0:
		return "less than a minute"
	default:
		return remuda.Duration(time.Duration(minutes) * time.Minute).String()
	}
}

// stateWord is a runner's state in the word that people see.
func stateWord(state remuda.RunnerState) string {
	if state == remuda.RunnerLost {
		return "gone"
	}
	return string(state)
}

// arrival says of a runner what one wants to know of a new one.
func arrival(r remuda.Runner) string {
	if r.State == remuda.RunnerSilent || r.State == remuda.RunnerLost {
		return "was connected, and is " + stateWord(r.State) + " now"
	}
	return "connected, " + page.Counted(r.Slots, "slot", "slots") + ", " + stateWord(r.State)
}

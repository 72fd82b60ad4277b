package simulation

import (
	"fmt"
	"maps"
	"reflect"

	"github.com/anishathalye/porcupine"

	"github.com/remuda-dev/remuda"
)

// limits are what the sequential machine is held to.
type limits struct {
	organization int
	projects     map[string]int
	attempts     int
	slots        int

	// beside is for a store whose transitions go on beside each other, where each statement sees what was committed before
	// it. A sync looks how much room its runner has, waits for its turn to claim, and looks for tasks then: a claim that
	// ended meanwhile has made room of which it knows nothing, and a task that was submitted after that is given all the
	// same. So one that brings tasks may leave others, to the next request, which the end's wake-up brings. One that brings
	// none has no such excuse: then there was a moment at which the runner had no room, or no task could run.
	beside bool
}

// The calls and their answers.
type (
	submitCall   struct{ project string }
	submitAnswer struct{ tasks []string }
	syncCall     struct{ runner string }
	syncAnswer   struct{ claims []given }
	finishCall   struct {
		claim string
		state remuda.State
	}
	returnCall struct {
		claim    string
		draining bool
	}
	cancelCall struct{ task string }
)

// given is one claim in an answer.
type given struct {
	task, claim string
	number      int
}

// state is everything that the machine knows. One that was handed on is never changed.
type state struct {
	tasks  map[string]taskState
	claims map[string]claimState
}

type taskState struct {
	project  string
	state    remuda.State
	claim    string
	attempts int
	used     int
	canceled bool // asked for
}

type claimState struct {
	runner, task string
	state        remuda.AttemptState
}

// machine is the control plane as one would write it if there were only one caller: it says whether an answer may
// follow a state, and the state after it.
func machine(l limits) porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return state{} },
		Equal: func(a, b any) bool { return reflect.DeepEqual(a, b) },
		Step: func(before, asked, answer any) (bool, any) {
			s := before.(state)
			s.tasks, s.claims = maps.Clone(s.tasks), maps.Clone(s.claims)
			if s.tasks == nil {
				s.tasks, s.claims = map[string]taskState{}, map[string]claimState{}
			}
			switch asked := asked.(type) {
			case submitCall:
				for _, id := range answer.(submitAnswer).tasks {
					s.tasks[id] = taskState{project: asked.project, state: remuda.Queued}
				}
				return true, s
			case syncCall:
				return s.sync(l, asked.runner, answer.(syncAnswer).claims), s
			case finishCall:
				return s.finish(asked) == answer.(remuda.Kind), s
			case returnCall:
				return s.handBack(l, asked) == answer.(remuda.Kind), s
			case cancelCall:
				return s.cancel(asked.task) == answer.(remuda.Kind), s
			}
			return false, s
		},
		DescribeOperation: func(asked, answer any) string { return fmt.Sprintf("%T%+v -> %+v", asked, asked, answer) },
		DescribeState:     func(s any) string { return fmt.Sprintf("%+v", s) },
	}
}

// sync gives a runner its claims, if it may have just these: what it got could run, and when it has room left nothing
// else could.
func (s state) sync(l limits, runner string, claims []given) bool {
	for _, g := range claims {
		task, there := s.tasks[g.task]
		if !there || task.state != remuda.Queued || s.holds(runner) >= l.slots || !s.hasRoom(l, task.project) {
			return false
		}
		if task.attempts++; task.attempts != g.number {
			return false
		}
		task.used++
		task.state, task.claim = remuda.Running, g.claim
		s.tasks[g.task] = task
		s.claims[g.claim] = claimState{runner, g.task, remuda.AttemptClaimed}
	}
	if s.holds(runner) >= l.slots || l.beside && len(claims) > 0 {
		return true
	}
	for _, task := range s.tasks {
		if task.state == remuda.Queued && s.hasRoom(l, task.project) {
			return false
		}
	}
	return true
}

func (s state) holds(runner string) int {
	n := 0
	for _, c := range s.claims {
		if c.runner == runner && c.state.Live() {
			n++
		}
	}
	return n
}

func (s state) hasRoom(l limits, project string) bool {
	all, same := 0, 0
	for _, task := range s.tasks {
		if task.state == remuda.Running {
			all++
			if task.project == project {
				same++
			}
		}
	}
	return (l.organization == 0 || all < l.organization) && (l.projects[project] == 0 || same < l.projects[project])
}

func (s state) finish(f finishCall) remuda.Kind {
	c, there := s.claims[f.claim]
	switch {
	case !there:
		return remuda.NotFound
	case c.state == remuda.AttemptReturned:
		return remuda.Gone
	case !c.state.Live() && string(c.state) == string(f.state):
		return ""
	case !c.state.Live():
		return remuda.Conflict
	}
	c.state = remuda.AttemptState(f.state)
	s.claims[f.claim] = c
	task := s.tasks[c.task]
	task.state = f.state
	s.tasks[c.task] = task
	return ""
}

func (s state) handBack(l limits, r returnCall) remuda.Kind {
	c, there := s.claims[r.claim]
	switch {
	case !there:
		return remuda.NotFound
	case c.state == remuda.AttemptReturned:
		return ""
	case !c.state.Live():
		return remuda.Gone
	}
	c.state = remuda.AttemptReturned
	s.claims[r.claim] = c
	task := s.tasks[c.task]
	if r.draining {
		task.used--
	}
	switch {
	case task.canceled:
		task.state = remuda.Canceled
	case task.used >= l.attempts:
		task.state = remuda.Failed
	default:
		task.state = remuda.Queued
	}
	s.tasks[c.task] = task
	return ""
}

func (s state) cancel(id string) remuda.Kind {
	task, there := s.tasks[id]
	switch {
	case !there:
		return remuda.NotFound
	case task.state.Ended():
		return remuda.Conflict
	case task.state == remuda.Queued:
		task.state = remuda.Canceled
	default:
		task.canceled = true
	}
	s.tasks[id] = task
	return ""
}

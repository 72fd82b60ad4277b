package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// settle is how long the screen waits for what was written before and comes later: where the steps stand and what
// they wrote travel apart.
const settle = 150 * time.Millisecond

// screen shows one task to people: a header for each step, its output as it comes, how long it took.
type screen struct {
	p      *program
	w      io.Writer
	prefix string // of each line, where several tasks share the screen

	task    remuda.Task
	attempt int
	steps   []remuda.Step
	headed  map[int]bool // steps whose header was shown
	footed  map[int]bool // steps whose end was shown
	current int          // the step whose output was shown last; -1 for none
	held    []remuda.Chunk
	middle  bool   // the last byte shown did not end its line
	line    []byte // the unfinished line, where lines have a prefix
	silent  bool   // it was said that the runner is silent
}

func newScreen(p *program, prefix string) *screen {
	s := &screen{p: p, w: p.stdout, prefix: prefix}
	s.restart(0)
	return s
}

func (s *screen) restart(attempt int) {
	s.attempt, s.steps, s.headed, s.footed, s.current, s.held = attempt, nil, map[int]bool{}, map[int]bool{}, -1, nil
}

// told takes what the follower was told.
func (s *screen) told(f client.Followed) {
	switch {
	case f.Task != nil:
		s.moved(*f.Task)
	case f.Output != nil:
		s.held = append(s.held, *f.Output)
	case f.Skipped != nil:
		s.say(s.p.faint(s.p.stdout, "… "+f.Skipped.String()+" …"))
	}
	s.flush(false)
}

// moved takes a task as it stands now.
func (s *screen) moved(t remuda.Task) {
	s.task = t
	if len(t.Attempts) == 0 {
		return
	}
	last := t.Attempts[len(t.Attempts)-1]
	if last.Number != s.attempt {
		if s.attempt > 0 {
			s.flush(true)
			s.say(s.p.paint(s.p.stdout, odd, fmt.Sprintf("↻ attempt %d, on %s", last.Number, plain(last.Runner))))
		}
		s.restart(last.Number)
	}
	s.steps = last.Steps
	if silent := t.SilentSince != nil; silent != s.silent {
		s.silent = silent
		if silent {
			s.say(s.p.paint(s.p.stdout, odd, "… runner silent since "+t.SilentSince.Local().Format(time.TimeOnly)))
		} else if !t.State.Ended() {
			s.say(s.p.faint(s.p.stdout, "… the runner is back"))
		}
	}
}

// flush shows what can be shown in order; with all, also what waited for something before it.
func (s *screen) flush(all bool) {
	for len(s.held) > 0 {
		chunk := s.held[0]
		if chunk.Step != s.current && !all && s.waits(chunk.Step) {
			return
		}
		s.held = s.held[1:]
		s.turnTo(chunk.Step)
		s.write(chunk.Data)
	}
	if !all {
		return
	}
	for _, step := range s.steps {
		switch {
		case step.State.Ended():
			s.foot(step)
		case step.State == remuda.StepRunning && !s.headed[step.Number]:
			s.head(step.Number)
		}
	}
}

// waits is true while it is not known of every step that step n had to wait for that it has ended: what steps wrote
// comes in order, so their ends are on the way.
func (s *screen) waits(n int) bool {
	if _, known := s.step(n); !known {
		return true
	}
	return slices.ContainsFunc(s.steps, func(step remuda.Step) bool {
		return step.Number < n && !step.Background && !step.State.Ended()
	})
}

func (s *screen) step(n int) (remuda.Step, bool) {
	i := slices.IndexFunc(s.steps, func(step remuda.Step) bool { return step.Number == n })
	if i < 0 {
		return remuda.Step{Number: n, Name: fmt.Sprintf("step %d", n)}, false
	}
	return s.steps[i], true
}

// turnTo shows the ends of the steps before n, and whose output comes now.
func (s *screen) turnTo(n int) {
	if n == s.current {
		return
	}
	for _, step := range s.steps {
		if step.Number < n && step.State.Ended() {
			s.foot(step)
		}
	}
	s.head(n)
	s.current = n
}

func (s *screen) head(n int) {
	if s.current == n {
		return
	}
	step, _ := s.step(n)
	text := "▸ " + plain(step.Name)
	if s.headed[n] && s.current >= 0 {
		text += " (goes on)"
	} else if s.headed[n] {
		return
	}
	s.headed[n] = true
	s.current = n
	s.say(s.p.paint(s.p.stdout, busy, text))
}

// foot shows how a step ended, once.
func (s *screen) foot(step remuda.Step) {
	if s.footed[step.Number] {
		return
	}
	s.footed[step.Number] = true
	took := ""
	if step.StartedAt != nil && step.EndedAt != nil {
		took = short(step.EndedAt.Sub(*step.StartedAt))
	}
	name := plain(step.Name)
	switch step.State {
	case remuda.StepSkipped:
		s.say(s.p.faint(s.p.stdout, "– "+name+" skipped"))
		return
	case remuda.StepCanceled:
		s.say(s.p.paint(s.p.stdout, odd, "– "+join(name, "canceled")) + s.p.faint(s.p.stdout, "  "+took))
	case remuda.StepSucceeded:
		s.headed[step.Number] = s.headed[step.Number] || s.headLate(step)
		s.say(s.p.paint(s.p.stdout, good, "✓ ") + s.p.faint(s.p.stdout, join(name, took)))
	default:
		s.headed[step.Number] = s.headed[step.Number] || s.headLate(step)
		text := join(name, plain(step.Detail))
		if step.Detail == "" && step.ExitCode != nil {
			text = join(name, fmt.Sprintf("exit code %d", *step.ExitCode))
		}
		s.say(s.p.paint(s.p.stdout, bad, "✗ "+text) + s.p.faint(s.p.stdout, "  "+took))
	}
}

// headLate is the header of a step that wrote nothing.
func (s *screen) headLate(step remuda.Step) bool {
	s.head(step.Number)
	return true
}

func join(a, b string) string {
	if b == "" {
		return a
	}
	return a + "  " + b
}

// say prints a line of ours, on a line of its own.
func (s *screen) say(text string) {
	s.endLine()
	fmt.Fprintf(s.w, "%s%s\n", s.prefix, text)
}

func (s *screen) endLine() {
	if len(s.line) > 0 {
		fmt.Fprintf(s.w, "%s%s\n", s.prefix, s.line)
		s.line = s.line[:0]
	}
	if s.middle {
		fmt.Fprintln(s.w)
		s.middle = false
	}
}

// write prints output as it is. Where tasks share the screen, whole lines with a prefix.
func (s *screen) write(data []byte) {
	if len(data) == 0 {
		return
	}
	if s.prefix == "" {
		_, _ = s.w.Write(data)
		s.middle = data[len(data)-1] != '\n'
		return
	}
	for {
		before, after, found := bytes.Cut(data, []byte("\n"))
		s.line = append(s.line, before...)
		if !found {
			return
		}
		fmt.Fprintf(s.w, "%s%s\n", s.prefix, s.line)
		s.line, data = s.line[:0], after
	}
}

// result shows how the task ended.
func (s *screen) result(t remuda.Task) {
	s.flush(true)
	took := tookOf(t)
	if took != "" {
		took = " in " + took
	}
	name := plain(t.Name)
	switch t.State {
	case remuda.Succeeded:
		s.say(s.p.paint(s.p.stdout, good, "✓ "+name+" succeeded"+took))
	case remuda.Failed:
		text := "✗ " + name + " failed" + took
		if t.Reason != "" {
			text += " (" + string(t.Reason) + ")"
		}
		if t.Detail != "" {
			text += ": " + plain(t.Detail)
		}
		s.say(s.p.paint(s.p.stdout, bad, text))
	default:
		s.say(s.p.paint(s.p.stdout, odd, "– "+name+" "+string(t.State)+took))
	}
}

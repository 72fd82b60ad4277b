package task

import (
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
)

// sheetOf is a task that waited for so long, and then ran two steps of 1 s and 3 s, the first after 1 s.
func sheetOf(waited time.Duration) sheet {
	claimed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(s int) *time.Time { t := claimed.Add(time.Duration(s) * time.Second); return &t }
	return sheet{Task: remuda.Task{SubmittedAt: claimed.Add(-waited), Attempts: []remuda.Attempt{{
		Number: 1, State: remuda.AttemptSucceeded, ClaimedAt: claimed, BegunAt: at(1), EndedAt: at(5), Steps: []remuda.Step{
			{Number: 0, Name: "one", State: remuda.StepSucceeded, StartedAt: at(1), EndedAt: at(2)},
			{Number: 1, Name: "two", State: remuda.StepSucceeded, StartedAt: at(2), EndedAt: at(5)},
			{Number: 2, Name: "three", State: remuda.StepSkipped},
		},
	}}}}
}

func TestBarsStandWhereTheirTimeWas(t *testing.T) {
	w := sheetOf(5 * time.Second).waterfall()
	if len(w.Lines) != 5 || w.Live || w.Lines[4].From != nil {
		t.Fatalf("the waterfall is %+v", w)
	}
	for i, want := range [][2]string{{"0.00%", "50.00%"}, {"50.00%", "10.00%"}, {"60.00%", "10.00%"}, {"70.00%", "30.00%"}} {
		if x, width := w.place(w.Lines[i]); x != want[0] || width != want[1] {
			t.Errorf("%s stands at %s and is %s wide, want %v", w.Lines[i].Name, x, width, want)
		}
	}
	if got := w.tick(0.5) + " " + w.tick(1); got != "5.0s 10s" {
		t.Errorf("the ticks say %s", got)
	}
}

func TestALongWaitLeavesTheAxisToTheWork(t *testing.T) {
	w := sheetOf(time.Hour).waterfall()
	if x, width := w.place(w.Lines[2]); !w.Lines[0].Cut || x != "20.00%" || width != "20.00%" {
		t.Errorf("after an hour's wait a step stands at %s and is %s wide, cut is %v", x, width, w.Lines[0].Cut)
	}
}

func TestWhatGoesOnEndsWhereTheAxisDoes(t *testing.T) {
	s := sheetOf(5 * time.Second)
	a := &s.Attempts[0]
	a.State, a.EndedAt, a.Steps[1].EndedAt, a.Steps[1].State = remuda.AttemptBegun, nil, nil, remuda.StepRunning
	w := s.waterfall()
	if x, width := w.place(w.Lines[3]); !w.Live || x != "99.60%" || width != "0.40%" || moment(w.Lines[3].To) != "" {
		t.Errorf("a step that has just begun stands at %s and is %s wide", x, width)
	}
	if w := (sheet{}).waterfall(); w != nil {
		t.Error("a task that nobody has claimed has a waterfall")
	}
}

func TestASecondAttemptWaitedSinceTheFirstEnded(t *testing.T) {
	s := sheetOf(time.Hour)
	first := s.Attempts[0]
	second := first
	second.Number, second.ClaimedAt = 2, first.EndedAt.Add(2*time.Second)
	second.Steps, second.BegunAt, second.EndedAt = nil, nil, nil
	second.State = remuda.AttemptClaimed
	s.Attempts = append(s.Attempts, second)
	if w := s.waterfall(); !w.Lines[0].From.Equal(*first.EndedAt) {
		t.Errorf("it waited since %s", w.Lines[0].From)
	}
	s.Chosen = 1
	if w := s.waterfall(); !w.Lines[0].From.Equal(s.SubmittedAt) {
		t.Errorf("the first waited since %s", w.Lines[0].From)
	}
}

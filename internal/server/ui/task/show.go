package task

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/output"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// mostOfJob bounds how many tasks of its job a page shows.
const mostOfJob = 500

// sheet is the page of one task.
type sheet struct {
	remuda.Task
	Why       []string      // it waits
	Chosen    int           // the number of the attempt that the address asks for; 0 for the last
	Others    []remuda.Task // of its job, in order
	More      bool          // the job has yet more
	RetriedBy []remuda.Task
	Acts      bool // whether the visitor may do anything with it
	Run       *remuda.BlockRun
	Block     string // its name, where the task is a run of it
}

func show(v *page.Visit) (page.View, error) {
	t, err := v.Door.Task(v.Context(), v.Path("task"))
	if err != nil {
		return page.View{}, err
	}
	s := sheet{Task: t, Acts: v.Door.May(t.Organization, remuda.RoleMember)}
	if s.Chosen, err = attemptOf(v.Query("attempt"), len(t.Attempts)); err != nil {
		return page.View{}, err
	}
	if t.State == remuda.Queued {
		why, err := v.Door.Why(v.Context(), t.ID)
		if err != nil {
			return page.View{}, err
		}
		s.Why = why.Reasons
	}
	if err := s.findOthers(v); err != nil {
		return page.View{}, err
	}
	if err := s.findBlock(v); err != nil {
		return page.View{}, err
	}
	return page.View{Title: t.Name, Area: page.Tasks, Trail: trail(), Body: whole(s), Task: t.ID, Files: files(output.Files()...)}, nil
}

// attemptOf reads which attempt is asked for.
func attemptOf(text string, attempts int) (int, error) {
	if text == "" {
		return 0, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > attempts {
		return 0, remuda.Fail(remuda.NotFound, fmt.Sprintf("The task has no attempt %q; it has %d.", text, attempts))
	}
	return number, nil
}

// findBlock finds the building block of which the task is a run. Not all who may see a task may see that.
func (s *sheet) findBlock(v *page.Visit) error {
	if s.Job != nil || !v.HasBlocks() {
		return nil
	}
	run, err := v.Blocks.RunOfTask(v.Context(), s.ID)
	if err == nil {
		var block remuda.Block
		block, err = v.Blocks.Block(v.Context(), run.Block)
		s.Run, s.Block = &run, block.Name
	}
	if kind := remuda.KindOf(err); err != nil && (kind == remuda.NotFound || kind == remuda.Forbidden) {
		s.Run = nil
		return nil
	}
	return err
}

// findOthers finds the other tasks of the task's job, and which of them repeat it.
func (s *sheet) findOthers(v *page.Visit) error {
	found, err := v.Door.Tasks(v.Context(), control.TaskFilter{JobID: s.JobID}, control.PageQuery{Limit: mostOfJob})
	if err != nil {
		return err
	}
	s.More = found.Next != ""
	for _, t := range slices.Backward(found.Items) {
		if t.ID == s.ID {
			continue
		}
		s.Others = append(s.Others, t)
		if t.RetryOf == s.ID {
			s.RetriedBy = append(s.RetriedBy, t)
		}
	}
	slices.SortStableFunc(s.Others, func(a, b remuda.Task) int { return a.Index - b.Index })
	return nil
}

// shown is the attempt that the page shows; nil before the first.
func (s sheet) shown() *remuda.Attempt {
	if len(s.Attempts) == 0 {
		return nil
	}
	if s.Chosen > 0 {
		return &s.Attempts[s.Chosen-1]
	}
	return &s.Attempts[len(s.Attempts)-1]
}

// attempt is where one attempt is shown.
func (s sheet) attempt(number int) string {
	return address(s.ID) + "?attempt=" + strconv.Itoa(number)
}

// repository is where people can look at the source; empty when that is no web page.
func (s sheet) repository() string {
	at, err := url.Parse(s.Source.Repository)
	if err != nil || at.Scheme != "https" || at.Host == "" || at.User != nil {
		return ""
	}
	return at.String()
}

// because says in a sentence why a task failed.
func because(reason remuda.Reason) string {
	switch reason {
	case remuda.ReasonStep:
		return "A step failed."
	case remuda.ReasonTimeout:
		return "It waited or ran for too long."
	case remuda.ReasonConfig:
		return "What was submitted cannot be carried out."
	case remuda.ReasonPolicy:
		return "The class, or the operator of the machine, refuses it."
	case remuda.ReasonInfrastructure:
		return "The runner could not carry it out."
	case remuda.ReasonLost:
		return "Its runner fell silent after it had begun."
	default:
		return "It failed."
	}
}

// longJob is the most bytes of commands that a task's own page shows; it is sent again with each change.
const longJob = 16 << 10

// long says whether what was submitted is shown on a page of its own only.
func long(job *remuda.Job) bool {
	sum := 0
	for _, step := range job.Steps {
		if step.Run != nil {
			sum += len(step.Run.Command) + len(step.Run.Name) + 100
		}
	}
	return sum > longJob
}

// showJob shows what was submitted.
func showJob(v *page.Visit) (page.View, error) {
	t, err := v.Door.Task(v.Context(), v.Path("task"))
	if err != nil {
		return page.View{}, err
	}
	if t.Job == nil {
		return page.View{}, remuda.Fail(remuda.NotFound, "Task "+t.ID+" has no steps of its own: it is a run of a building block.")
	}
	return page.View{
		Title: "Steps as submitted", Area: page.Tasks, Trail: trail(page.Link{Text: t.Name, To: address(t.ID)}), Body: alone(*t.Job),
		Files: files(), Still: true,
	}, nil
}

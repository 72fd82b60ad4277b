package output

import (
	"slices"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// excerpt is how much of the beginning and of the end of an output is shown where it cannot be followed.
const excerpt = 64 << 10

// text is what showText shows: of a long output, its beginning and its end.
type text struct {
	Task        remuda.Task
	Attempt     int
	First, Last []stepText
	Between     int64 // bytes that are not shown
	Removed     string
}

// stepText is the lines of one step.
type stepText struct {
	Title string
	Lines []string
}

// showText is the output as a page that needs no JavaScript.
func showText(v *page.Visit) (page.View, error) {
	attempt, err := attemptOf(v)
	if err != nil {
		return page.View{}, err
	}
	task, err := v.Door.Task(v.Context(), v.Path("task"))
	if err != nil {
		return page.View{}, err
	}
	if attempt == 0 {
		attempt = len(task.Attempts)
	}
	shown := text{Task: task, Attempt: attempt}
	var first, last control.OutputPart
	if first, err = readExcerpt(v, task.ID, attempt, 0); err != nil {
		return page.View{}, err
	}
	shown.First, shown.Removed, err = lines(task, attempt, first)
	if err == nil && attempt > 0 {
		from := max(first.Next, task.Attempts[attempt-1].Output-excerpt)
		shown.Between = from - first.Next
		last, err = readExcerpt(v, task.ID, attempt, from)
	}
	if err == nil {
		shown.Last, _, err = lines(task, attempt, last)
	}
	return page.View{
		Title: "Output of " + task.Name, Area: page.Tasks, Still: true, Files: []string{"output.css"}, Body: textPage(shown),
		Trail: []page.Link{{Text: "Tasks", To: string(page.Tasks)}, {Text: task.Name, To: "/tasks/" + task.ID}},
	}, err
}

// readExcerpt reads as much as is shown, which may come in several pieces.
func readExcerpt(v *page.Visit, task string, attempt int, from int64) (control.OutputPart, error) {
	all := control.OutputPart{Next: from}
	for left := excerpt; left > 0; {
		part, err := v.Door.Output(v.Context(), task, control.OutputQuery{Attempt: attempt, Offset: all.Next, Max: left})
		if err != nil {
			return all, err
		}
		read := part.Next - all.Next
		all.Chunks = append(all.Chunks, part.Chunks...)
		all.Skipped, all.Next = all.Skipped+part.Skipped, part.Next
		if !part.Removed.IsZero() {
			all.Removed = part.Removed
		}
		if read == 0 {
			break
		}
		left -= int(read - part.Skipped)
	}
	return all, nil
}

// lines renders a part of an output.
func lines(task remuda.Task, attempt int, part control.OutputPart) (all []stepText, note string, err error) {
	r := reader{}
	if err := r.begin(cursor{}, 0); err != nil {
		return nil, "", err
	}
	if err := r.take(part); err != nil {
		return nil, "", err
	}
	if err := r.sheet.settle(); err != nil {
		return nil, "", err
	}
	r.sheet.differences(func(step int, is change) {
		all = append(all, stepText{titleOf(task, attempt, step), is.Lines})
	})
	return all, r.note, nil
}

// titleOf is what a step is called.
func titleOf(task remuda.Task, attempt, step int) string {
	steps := task.Attempts[attempt-1].Steps
	at := slices.IndexFunc(steps, func(s remuda.Step) bool { return s.Number == step })
	if at < 0 {
		return ""
	}
	return steps[at].Name
}

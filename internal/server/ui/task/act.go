package task

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// verb is something that can be done with one task, or with several that were chosen in the list.
type verb struct {
	path   string // of its addresses
	button string // on it, and how the question begins
	class  string // the button's look

	rule func(control.UserDoor, context.Context, string) (remuda.Task, error)
	told func(remuda.Task) page.Answer // of one task
	done func(n int) string            // of several
}

func cancelling() verb {
	return verb{
		path: "cancel", button: "Cancel", class: "outline danger", rule: control.UserDoor.CancelTask,
		told: func(t remuda.Task) page.Answer {
			if t.State.Ended() {
				return page.Answer{To: address(t.ID), Notice: "The task was cancelled."}
			}
			return page.Answer{To: address(t.ID), Notice: "The task is being cancelled: its runner ends it."}
		},
		done: func(n int) string {
			return page.Counted(n, "task was cancelled.", "tasks were cancelled.") + " What runs is ended by its runner."
		},
	}
}

// ends says whether it ends what people may want to go on.
func (b verb) ends() bool { return b.path == "cancel" }

func retrying() verb {
	return verb{
		path: "retry", button: "Retry", rule: control.UserDoor.RetryTask,
		told: func(t remuda.Task) page.Answer {
			return page.Answer{To: address(t.ID), Notice: "The task was submitted once more: this is the new one."}
		},
		done: func(n int) string {
			return page.Counted(n, "task was submitted once more.", "tasks were submitted once more.")
		},
	}
}

// doOne is for the button on a task's own page.
func (b verb) doOne(v *page.Visit) (page.Answer, error) {
	t, err := b.rule(v.Door, v.Context(), v.Path("task"))
	if err != nil {
		return page.Answer{}, err
	}
	return b.told(t), nil
}

// chosen are the tasks that were checked, each once.
func chosen(values url.Values) ([]string, error) {
	var ids []string
	for _, id := range values["task"] {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		if len(ids) > rowsPerPage {
			return nil, remuda.Fail(remuda.Invalid, fmt.Sprintf("Choose at most %d tasks at once, as many as a page of the list has.", rowsPerPage))
		}
	}
	if len(ids) == 0 {
		return nil, remuda.Fail(remuda.Invalid, "No task was chosen: go back and check those that you mean.")
	}
	return ids, nil
}

// back is the list from which tasks were chosen. It is one of our own addresses whatever was sent.
func back(from string) string {
	query, err := url.ParseQuery(from)
	if err != nil {
		return "/tasks"
	}
	return filterOf(query).address()
}

// question is what one is asked before something is done with several tasks.
type question struct {
	verb
	Tasks []remuda.Task
	From  string // the list's filter
}

// ask shows which tasks were chosen, before anything is done with them.
func (b verb) ask(v *page.Visit) (page.View, error) {
	query := v.Request.URL.Query()
	ids, err := chosen(query)
	if err != nil {
		return page.View{}, err
	}
	q := question{verb: b, From: query.Get("from")}
	for _, id := range ids {
		t, err := v.Door.Task(v.Context(), id)
		if err != nil {
			return page.View{}, err
		}
		if !v.Door.May(t.Organization, remuda.RoleMember) {
			return page.View{}, remuda.Fail(remuda.Forbidden, "This needs the role member in "+t.Organization+".")
		}
		q.Tasks = append(q.Tasks, t)
	}
	return page.View{
		Title: b.button + " " + page.Counted(len(ids), "task?", "tasks?"), Area: page.Tasks, Trail: trail(), Body: asked(q), Files: files(), Still: true,
	}, nil
}

// outcome is what became of tasks that were chosen, when it was not done with all.
type outcome struct {
	Done    int
	Told    string // of those with which it was done
	Refused []refusal
	Back    string
}

// refusal is a task with which something was not done, and why.
type refusal struct {
	ID, Name, Why string
}

// doAll calls the rule for each of the tasks that were chosen: what is refused for one says nothing about the others.
func (b verb) doAll(v *page.Visit) (page.Answer, error) {
	ids, err := chosen(v.Request.PostForm)
	if err != nil {
		return page.Answer{}, err
	}
	o := outcome{Back: back(v.Form("from"))}
	var first error
	for _, id := range ids {
		_, err := b.rule(v.Door, v.Context(), id)
		if err == nil {
			o.Done++
			continue
		}
		if first == nil {
			first = err
		}
		o.Refused = append(o.Refused, refusal{ID: id, Name: nameOf(v, id), Why: b.why(v, id, err)})
	}
	o.Told = b.done(o.Done)
	switch {
	case len(o.Refused) == 0:
		return page.Answer{To: o.Back, Notice: o.Told}, nil
	case o.Done == 0 && len(ids) == 1, o.Done == 0 && remuda.KindOf(first) == remuda.Forbidden:
		return page.Answer{}, first
	}
	view := page.View{Title: "Not done with all of them", Area: page.Tasks, Trail: trail(), Body: partly(o), Files: files(), Still: true}
	if o.Done == 0 {
		view.Title, view.Code = "Done with none of them", http.StatusConflict
	}
	return page.Answer{View: &view}, nil
}

// why tells why it was not done with a task, in the rule's words. Faults of ours are told to the log alone.
func (b verb) why(v *page.Visit, id string, err error) string {
	var told *remuda.Error
	if errors.As(err, &told) && told.Kind != remuda.Internal && told.Kind != remuda.Unavailable {
		return told.Detail
	}
	v.Log().Error(b.path+" a task that was chosen", "task", id, "error", err)
	return "The fault is ours, and the server's log says what it was. Try again."
}

// nameOf is what a task is called, or its id when it is not there to be seen.
func nameOf(v *page.Visit, id string) string {
	t, err := v.Door.Task(v.Context(), id)
	if err != nil {
		return id
	}
	return t.Name
}

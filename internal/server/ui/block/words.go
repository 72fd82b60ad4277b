package block

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

func joined(root string, parts []string) string {
	for _, part := range parts {
		root += "/" + url.PathEscape(part)
	}
	return root
}

// standing is where a block stands, in a few words.
func standing(s remuda.BlockStatus) string {
	switch s {
	case remuda.BlockWaitsForParent:
		return "waits for a parent"
	case remuda.BlockWaitsForOperator:
		return "waits for its operators"
	case remuda.BlockWaitsForUser:
		return "waits for inputs"
	case remuda.BlockWaitsForApproval:
		return "waits for approval"
	case remuda.BlockPending:
		return "queued"
	case remuda.BlockInProgress:
		return "running"
	default:
		return string(s)
	}
}

// look is which of a few looks a block's status has.
func look(s remuda.BlockStatus) string {
	switch s {
	case remuda.BlockSucceeded:
		return "good"
	case remuda.BlockFailed:
		return "bad"
	case remuda.BlockInProgress:
		return "now"
	case remuda.BlockAborted:
		return "over"
	default:
		return "waits"
	}
}

// statuses are all of them, in the order in which a block comes by them.
func statuses() []remuda.BlockStatus {
	return []remuda.BlockStatus{
		remuda.BlockWaitsForUser, remuda.BlockWaitsForOperator, remuda.BlockWaitsForParent, remuda.BlockWaitsForApproval,
		remuda.BlockPending, remuda.BlockInProgress, remuda.BlockSucceeded, remuda.BlockFailed, remuda.BlockAborted,
	}
}

// progress is where a run stands, in a word.
func progress(s remuda.RunStatus) string {
	switch s {
	case remuda.RunPending:
		return "queued"
	case remuda.RunInProgress:
		return "running"
	default:
		return string(s)
	}
}

// deed is what a run does, in a word.
func deed(b remuda.Behavior) string {
	switch b {
	case remuda.Apply:
		return "Apply"
	case remuda.Detect:
		return "Plan"
	case remuda.Destroy:
		return "Destroy"
	case remuda.Maintenance:
		return "Maintenance"
	default:
		return string(b)
	}
}

// cause is why a run was queued.
func cause(t remuda.RunTrigger) string {
	switch t {
	case remuda.TriggerCreation:
		return "the block was ordered"
	case remuda.TriggerManual:
		return "somebody asked for it"
	case remuda.TriggerUpgrade:
		return "the block was put on another version"
	case remuda.TriggerInputs:
		return "its inputs changed"
	case remuda.TriggerDeletion, remuda.TriggerPurge:
		return "the block is deleted"
	case remuda.TriggerParentOutput:
		return "an output of a parent changed"
	case remuda.TriggerParentSuccess:
		return "its parents have succeeded"
	case remuda.TriggerApproval:
		return "its plan was approved"
	case remuda.TriggerSchedule:
		return "it was time to look for drift"
	default:
		return string(t)
	}
}

// who had a run queued.
func who(a remuda.RunAuthor) string {
	switch {
	case a.Kind == "System":
		return "nobody: Remuda itself"
	case a.DisplayName != "":
		return a.DisplayName
	default:
		return a.Name
	}
}

// origin is where the value of an input comes from; one that comes from a parent is told with a link elsewhere.
func origin(a remuda.Assignment) string {
	switch a {
	case remuda.AssignUser:
		return "whoever orders the block"
	case remuda.AssignOperator:
		return "the definition's owner, for this block"
	case remuda.AssignStatic:
		return "the definition"
	case remuda.AssignOutput:
		return "a parent"
	case remuda.AssignWorkspace:
		return "known: the organization"
	case remuda.AssignProject:
		return "known: the project"
	case remuda.AssignPlatform:
		return "known: the platform"
	case remuda.AssignPlatformTenant:
		return "known: what the platform calls the tenant"
	case remuda.AssignTenant:
		return "known: the tenant's id"
	case remuda.AssignTenantBlock:
		return "known: this block's id"
	case remuda.AssignAuthor:
		return "known: who had the run queued"
	default:
		return "known"
	}
}

// few tells a plan's counts with signs: +1 ~2 −3.
func few(p *remuda.PlanSummary) string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf("+%d ~%d −%d", p.Add, p.Change, p.Destroy)
}

// counts tells the same in words, of what will be done or of what was.
func counts(p *remuda.PlanSummary, done bool) string {
	format := "%d to add, %d to change, %d to destroy"
	imported := "%d to import, "
	if done {
		format, imported = "%d added, %d changed, %d destroyed", "%d imported, "
	}
	text := fmt.Sprintf(format, p.Add, p.Change, p.Destroy)
	if p.Import > 0 {
		text = fmt.Sprintf(imported, p.Import) + text
	}
	return text
}

// sentence begins with a capital and ends with a full stop.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if strings.ContainsRune(".!?", rune(text[len(text)-1])) {
		return text
	}
	return text + "."
}

// plainly is a problem as a page says it: with names of fields, not of members of a request.
func plainly(told remuda.Error) *remuda.Error {
	said := remuda.Error{Kind: told.Kind, Detail: sentence(told.Detail)}
	for _, field := range told.Fields {
		for _, prefix := range []string{"body.outputs.", "body.inputs.", "body."} {
			if rest, found := strings.CutPrefix(field.Location, prefix); found {
				field.Location = rest
				break
			}
		}
		said.Fields = append(said.Fields, field)
	}
	return &said
}

// gone says whether an error only tells that something is not there.
func gone(err error) bool { return errors.Is(err, remuda.NotFound) }

// resting says whether a block is deleted.
func resting(s blocks.Sight) bool { return s.Lifecycle == remuda.LifecycleDeleted }

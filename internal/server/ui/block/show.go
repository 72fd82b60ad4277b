package block

import (
	"context"
	"fmt"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// shown is the page of one block.
type shown struct {
	blocks.Sight
	Family      []blocks.Kin
	More        bool // there is more of the family
	Runs        []remuda.BlockRun
	First, Next string // other parts of the list of runs
	States      []remuda.BlockState
	Lock        *remuda.StateLock
	LockRun     *remuda.BlockRun // that holds it
	Wrong       *remuda.Error    // with what was asked for just now
}

func showBlock(v *page.Visit) (page.View, error) { return blockView(v, nil) }

// blockView is the page of the block in the address, with what is wrong with what was asked for there.
func blockView(v *page.Visit, wrong *remuda.Error) (page.View, error) {
	sight, err := v.Blocks.Sight(v.Context(), v.Path("block"))
	if err != nil {
		return page.View{}, err
	}
	s := shown{Sight: sight, Wrong: wrong}
	if s.Family, s.More, err = v.Blocks.Family(v.Context(), s.ID); err != nil {
		return page.View{}, err
	}
	if err := s.readRuns(v); err != nil {
		return page.View{}, err
	}
	if err := s.readStates(v.Context(), v.Blocks); err != nil {
		return page.View{}, err
	}
	return page.View{
		Title: s.Name, Area: page.Blocks, Trail: []page.Link{{Text: "Building blocks", To: "/blocks"}},
		Body: blockBody(s), Files: files(),
	}, nil
}

// runsShown is how many runs stand on a block's page at once.
const runsShown = 20

func (s *shown) readRuns(v *page.Visit) error {
	if !s.SeesRuns {
		return nil
	}
	cursor := v.Query(after)
	runs, err := v.Blocks.Runs(v.Context(), blocks.RunFilter{Block: s.ID}, blocks.Span{Cursor: cursor, Limit: runsShown})
	if remuda.KindOf(err) == remuda.Forbidden {
		return nil
	}
	s.Runs = runs.Items
	if cursor != "" {
		s.First = at(s.ID)
	}
	if runs.Next != "" {
		s.Next = at(s.ID) + "?after=" + runs.Next
	}
	return err
}

func (s *shown) readStates(ctx context.Context, door blocks.UserDoor) error {
	states, err := door.States(ctx, s.ID, blocks.Span{Limit: 100})
	if err != nil {
		return err
	}
	s.States = states.Items
	lock, err := door.StateLock(ctx, s.ID)
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	s.Lock = &lock
	if !s.SeesRuns || lock.Run == "" {
		return nil
	}
	run, err := door.Run(ctx, lock.Run)
	if gone(err) {
		return nil
	}
	s.LockRun = &run
	return err
}

// parentOf finds the parent that an input's value comes from, and the key of its output.
func (s shown) parentOf(in remuda.Input) (id, name, key string) {
	if in.Argument == nil {
		return "", "", ""
	}
	definition, key, _ := strings.Cut(plainText(in.Argument.Value), ".")
	for _, id := range s.Parents {
		if s.ParentOf[id] != definition {
			continue
		}
		for _, kin := range s.Family {
			if kin.ID == id && !kin.Hidden {
				return id, kin.Name, key
			}
		}
	}
	return "", "", key
}

// answer is where somebody who looks at the page can give the block what it waits for; empty when they cannot, or it
// waits for nothing.
func (s shown) answer() (to, text string) {
	switch {
	case s.Lifecycle != remuda.LifecycleActive:
	case s.Status == remuda.BlockWaitsForUser && s.Changes, s.Status == remuda.BlockWaitsForOperator && s.Manages:
		return at(s.ID, "inputs"), "Give the inputs"
	case s.Status == remuda.BlockWaitsForApproval && s.SeesRuns && s.LatestRun != "":
		return atRun(s.LatestRun), "Look at the plan"
	case s.Status == remuda.BlockInProgress && s.Manages && s.Implementation == remuda.BlueprintManual && s.LiveRun != "":
		return atRun(s.LiveRun), "Finish its run"
	}
	return "", ""
}

// meaning says what a state means where that is not plain.
func (s shown) meaning() string {
	switch s.Status {
	case remuda.BlockWaitsForOperator:
		if !s.Manages {
			return "The operators of " + s.Owner + ", whose definition it is, have been asked for what is missing."
		}
	case remuda.BlockWaitsForApproval:
		return "Its change is planned, and applied once somebody approved the plan."
	case remuda.BlockPending:
		return "Its run waits for a runner."
	}
	return ""
}

// drift is how often a block is compared with what is there.
func (s shown) drift() string {
	if s.DriftEvery == 0 {
		return "never looked for by itself"
	}
	return "looked for every " + page.Took(s.DriftEvery)
}

// manual says whether people carry out its runs.
func (s shown) manual() bool { return s.Implementation == remuda.BlueprintManual }

// Questions that are asked before something is done.
func (s shown) askApply() string {
	return "What was ordered is applied at once, without a plan to look at first. Plan it before, if you want to see what changes."
}

func (s shown) askDestroy() string {
	if s.Deletion == remuda.DeletionPurge {
		return "Its definition has blocks forgotten when they are deleted: " + s.Name + " is gone at once, and what it made stays where it is."
	}
	return "All that " + s.Name + " made is destroyed, and then the block is deleted. This cannot be undone. Whoever uses it loses it."
}

func (s shown) askPurge() string {
	return s.Name + " is forgotten at once, and nothing of what it made is destroyed: that stays where it is, costs what it costs, and Remuda knows of it no more. A run of it that goes on is told to stop."
}

func (s shown) askUnlock() string {
	return "The lock is there so that no two write the state at once. If " + s.holder() + " is still at work, what it does from now on is not written down: resources may stay that no state knows of. Take the lock only when you are sure that it has stopped."
}

// holder is who holds the lock.
func (s shown) holder() string {
	if s.LockRun != nil {
		return fmt.Sprint("run ", s.LockRun.Number)
	}
	return "its holder"
}

func askRollBack(number int) string {
	return fmt.Sprintf("State %d becomes the current one, as a new version. Nothing that exists is changed by that, so what was made since is not in it: plan the block afterwards, and look at what OpenTofu would do.", number)
}

package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

type showBlockInput struct {
	byBlockUser
	BlockID
	Accept string `header:"Accept" hidden:"true"`
}

// showBlock answers with a block, or with events that tell how it and its runs go on.
func (s *Server) showBlock(ctx context.Context, in *showBlockInput) (func(huma.Context), error) {
	block, err := in.blocks.Block(ctx, in.Block)
	if err != nil {
		return nil, err
	}
	if wantsEvents(in.Accept) {
		return s.stream(func(ctx context.Context, out *eventWriter) error {
			f := blockFollower{in: in, out: out, runs: map[string]remuda.BlockRun{}}
			return f.run(ctx)
		}), nil
	}
	return func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", jsonType)
		ctx.SetStatus(http.StatusOK)
		_ = json.NewEncoder(ctx.BodyWriter()).Encode(block) // Nobody is left to tell.
	}, nil
}

const (
	// lookEvery is how often a followed block is looked at without a reason: a wake-up may have been lost, and events of
	// tasks are their organization's alone, which may be another one.
	lookEvery = 5 * time.Second

	// lookPause is between two looks, however much happens: a person sees no more.
	lookPause = 100 * time.Millisecond
)

// blockFollower remembers what was told of a block and of the runs that were its latest.
type blockFollower struct {
	in    *showBlockInput
	out   *eventWriter
	told  *remuda.Block
	runs  map[string]remuda.BlockRun
	tasks sync.Map // ids of the runs' tasks, for whoever listens
}

// run tells the block at once, and again whenever it or a run of it changes, until it is deleted.
func (f *blockFollower) run(ctx context.Context) error {
	after, err := f.in.door.NewestEvent(ctx) // before reading, so that nothing falls between
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	happened, followed := make(chan struct{}, 1), make(chan error, 1)
	go func() { followed <- f.listen(ctx, after, happened) }()
	look, pause := time.NewTicker(lookEvery), time.NewTicker(lookPause)
	defer look.Stop()
	defer pause.Stop()
	for {
		over, err := f.tell(ctx)
		if err != nil || over {
			cancel()
			return errors.Join(err, <-followed)
		}
		select {
		case <-happened:
		case <-look.C:
		case err := <-followed:
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}

// listen says that something happened, but not what: the truth is read.
func (f *blockFollower) listen(ctx context.Context, after int64, happened chan<- struct{}) error {
	return f.in.door.FollowEvents(ctx, control.EventFilter{After: after}, func(some []remuda.Event) error {
		if slices.ContainsFunc(some, f.concerns) {
			select {
			case happened <- struct{}{}:
			default:
			}
		}
		return nil
	})
}

// concerns leaves out what cannot be about the block. What blocks and runs do is rare beside what tasks do.
func (f *blockFollower) concerns(e remuda.Event) bool {
	noun, _, _ := strings.Cut(e.Type, ".")
	switch noun {
	case "block", "run", "state":
		return true
	case "task":
		_, ours := f.tasks.Load(e.Subject)
		return ours
	}
	return false
}

// tell sends what is not as it was told before. Nothing comes after a block that is deleted.
func (f *blockFollower) tell(ctx context.Context) (over bool, err error) {
	block, err := f.in.blocks.Block(ctx, f.in.Block)
	if err != nil {
		return false, err
	}
	for _, id := range []string{block.LatestRun, block.LatestDryRun} {
		if err := f.tellRun(ctx, id); err != nil {
			return false, err
		}
	}
	if f.told == nil || !reflect.DeepEqual(*f.told, block) {
		f.told = &block
		if err := f.out.send("block", "", block); err != nil {
			return false, err
		}
	}
	if block.Lifecycle != remuda.LifecycleDeleted {
		return false, nil
	}
	return true, f.out.send("end", "", struct{}{})
}

func (f *blockFollower) tellRun(ctx context.Context, id string) error {
	if told, known := f.runs[id]; id == "" || known && told.Status.Ended() && told.Approval != remuda.ApprovalWaiting {
		return nil
	}
	run, err := f.in.blocks.Run(ctx, id)
	if errors.Is(err, remuda.NotFound) {
		return nil // it may be seen no more
	}
	if err != nil {
		return err
	}
	if reflect.DeepEqual(f.runs[id], run) {
		return nil
	}
	f.runs[id] = run
	if run.Task != "" {
		f.tasks.Store(run.Task, true)
	}
	return f.out.send("run", "", run)
}

package meshstackplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/internal/secretfile"
)

// claim is a run that this runner carries out. All that its successor must know of it lies in a folder.
type claim struct {
	plane *Plane
	dir   string
	given given
	log   *slog.Logger

	dirty chan struct{} // holds one element when there is something to tell
	over  chan struct{} // closed when nothing is to be told any more

	speaking sync.Mutex // held while meshStack is told of it: what it hears last is the last

	mu       sync.Mutex
	progress progress
	said     remuda.RunReport
	dropped  bool
	refusals int // of the run token, in a row
}

// given is what does not change.
type given struct {
	Claim   remuda.Claim `json:"claim"`
	Roads   roads        `json:"roads"`
	Refused string       `json:"refused,omitempty"` // why it cannot be carried out here; nobody is asked to then
}

// progress is where it stands.
type progress struct {
	Registered bool                       `json:"registered,omitempty"`
	Begun      bool                       `json:"begun,omitempty"`
	Aborted    bool                       `json:"aborted,omitempty"` // meshStack said so; it hears no more
	Steps      []remuda.Step              `json:"steps,omitempty"`
	Streams    map[int]remuda.StreamState `json:"streams,omitempty"`
	Said       []byte                     `json:"said,omitempty"` // the RunReport, sealed to this runner: it may hold secret outputs
}

const (
	givenName    = "claim.json"
	progressName = "progress.json"
	planName     = "plan"
)

func (c *claim) id() string { return c.given.Claim.ID }

func (c *claim) path(name string) string { return filepath.Join(c.dir, name) }

func (c *claim) outputPath(step int) string { return c.path("output-" + strconv.Itoa(step)) }

// keepClaim writes a new claim down: from then on a successor knows of it.
func (p *Plane) keepClaim(g given) (*claim, error) {
	c := p.claimFor(g)
	err := os.MkdirAll(c.dir, 0o700)
	if err == nil {
		var data []byte
		if data, err = json.Marshal(g); err == nil {
			err = secretfile.Write(c.path(givenName), data)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("keep claim %s: %w", g.Claim.ID, err)
	}
	return c, nil
}

func (p *Plane) claimFor(g given) *claim {
	return &claim{
		plane: p, dir: filepath.Join(p.options.Dir, g.Claim.ID), given: g, log: p.log.With("claim", g.Claim.ID),
		dirty: make(chan struct{}, 1), over: make(chan struct{}), progress: progress{Streams: map[int]remuda.StreamState{}},
	}
}

// load reads the claims that an earlier runner left.
func (p *Plane) load() error {
	if err := os.MkdirAll(p.options.Dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for claims: %w", err)
	}
	entries, err := os.ReadDir(p.options.Dir)
	if err != nil {
		return fmt.Errorf("look for claims of an earlier runner: %w", err)
	}
	for _, entry := range entries {
		dir := filepath.Join(p.options.Dir, entry.Name())
		var g given
		data, err := os.ReadFile(filepath.Join(dir, givenName))
		if err == nil {
			err = json.Unmarshal(data, &g)
		}
		if err != nil || g.Claim.ID != entry.Name() {
			p.log.Warn("what an earlier runner left is no claim, and is removed", "folder", entry.Name())
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("remove what an earlier runner left: %w", err)
			}
			continue
		}
		c := p.claimFor(g)
		c.restore()
		p.claims[g.Claim.ID] = c
	}
	return nil
}

// restore reads where a claim stands. Where that cannot be read it has begun: nothing is carried out twice.
func (c *claim) restore() {
	data, err := os.ReadFile(c.path(progressName))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = json.Unmarshal(data, &c.progress)
	}
	if err == nil && len(c.progress.Said) > 0 {
		var plain []byte
		if plain, err = c.plane.options.Key.Open(c.info(), c.progress.Said); err == nil {
			err = json.Unmarshal(plain, &c.said)
		}
	}
	if err != nil {
		c.log.Error("where an earlier runner's claim stands cannot be read; it is taken for begun")
		c.progress.Begun = true
	}
	if c.progress.Streams == nil {
		c.progress.Streams = map[int]remuda.StreamState{}
	}
}

func (c *claim) info() []byte { return []byte("report " + c.id()) }

// change changes where a claim stands, and writes that down: for good where it must outlive the machine.
func (c *claim) change(forGood bool, how func(*progress) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		return remuda.Fail(remuda.Gone, "claim "+c.id()+" has ended and changes nothing any more; drop it")
	}
	next := c.progress
	next.Steps, next.Streams = slices.Clone(next.Steps), cloneOf(next.Streams)
	if err := how(&next); err != nil {
		return err
	}
	data, err := json.Marshal(next)
	if err == nil && forGood {
		err = secretfile.Write(c.path(progressName), data)
	} else if err == nil {
		err = replace(c.path(progressName), data)
	}
	if err != nil && c.given.Refused == "" { // Of that one a successor needs to know nothing.
		return fmt.Errorf("write down where claim %s stands: %w", c.id(), err)
	}
	c.progress = next
	nudge(c.dirty)
	return nil
}

func cloneOf(streams map[int]remuda.StreamState) map[int]remuda.StreamState {
	clone := make(map[int]remuda.StreamState, len(streams)+1)
	for step, state := range streams {
		clone[step] = state
	}
	return clone
}

// replace writes a file whole or not at all, as far as this process goes.
func replace(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// say keeps what a run says beside its steps; what it does not carry stays as it was.
func (c *claim) say(r remuda.RunReport) error {
	return c.change(false, func(p *progress) error {
		said := c.said
		if r.Changes != nil {
			said.Changes = r.Changes
		}
		if r.Plan != nil {
			said.Plan = &remuda.PlanSummary{Add: r.Plan.Add, Change: r.Plan.Change, Destroy: r.Plan.Destroy}
		}
		if r.Outputs != nil {
			said.Outputs = r.Outputs
		}
		if r.Messages != nil {
			said.Messages = r.Messages
		}
		text, err := json.Marshal(said)
		if err != nil {
			return remuda.Fail(remuda.Invalid, "the report cannot be written as JSON")
		}
		if p.Said, err = seal.To(c.plane.options.Key.Public(), c.info(), text); err != nil {
			return fmt.Errorf("seal what the run says: %w", err)
		}
		c.said = said
		return nil
	})
}

// now is where the claim stands.
func (c *claim) now() progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.progress
}

// drop ends a claim: nothing of it is kept, and then nobody knows of it.
func (p *Plane) drop(c *claim) error {
	c.mu.Lock()
	first := !c.dropped
	c.dropped = true // so that nothing more is written
	c.mu.Unlock()
	if first {
		close(c.over)
	}
	err := os.RemoveAll(c.dir)
	p.mu.Lock()
	delete(p.claims, c.id())
	p.askAt = time.Time{}
	p.mu.Unlock()
	nudge(p.news)
	if err != nil {
		return fmt.Errorf("remove what is kept of claim %s: %w", c.id(), err)
	}
	return nil
}

// nudge wakes whoever waits on a channel that holds one element.
func nudge(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// abort notes that meshStack wants to hear no more of a run.
func (c *claim) abort() {
	if c.now().Aborted {
		return
	}
	if err := c.change(true, func(p *progress) error { p.Aborted = true; return nil }); err != nil && !errors.Is(err, remuda.Gone) {
		c.log.Error("that a run was aborted is not written down", "error", err)
		c.mu.Lock()
		c.progress.Aborted = true
		c.mu.Unlock()
	}
	c.log.Info("meshStack says that the run was aborted")
	nudge(c.plane.news)
}

// wait waits for a while; it is false when ctx ended or the claim is over.
func (c *claim) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-c.over:
	}
	return false
}

package blocks_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

// graph is blocks of which later ones take what earlier ones give.
type graph struct {
	*town
	nodes   []remuda.Block
	parents [][]int
	sizes   []int
	running map[string]work // by block
}

// plant makes a graph, and orders its blocks.
func plant(w *town, t *rapid.T) *graph {
	g := &graph{town: w, running: map[string]work{}}
	var definitions []remuda.Definition
	for i := range rapid.IntRange(2, 5).Draw(t, "nodes") {
		var parents []int
		for j := range i {
			if rapid.Bool().Draw(t, fmt.Sprintf("%d takes what %d gives", i, j)) {
				parents = append(parents, j)
			}
		}
		definitions = append(definitions, w.define(fmt.Sprintf("d%d", i), with(tofu(), func(v *remuda.Version) {
			for _, j := range parents {
				v.Inputs[fmt.Sprintf("from%d", j)] = remuda.Input{
					Type: remuda.TypeString, Assignment: remuda.AssignOutput, Argument: valued(definitions[j].ID + ".given"),
				}
			}
		})))
		size := rapid.IntRange(0, 3).Draw(t, "size")
		g.nodes = append(g.nodes, w.order(definitions[i], map[string]remuda.Value{"size": value(size)}, func(b *remuda.Block) {
			for _, j := range parents {
				b.Parents = append(b.Parents, g.nodes[j].ID)
			}
		}))
		g.parents, g.sizes = append(g.parents, parents), append(g.sizes, size)
	}
	return g
}

// gives is what a run makes of what it takes: it tells all of it.
func gives(o remuda.RunOrder) string {
	var parts []string
	for _, in := range o.Inputs {
		parts = append(parts, in.Key+"="+strings.Trim(string(in.Value), `"`))
	}
	slices.Sort(parts)
	return "(" + strings.Join(parts, " ") + ")"
}

// want is what a block gives when it and all above it are as they were asked for.
func (g *graph) want(i int) string {
	parts := []string{fmt.Sprintf("size=%d", g.sizes[i])}
	for _, j := range g.parents[i] {
		parts = append(parts, fmt.Sprintf("from%d=%s", j, g.want(j)))
	}
	slices.Sort(parts)
	return "(" + strings.Join(parts, " ") + ")"
}

// queued says whether a run waits for a runner.
func (g *graph) queued() bool {
	if len(g.spare) > 0 {
		return true
	}
	runs := got(g.owner().Runs(g.t.Context(), blocks.RunFilter{Status: []remuda.RunStatus{remuda.RunPending}}, blocks.Span{Limit: 500}))(g.t)
	return slices.ContainsFunc(runs.Items, func(r remuda.BlockRun) bool { return r.Task != "" && g.running[r.Block].order.Run != r.ID })
}

// take claims a run, if one waits.
func (g *graph) take(t *rapid.T) {
	if !g.queued() {
		return
	}
	it := g.claim()
	if _, twice := g.running[it.order.Block.ID]; twice {
		t.Fatalf("two runs of block %s are live at once", it.order.Block.ID)
	}
	g.running[it.order.Block.ID] = it
}

// leave ends one of the runs that were claimed.
func (g *graph) leave(block string, result remuda.Result) {
	it := g.running[block]
	delete(g.running, block)
	g.finish(it, remuda.RunReport{Outputs: told(map[string]any{"given": gives(it.order)})}, result)
	g.settled(it)
}

func (g *graph) live() (ids []string) {
	for id := range g.running {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// step does one of the things that may happen at any time.
func (g *graph) step(t *rapid.T) {
	switch rapid.SampledFrom([]string{"claim", "succeed", "fail", "change", "run"}).Draw(t, "step") {
	case "claim":
		g.take(t)
	case "succeed", "fail":
		live := g.live()
		if len(live) == 0 {
			return
		}
		result := rapid.SampledFrom([]remuda.Result{succeeded, succeeded, {State: remuda.Failed, Reason: remuda.ReasonStep}}).Draw(t, "result")
		g.leave(rapid.SampledFrom(live).Draw(t, "which"), result)
	case "change":
		i := rapid.IntRange(0, len(g.nodes)-1).Draw(t, "block")
		g.sizes[i] = rapid.IntRange(0, 3).Draw(t, "size")
		change := remuda.BlockChange{Inputs: map[string]remuda.Value{"size": value(g.sizes[i])}}
		got(g.consumer().ChangeBlock(g.t.Context(), g.nodes[i].ID, change))(g.t)
	case "run":
		i := rapid.IntRange(0, len(g.nodes)-1).Draw(t, "block")
		_, err := g.consumer().RunBlock(g.t.Context(), g.nodes[i].ID, remuda.RunRequest{})
		if err != nil && remuda.KindOf(err) != remuda.Conflict { // it waits for its parents
			t.Fatal(err)
		}
	}
}

// rest has all that is left succeed, and what failed run again.
func (g *graph) rest(t *rapid.T) {
	for range 200 {
		for _, block := range g.live() {
			g.leave(block, succeeded)
		}
		if g.queued() {
			g.take(t)
			continue
		}
		failed := slices.IndexFunc(g.nodes, func(b remuda.Block) bool { return g.block(b).Status == remuda.BlockFailed })
		if failed < 0 {
			return
		}
		if _, err := g.consumer().RunBlock(g.t.Context(), g.nodes[failed].ID, remuda.RunRequest{}); err != nil {
			t.Fatalf("run %s again: %v", g.nodes[failed].Name, err)
		}
	}
	t.Fatal("the graph does not come to rest")
}

// Whatever fails and changes in whatever order: when all has run, each block gives what follows from all above it.
func TestAGraphOfBlocksComesToRestAsItWasAskedFor(t *testing.T) {
	w := newTown(t, false)
	rapid.Check(t, func(rt *rapid.T) {
		g := plant(w, rt)
		for range rapid.IntRange(0, 12).Draw(rt, "steps") {
			g.step(rt)
		}
		g.rest(rt)
		for i, b := range g.nodes {
			now := g.block(b)
			if now.Status != remuda.BlockSucceeded {
				rt.Fatalf("block %d is %s: %s", i, now.Status, now.Detail)
			}
			if want, got := string(value(g.want(i)).Value), string(now.Outputs["given"].Value); got != want {
				rt.Fatalf("block %d gives %s, want %s", i, got, want)
			}
		}
	})
}

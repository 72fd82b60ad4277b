package blocks_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

// foreign has a node of another system's pool carry out a run of a version, and gives its claim.
func (w *town) foreign(v remuda.Version) (remuda.Block, *remuda.Claim, blocks.RunDoor) {
	w.t.Helper()
	ctx := w.t.Context()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	done(w.t, err)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	done(w.t, err)
	entry := got(w.owner().CreateRunnerEntry(ctx, remuda.BlockRunnerEntry{
		DisplayName: "pool", Implementation: "TERRAFORM", Restricted: true,
		PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}))(w.t)
	v.ResourceClass = entry.ResourceClass
	block := w.order(w.define("Foreign", v), nil)
	claim := got(w.owner().ClaimRun(ctx, entry.ID, "node", "runner", "1", func(*remuda.Claim) string { return "" }))(w.t)
	if claim == nil {
		w.t.Fatal("there is nothing to claim")
	}
	return block, claim, w.rules.AsRun(claim.ID)
}

// plain is a version without inputs.
func plain(async bool) remuda.Version {
	return remuda.Version{Timeout: remuda.Duration(2 * time.Hour), Implementation: remuda.Blueprint{Type: remuda.BlueprintOpenTofu, OpenTofu: &remuda.OpenTofuBlueprint{
		Version: "1.10.10", Repository: "https://git.example.com/x.git", Async: async,
	}}}
}

func logged(id string, status remuda.RunStatus, log string) blocks.SourceStep {
	return blocks.SourceStep{ID: id, Name: id, Status: status, Log: &log}
}

// printed is what a step of a block's last run printed.
func (w *town) printed(b remuda.Block, step int) string {
	w.t.Helper()
	run := got(w.owner().Run(w.t.Context(), w.block(b).LatestRun))(w.t)
	part := got(w.plane.AsUser(w.user("plat", remuda.RoleAdmin)).Output(w.t.Context(), run.Task, control.OutputQuery{Step: &step}))(w.t)
	text := ""
	for _, chunk := range part.Chunks {
		text += string(chunk.Data)
	}
	return text
}

func TestAClaimThatOthersReportOfLivesWithoutItsRunner(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		block, claim, run := w.foreign(plain(true))
		done(w.t, run.RegisterSource(ctx, blocks.Source{Name: "runner", Steps: []blocks.SourceStep{{ID: "trigger"}}}))
		lostAfter := func() time.Duration {
			var row control.AttemptRow
			done(w.t, w.plane.Look(ctx, func(v control.View) error { return v.Get(ctx, &row, claim.ID) }))
			return row.LostAfter.Std()
		}
		if short := lostAfter(); short > 10*time.Minute {
			w.t.Errorf("a runner may be silent for %s", short)
		}
		got(run.ReportSource(ctx, blocks.SourceReport{Name: "runner", Status: remuda.RunSucceeded, Steps: []blocks.SourceStep{logged("trigger", remuda.RunSucceeded, "go")}}))(w.t)
		if long := lostAfter(); long < 119*time.Minute || long > 2*time.Hour {
			w.t.Errorf("what it set going may be silent for %s, and its run take two hours", long)
		}
		w.becomes(block, remuda.BlockInProgress)
		done(w.t, run.RegisterSource(ctx, blocks.Source{Name: "pipeline", ExternalID: "7"}))
		wantKind(w.t, run.RegisterSource(ctx, blocks.Source{Name: "pipeline"}), remuda.Conflict)
		got(run.ReportSource(ctx, blocks.SourceReport{Name: "pipeline", Status: remuda.RunSucceeded, Steps: []blocks.SourceStep{
			{ID: "apply", Status: remuda.RunSucceeded, Outputs: map[string]remuda.RunOutput{"url": {Type: remuda.TypeString, Value: []byte(`"https://x"`)}}},
		}}))(w.t)
		same(w.t, "outputs", `"https://x"`, string(w.becomes(block, remuda.BlockSucceeded).Outputs["url"].Value))
	})
}

func TestALogThatDoesNotGoOnBeginsAnewAsALaterStep(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		block, _, run := w.foreign(plain(false))
		done(w.t, run.RegisterSource(ctx, blocks.Source{Name: "runner", Steps: []blocks.SourceStep{{ID: "one"}, {ID: "two"}}}))
		for _, text := range []string{"a", "ab", "ab", "abc", "xyz", "xyz!"} {
			got(run.ReportSource(ctx, blocks.SourceReport{Name: "runner", Status: remuda.RunInProgress, Steps: []blocks.SourceStep{logged("one", remuda.RunInProgress, text)}}))(w.t)
		}
		same(w.t, "the first revision", "abc", w.printed(block, 0))
		same(w.t, "the other step", "", w.printed(block, 1))
		same(w.t, "the second revision", "xyz!", w.printed(block, 2))
		got(run.ReportSource(ctx, blocks.SourceReport{Name: "runner", Status: remuda.RunFailed, Summary: "it broke"}))(w.t)
		same(w.t, "detail", "it broke", w.becomes(block, remuda.BlockFailed).Detail)
	})
}

func TestARunWaitsForAllItsSourcesAndFailsWithOne(t *testing.T) {
	w := newTown(t, false)
	ctx := t.Context()
	block, _, run := w.foreign(plain(false))
	for _, name := range []string{"runner", "other"} {
		done(t, run.RegisterSource(ctx, blocks.Source{Name: name}))
	}
	got(run.ReportSource(ctx, blocks.SourceReport{Name: "runner", Status: remuda.RunSucceeded}))(t)
	w.becomes(block, remuda.BlockInProgress)
	_, err := run.ReportSource(ctx, blocks.SourceReport{Name: "nobody", Status: remuda.RunFailed})
	wantKind(t, err, remuda.NotFound)
	got(run.ReportSource(ctx, blocks.SourceReport{Name: "other", Status: remuda.RunFailed, Summary: "no"}))(t)
	w.becomes(block, remuda.BlockFailed)
	if aborted := got(run.ReportSource(ctx, blocks.SourceReport{Name: "runner", Status: remuda.RunSucceeded}))(t); aborted {
		t.Error("who comes late is told that the run was aborted")
	}
}

func TestAnAbortedRunThatNobodyBeganEndsWithItsFirstReport(t *testing.T) {
	w := newTown(t, false)
	ctx := t.Context()
	block, _, run := w.foreign(plain(false))
	got(w.owner().AbortRun(ctx, w.block(block).LatestRun))(t)
	wantKind(t, run.RegisterSource(ctx, blocks.Source{Name: "runner"}), remuda.Conflict)
	if !got(run.ReportSource(ctx, blocks.SourceReport{Name: "runner", Status: remuda.RunInProgress}))(t) {
		t.Error("its runner is not told that it was aborted")
	}
	w.becomes(block, remuda.BlockAborted)
}

func TestWhatAnAbortedRunHasMadeIsWrittenDownUnlessAnotherRunCameFirst(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		block, _, run := w.foreign(plain(false))
		done(w.t, run.RegisterSource(ctx, blocks.Source{Name: "runner"}))
		got(run.LockState(ctx, remuda.StateLock{ID: "l1"}))(w.t)
		done(w.t, run.WriteState(ctx, "l1", stateText(1, lineage, "begun")))
		got(w.owner().AbortRun(ctx, w.block(block).LatestRun))(w.t)
		if !got(run.ReportSource(ctx, blocks.SourceReport{Name: "runner", Status: remuda.RunInProgress}))(w.t) {
			w.t.Fatal("its runner is not told that it was aborted")
		}
		w.becomes(block, remuda.BlockAborted)
		// Interrupted only now, OpenTofu reads the state once more and writes down what it has made. Said twice, it is the same.
		if text := got(run.State(ctx))(w.t); string(text) != string(stateText(1, lineage, "begun")) {
			w.t.Errorf("the state is %s", text)
		}
		done(w.t, run.WriteState(ctx, "l1", stateText(2, lineage, "half")))
		done(w.t, run.WriteState(ctx, "l1", stateText(2, lineage, "half")))
		wantKind(w.t, run.WriteState(ctx, "l1", stateText(1, lineage, "older")), remuda.Conflict)
		wantKind(w.t, run.WriteState(ctx, "l1", stateText(3, "another-line", "x")), remuda.Conflict)
		if text := got(w.owner().State(ctx, block.ID, 2))(w.t); string(text) != string(stateText(2, lineage, "half")) {
			w.t.Errorf("the state is %s", text)
		}

		// Whoever comes next has the lock, and then the state.
		got(w.owner().RunBlock(ctx, block.ID, remuda.RunRequest{}))(w.t)
		entry := got(w.owner().RunnerEntries(ctx, "", blocks.Span{Limit: 10}))(w.t).Items[0]
		claim := got(w.owner().ClaimRun(ctx, entry.ID, "node", "runner", "1", func(*remuda.Claim) string { return "" }))(w.t)
		next := w.rules.AsRun(claim.ID)
		done(w.t, next.RegisterSource(ctx, blocks.Source{Name: "runner"}))
		got(next.LockState(ctx, remuda.StateLock{ID: "l2"}))(w.t)
		wantKind(w.t, run.WriteState(ctx, "l1", stateText(3, lineage, "late")), remuda.Gone)
		done(w.t, next.WriteState(ctx, "l2", stateText(3, lineage, "next")))
		got(next.UnlockState(ctx, "l2"))(w.t)
		wantKind(w.t, run.WriteState(ctx, "l1", stateText(4, lineage, "late")), remuda.Gone)
		// Of one that ended well nothing is taken later.
		got(next.ReportSource(ctx, blocks.SourceReport{Name: "runner", Status: remuda.RunSucceeded}))(w.t)
		wantKind(w.t, next.WriteState(ctx, "", stateText(5, lineage, "late")), remuda.Gone)
		_, err := next.State(ctx)
		wantKind(w.t, err, remuda.Gone)
	})
}

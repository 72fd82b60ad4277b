package taskagent

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestARehearsalTakesEveryRoadAndLeavesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := rehearse(t.Context()); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("it left %v: %v", left, err)
	}
}

func TestAClaimThatComesDuringARehearsalIsReadWhenThatIsOver(t *testing.T) {
	t.Chdir(t.TempDir())
	claim, runner := io.Pipe()
	go func() {
		for range time.Tick(time.Millisecond) { // until it rehearses
			if _, err := os.Stat(rehearsal); err == nil {
				break
			}
		}
		_, _ = io.WriteString(runner, `{"claim": {"id": "c1", "task": {"implementation": "job"}}, "dir": "/somewhere"}`)
		_ = runner.Close()
	}()
	handoff, err := awaitHandoff(t.Context(), claim)
	if err != nil || handoff.Claim.ID != "c1" {
		t.Errorf("%+v, %v", handoff, err)
	}
	if _, err := os.Stat(rehearsal); !os.IsNotExist(err) {
		t.Errorf("the rehearsal goes on: %v", err)
	}
}

func TestAnAgentWithoutAClaimEndsAtTheEndOfItsInput(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := awaitHandoff(t.Context(), strings.NewReader("")); err == nil {
		t.Error("it took nothing for a claim")
	}
}

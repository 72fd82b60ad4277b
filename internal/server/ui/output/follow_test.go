package output_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

// chatter is lines as steps print them: colours, progress that overwrites itself, letters of several bytes.
func chatter(dice *rand.Rand, n int) string {
	var all strings.Builder
	for i := range n {
		switch dice.IntN(8) {
		case 0:
			fmt.Fprintf(&all, "\x1b[1;3%dmcolour %d\x1b[0m\n", dice.IntN(8), i)
		case 1:
			for p := 0; p <= 100; p += 20 {
				fmt.Fprintf(&all, "\r%3d %%", p)
			}
			all.WriteString(" done\n")
		case 2:
			fmt.Fprintf(&all, "ünïcödé → 猫 %d\r\n", i)
		case 3:
			fmt.Fprintf(&all, "one\ntwo\x1b[1A\rONE\x1b[1B\n%d\n", i)
		case 4:
			all.WriteString("\n")
		default:
			fmt.Fprintf(&all, "line %d %s\n", i, strings.Repeat("x", dice.IntN(300)))
		}
	}
	return all.String()
}

func TestABrowserThatIsCutOffAtAnyPlaceShowsWhatOneShowsThatWasNot(t *testing.T) {
	w := newTown(t)
	k := w.begin("one", "two", "three")
	dice := rand.New(rand.NewPCG(1, 2))
	cut := newScreen(t)
	for round := range 50 {
		for range 1 + dice.IntN(4) {
			text := chatter(dice, 1+dice.IntN(30))
			step := dice.IntN(3)
			at := dice.IntN(len(text) + 1) // also within a letter or a sequence
			k.print(step, text[:at])
			k.print(dice.IntN(3), chatter(dice, 1))
			k.print(step, text[at:])
		}
		ctx, cancel := context.WithCancel(t.Context())
		answer := w.open(ctx, w.http, cut.address(k))
		here := fmt.Sprintf("%d:", k.at[0]+k.at[1]+k.at[2])
		cut.read(io.LimitReader(answer.Body, int64(dice.IntN(30_000))), func() bool { return strings.HasPrefix(cut.after, here) })
		cancel()
		_ = answer.Body.Close()
		if round == 30 {
			k.stands(0, remuda.StepSucceeded)
		}
	}
	k.finish(remuda.Succeeded)
	last := w.open(t.Context(), w.http, cut.address(k))
	cut.read(last.Body, nil)
	_ = last.Body.Close()
	fresh := newScreen(t)
	answer := w.open(t.Context(), w.http, fresh.address(k))
	fresh.read(answer.Body, nil)
	_ = answer.Body.Close()
	for step := range 3 {
		if got, want := cut.text(step), fresh.text(step); got != want {
			t.Errorf("step %d shows %d lines, and not the %d that it should", step, strings.Count(got, "\n"), strings.Count(want, "\n"))
		}
		if len(fresh.steps[step]) < 300 {
			t.Errorf("step %d has %d lines", step, len(fresh.steps[step]))
		}
	}
	if !cut.ended || !fresh.ended {
		t.Error("the streams did not say that they ended")
	}
}

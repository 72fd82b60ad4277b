package output

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// shown is what a text looks like, as HTML.
func shown(t testing.TB, pieces ...string) string {
	t.Helper()
	s := screen{known: true}
	for _, piece := range pieces {
		if err := s.write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.settle(); err != nil {
		t.Fatal(err)
	}
	is, _ := s.difference()
	return strings.Join(is.Lines, "\n")
}

func TestWhatStepsPrintLooksAsInATerminal(t *testing.T) {
	const link = `<a rel="noopener nofollow" target="_blank" href="https:&#47;&#47;example.com/a?b=1&amp;c=%3B">there</a>`
	for text, want := range map[string]string{
		"plain\nlines\n":                      "plain\nlines",
		"\x1b[31mred\x1b[0m.":                 `<span class="term-fg31">red</span>.`,
		"\x1b[1;38;5;200mx\x1b[m.":            `<span class="term-fgx200 term-fg1">x</span>.`,
		"\x1b[38;2;255;0;0mx":                 `<span class="term-fgx196">x</span>`,
		"\x1b[38:2::255:0:0mx":                `<span class="term-fgx196">x</span>`,
		"\x1b[38:5:9mx":                       `<span class="term-fgx9">x</span>`,
		"\x1b[48;2;128;128;128mx":             `<span class="term-bgx244">x</span>`,
		"\x1b[4:3mx\x1b[4:0my":                `<span class="term-fg4">x</span>y`,
		"10 %\r20 %\r100 %\n":                 "100 %",
		"abc\b\bX":                            "aXc",
		"one\ntwo\x1b[1A\rONE\x1b[1B\rTWO":    "ONE\nTWO",
		"one\x1b7two\x1b8TWO":                 "oneTWO",
		"one\x1b[stwo\x1b[uTWO":               "oneTWO",
		"\x1b]0;a title\x07text":              "text",
		"\x1b]0;a title\x1b\\text":            "text",
		"\x1bPsome\x1b\\text\x1b_a\x1b\\more": "textmore",
		"\x1b[?25l\x1b[>4;2m\x1b[2 qtext":     "text",
		"\x1b[5dtext\x1b[4h\x1b[1;3r\x1b[2S":  "text",
		"\x1b]0;not finished\ntext":           "\ntext",
		"\x1b[12\ntext":                       "\ntext",
		"\x1b(Btext\x1b=":                     "text",
		"a\x00b\x07c\x7fd\u0085e":             "abcde",
		"a\xffb\xc3":                          "a\ufffdb",
		"\xe2\x82x":                           "\ufffdx",
		"猫 ünï":                               "猫 ünï",
		"a\tb":                                "a\tb",
		"\x1b]1337;File=name=YS5zdmc=;inline=1:PHN2Zz4=\x07x":  "x",
		"\x1b]1338;url=https://evil.example/x.png;alt=a\x07x":  "x",
		"\x1b]1339;url=javascript:alert(1);content=press\x07x": "x",
		"\x1b_bk;t=1\x07x": "x",
		"\x1b]8;;https://example.com/a?b=1&c=;\x1b\\there\x1b]8;;\x1b\\": strings.ReplaceAll(link, "&#47;", "/"),
		"\x1b]8;;javascript:alert(1)\x07x\x1b]8;;\x07":                   "x",
		"\x1b]8;;JaVaScRiPt:alert(1)\x07x\x1b]8;;\x07":                   "x",
		"\x1b]8;;data:text/html,<script>\x07x\x1b]8;;\x07":               "x",
		"\x1b]8;;/tasks/x/cancel\x07x\x1b]8;;\x07":                       "x",
		`<script>alert("hi")</script>`:                                   "&lt;script&gt;alert(&quot;hi&quot;)&lt;&#47;script&gt;",
		"\x1b[31\"onclick=\"mx":                                          "nclick=&quot;mx",
	} {
		if got := shown(t, text); got != want {
			t.Errorf("%q looks like %q, want %q", text, got, want)
		}
	}
}

// No text can end the element that it stands in, whatever letters and sequences it is put together from.
func TestNothingThatIsPrintedIsMoreThanTextColoursAndLinks(t *testing.T) {
	parts := []string{
		"<script>", "</div>", `"`, "'", "&", "<img src=x onerror=alert(1)>", "\x1b[31m", "\x1b[", "\x1b]8;;", "https://a.example/", "javascript:x",
		"\x07", "\x1b\\", "\n", "\r", "\b", ";", "\x1b[1A", "\x1b[2K", "\x1b[J", "\x1b[99C", "\x1b]1338;url=", "\x1b_", "\xc3", "\x9b", "ü", "\x1bM", "\x1b7", "\x1b8", "m", "H", "\x1b[3J", "\x1b[1J",
	}
	dice := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		var text strings.Builder
		for range dice.IntN(40) {
			text.WriteString(parts[dice.IntN(len(parts))])
		}
		for line := range strings.SplitSeq(shown(t, text.String()), "\n") {
			rest := line
			for _, allowed := range []string{"</span>", "</a>"} {
				rest = strings.ReplaceAll(rest, allowed, "")
			}
			for piece := range strings.SplitSeq(rest, "<") {
				tag, _, ended := strings.Cut(piece, ">")
				if !ended {
					continue
				}
				class := strings.HasPrefix(tag, `span class="term-`)
				link := strings.HasPrefix(tag, `a rel="noopener nofollow" target="_blank" href="https://a.example/`)
				if !class && !link || strings.Count(tag, `"`) != 2 && class || strings.Count(tag, `"`) != 6 && link {
					t.Fatalf("%q becomes %q", text.String(), line)
				}
			}
			if strings.Count(line, "<span") != strings.Count(line, "</span>") || strings.Count(line, "<a ") != strings.Count(line, "</a>") {
				t.Fatalf("%q becomes %q, in which something is not ended", text.String(), line)
			}
		}
	}
}

func TestItMakesNoDifferenceHowOutputIsCutIntoPieces(t *testing.T) {
	dice := rand.New(rand.NewPCG(5, 6))
	parts := []string{"one ", "ü", "猫", "\xf0\x9f\x98\x80", "\n", "\r", "\x1b[1;31m", "\x1b[0m", "\x1b[2A", "\x1b[K", "\x1b]8;;https://a.example/;\x07", "\x1b]8;;\x1b\\", "\xff", "\x1b[38;2;1;200;3m", strings.Repeat("long ", 50)}
	for range 300 {
		var text strings.Builder
		for range 400 {
			text.WriteString(parts[dice.IntN(len(parts))])
		}
		whole := text.String()
		var pieces []string
		for rest := whole; rest != ""; {
			n := 1 + dice.IntN(min(len(rest), 20))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		if got, want := shown(t, pieces...), shown(t, whole); got != want {
			t.Fatalf("%q in %d pieces is\n%q, at once\n%q", whole, len(pieces), got, want)
		}
	}
}

func TestALineThatIsTooLongSaysHowMuchIsMissing(t *testing.T) {
	got := shown(t, strings.Repeat("x", widest)+strings.Repeat("ü", 2345)+"\nnext")
	if want := strings.Repeat("x", widest) + " … 2345 more characters are in the raw output\nnext"; got != want {
		t.Errorf("a long line is %d characters and ends in %q", len(got), got[len(got)-80:])
	}
	if got := shown(t, strings.Repeat("x", widest)+"\nnext"); got != strings.Repeat("x", widest)+"\nnext" {
		t.Errorf("a line that just fits is %d characters and ends in %q", len(got), got[len(got)-80:])
	}
}

// hostile is output that is meant to cost more than its bytes.
func hostile() map[string]string {
	rep := func(text string, size int) string { return strings.Repeat(text, size/len(text)+1) }
	const size = 2 << 20
	return map[string]string{
		"parameters":        "\x1b[" + rep("1;", size) + "mx",
		"one line":          rep("x", 5*size),
		"a title":           "\x1b]0;" + rep("x", 5*size),
		"down":              rep("\x1b[999999999999B\x1b[999999999Cx", size),
		"up and down":       rep("\x1b[999Ax\x1b[999Bx\n", size),
		"line ends":         rep("\n", size),
		"colours":           rep("\x1b[1mx\x1b[2mx", size),
		"links":             rep("\x1b]8;;https://a.example/"+strings.Repeat("a", 900)+"\x07"+strings.Repeat("x\n", 50), size),
		"colours in a link": "\x1b]8;;https://a.example/" + strings.Repeat("a", 900) + "\x07" + rep("\x1b[1mx\x1b[2mx", size),
		"gaps in a link":    "\x1b]8;;https://a.example/" + strings.Repeat("a", 900) + "\x07" + rep("x\x1b[C", size),
		"erasing":           rep("\x1b[3Jx\n", size),
		"reverse":           rep("\x1bMx", size),
		"escapes":           rep("\x1b", size),
		"unfinished":        rep("\x1b[1", size),
	}
}

// What is sent for hostile output is a small multiple of it, and so is what is kept.
func TestHostileOutputCostsLittle(t *testing.T) {
	for name, text := range hostile() {
		r := reader{}
		if err := r.begin(cursor{}, 0); err != nil {
			t.Fatal(err)
		}
		sent, longest, start := 0, 0, time.Now()
		for rest := text; rest != ""; {
			n := min(len(rest), piece)
			part := control.OutputPart{Chunks: []remuda.Chunk{{Data: []byte(rest[:n])}}, Next: r.at + int64(n)}
			if err := r.take(part); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			r.sheet.differences(func(_ int, is change) {
				for _, line := range is.Lines {
					sent += len(line)
					longest = max(longest, len(line))
				}
			})
		}
		t.Logf("%s: %d bytes become %d, the longest line %d, in %v", name, len(text), sent, longest, time.Since(start))
		if sent > 40*len(text) {
			t.Errorf("%s: %d bytes become %d", name, len(text), sent)
		}
		if longest > 2<<20 {
			t.Errorf("%s: a line has %d bytes", name, longest)
		}
	}
}

func TestFewTerminalsAreKeptForManySteps(t *testing.T) {
	all := newSheet(false)
	for step := range 1000 {
		if err := all.write(step, []byte("a\nb")); err != nil {
			t.Fatal(err)
		}
	}
	open := 0
	for _, s := range all.screens {
		if s.terminal != nil {
			open++
		}
	}
	if open != mostTerminals {
		t.Errorf("%d terminals are kept", open)
	}
	if err := all.write(0, []byte("c")); err != nil { // it goes on in a line of its own
		t.Fatal(err)
	}
	told := map[int][]string{}
	all.differences(func(step int, is change) { told[step] = is.Lines })
	if len(told) != 1000 || !slices.Equal(told[0], []string{"a", "b", "c"}) || !slices.Equal(told[999], []string{"a", "b"}) {
		t.Errorf("%d steps are told, the first as %q, the last as %q", len(told), told[0], told[999])
	}
}

func TestOnlyTheEndOfALongOutputIsRendered(t *testing.T) {
	line := strings.Repeat("x", 99) + "\n"
	r := reader{}
	length := int64(newest + 4<<20)
	if err := r.begin(cursor{}, length); err != nil {
		t.Fatal(err)
	}
	for r.at < length {
		data := []byte(strings.Repeat(line, 1000))[:min(100_000, length-r.at)]
		if err := r.take(control.OutputPart{Chunks: []remuda.Chunk{{Data: data}}}); err != nil {
			t.Fatal(err)
		}
	}
	var told change
	r.sheet.differences(func(_ int, is change) { told = is })
	// The terminal may still change its last lines, so the first that are told are of before the end.
	last := told.At + len(told.Lines)
	if want := int(length / 100); told.At == 0 || last < want || last > want+1 || len(told.Lines) > newest/100+2*rows {
		t.Errorf("lines %d to %d of %d are told", told.At, last, want)
	}
}

func TestABrowserThatSawWhatIsNotKeptAnyMoreBeginsAgain(t *testing.T) {
	for name, c := range map[string]struct {
		from  cursor
		parts []control.OutputPart
		want  string
	}{
		"before the gap":   {cursor{at: 4}, []control.OutputPart{some("0123"), gap(10, "x")}, "[10 B]x"},
		"after the gap":    {cursor{at: 15, skipped: 10}, []control.OutputPart{some("0123"), gap(10, "xy")}, "y"},
		"within the gap":   {cursor{at: 8}, []control.OutputPart{some("0123"), gap(10, "x")}, "again"},
		"it saw the bytes": {cursor{at: 14}, []control.OutputPart{some("0123"), gap(10, "x")}, "again"},
		"no gap":           {cursor{at: 2}, []control.OutputPart{some("0123")}, "0123"},
		"beyond the end":   {cursor{at: 99}, nil, "again"},
	} {
		r := reader{}
		err := r.begin(c.from, 20)
		for _, part := range c.parts {
			if err == nil {
				err = r.take(part)
			}
		}
		got := "again"
		if err == nil {
			var lines []string
			r.sheet.differences(func(_ int, is change) { lines = is.Lines })
			got = strings.Join(lines, "")
		}
		if c.want == "[10 B]x" && strings.HasSuffix(got, "</em>x") && strings.Contains(got, "10 B of output") {
			continue
		}
		if got != c.want && !(c.want == "y" && strings.HasSuffix(got, "xy")) {
			t.Errorf("%s: %q (%v), want %q", name, got, err, c.want)
		}
	}
}

func some(text string) control.OutputPart {
	return control.OutputPart{Chunks: []remuda.Chunk{{Data: []byte(text)}}}
}

func gap(n int64, text string) control.OutputPart {
	part := some(text)
	part.Skipped = n
	return part
}

func TestWhatIsNoCursorBeginsAtTheBeginning(t *testing.T) {
	for _, text := range []string{"", "x", "1", "1:", ":1", "-1:0", "1:-1", "99999999999999999999:0", "1:2:3"} {
		if got := parseCursor(text); got != (cursor{}) {
			t.Errorf("%q is %v", text, got)
		}
	}
	if got := parseCursor(fmt.Sprint(cursor{5, 2})); got != (cursor{5, 2}) {
		t.Errorf("a cursor is read as %v", got)
	}
}

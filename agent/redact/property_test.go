package redact

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// specified is what text shows by the definition, found the slow way: each run of forms that overlap is one mask.
func specified(forms []string, text string) string {
	var shown strings.Builder
	end := 0 // of the run that is open
	for at := range len(text) {
		longest := 0
		for _, form := range forms {
			if strings.HasPrefix(text[at:], form) {
				longest = max(longest, len(form))
			}
		}
		switch {
		case at < end:
			end = max(end, at+longest)
		case longest > 0:
			shown.WriteString(Mask)
			end = at + longest
		default:
			shown.WriteByte(text[at])
		}
	}
	return shown.String()
}

// check holds all that is promised of text that comes in pieces of the given sizes, in turn.
func check(t interface {
	Fatalf(format string, args ...any)
}, f *Filter, text string, sizes []byte) {
	forms := f.table.Load().forms
	want := specified(forms, text)
	for _, form := range forms {
		for _, shown := range strings.Split(want, Mask) { // letters of the mask itself tell nothing
			if strings.Contains(shown, form) {
				t.Fatalf("%q shows the form %q: %q", text, form, want)
			}
		}
	}
	longest := 0
	for _, form := range forms {
		longest = max(longest, len(form))
	}

	s, shown, cuts := f.Stream(), "", map[int64]string{0: ""}
	rest := text
	for i := 0; rest != ""; i++ {
		size := 1
		if len(sizes) > 0 {
			size = min(int(sizes[i%len(sizes)])+1, len(rest))
		}
		out, source := s.Next([]byte(rest[:size]))
		shown, rest = shown+string(out), rest[size:]
		cuts[source] = shown
		given := int64(len(text) - len(rest))
		if source > given {
			t.Fatalf("%q: source is %d after %d bytes", text, source, given)
		}
		if s.covered == 0 && given-source >= int64(max(longest, 1)) {
			t.Fatalf("%q: %d bytes are held back, the longest form has %d", text, given-source, longest)
		}
	}
	out, source := s.Flush()
	if shown += string(out); shown != want || source != int64(len(text)) {
		t.Fatalf("%q in pieces of %v with %q\nshows %q for %d bytes,\n want %q", text, sizes, forms, shown, source, want)
	}
	for cut, before := range cuts {
		if again := before + through(f, text[cut:]); again != want {
			t.Fatalf("%q cut at %d with %q\nshows %q,\n want %q", text, cut, forms, again, want)
		}
	}
}

// withForms is a filter of just these forms, so that small alphabets bring all kinds of overlap.
func withForms(forms []string) *Filter {
	f := &Filter{forms: map[string]bool{}}
	for _, form := range forms {
		f.forms[form] = true
	}
	f.table.Store(newTable(f.forms))
	return f
}

func TestPiecesAndCutsNeverChangeWhatIsShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SampledFrom([]string{"a", "ab", "abc", "abcd"}).Draw(t, "letters")
		word := rapid.StringOfN(rapid.RuneFrom([]rune(letters)), Shortest, 12, -1)
		f := withForms(rapid.SliceOfN(word, 0, 6).Draw(t, "forms"))
		text := rapid.StringOfN(rapid.RuneFrom([]rune(letters+"x")), 0, 80, -1).Draw(t, "text")
		check(t, f, text, rapid.SliceOfN(rapid.ByteMax(12), 0, 5).Draw(t, "sizes"))
	})
}

func TestNoFormOfARealSecretIsShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z/+'"\\ \n-]{4,30}`)), 1, 3).Draw(t, "secrets")
		f := New(secrets...)
		known := f.table.Load().forms
		parts := []*rapid.Generator[string]{rapid.StringN(0, 6, -1)}
		if len(known) > 0 {
			form := rapid.SampledFrom(known)
			parts = append(parts, form, rapid.Custom(func(t *rapid.T) string {
				whole := form.Draw(t, "form")
				return whole[:rapid.IntRange(0, len(whole)).Draw(t, "length")]
			}))
		}
		text := strings.Join(rapid.SliceOfN(rapid.OneOf(parts...), 0, 6).Draw(t, "parts"), "")
		check(t, f, text, rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "sizes"))
	})
}

func TestASecretThatIsAddedLaterIsMaskedFromThenOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringOfN(rapid.RuneFrom([]rune("ab")), Shortest, 8, -1)
		before, after := rapid.SliceOfN(word, 0, 3).Draw(t, "before"), word.Draw(t, "after")
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abx")), 0, 40, -1).Draw(t, "text")
		at := rapid.IntRange(0, len(text)).Draw(t, "at")

		f := New(before...)
		s := f.Stream()
		out, source := s.Next([]byte(text[:at]))
		shown := string(out)
		f.Add(after)
		out, _ = s.Next([]byte(text[at:]))
		shown += string(out)
		out, _ = s.Flush()
		if shown += string(out); shown != through(New(before...), text[:source])+through(New(append(before, after)...), text[source:]) {
			t.Fatalf("shows %q", shown)
		}
	})
}

// FuzzStream takes secrets, one a line, a text in which \x00 stands for the first secret, and sizes of pieces.
func FuzzStream(f *testing.F) {
	f.Add("hunter22", "a \x00 b", []byte{0})
	f.Add("abcd\nabcdef\ncdefgh", "abcdefabcdxabcdefgh", []byte{2, 0, 6})
	f.Add("aaaa", "aaaaaaaaaaaaab", []byte{3})
	f.Add("it's \"quoted\" <b>&/+ä", "it'\\''s it\\u0027s \x00", []byte{1, 2, 3})
	f.Add("s3cr?t~v>lue", "czNjcj90fnY+bHVl dXNlcjpzM2NyP3R+dj5sdWU= s3cr%3Ft~v%3Elue", []byte{7})
	f.Add("-----BEGIN-----\r-----MIIE\xff-----", "-----BEGIN----------BEGIN-----MIIE", []byte{0, 9})
	f.Fuzz(func(t *testing.T, secrets, text string, sizes []byte) {
		if len(secrets) > 200 || len(text) > 400 || len(sizes) > 20 {
			return // the definition is slow
		}
		list := strings.Split(secrets, "\n")
		text = strings.ReplaceAll(text, "\x00", list[0])
		check(t, New(list...), text, sizes)
	})
}

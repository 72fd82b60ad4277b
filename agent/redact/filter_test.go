package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// through is what a stream shows of text that comes in one piece.
func through(f *Filter, text string) string {
	s := f.Stream()
	out, _ := s.Next([]byte(text))
	shown := string(out)
	out, source := s.Flush()
	if source != int64(len(text)) {
		return fmt.Sprintf("source is %d after %d bytes", source, len(text))
	}
	return shown + string(out)
}

func TestASecretIsMaskedAndWhatIsAroundItStays(t *testing.T) {
	f := New("hunter22", "correct horse", "abc", "  padded-value\n", "    ", "")
	for text, want := range map[string]string{
		"password=hunter22;":         "password=[secret];",
		"hunter22":                   "[secret]",
		"hunter2":                    "hunter2",
		"hunter hunter22hunter22":    "hunter [secret][secret]",
		"the correct horse\nran":     "the [secret]\nran",
		"abc is too short to be one": "abc is too short to be one",
		"four    blanks stay":        "four    blanks stay",
		"<padded-value>":             "<[secret]>",
		"<  padded-value\n>":         "<  [secret]\n>",
		"":                           "",
		"\x00\xff hunter22 \xff\x00": "\x00\xff [secret] \xff\x00",
	} {
		if got := through(f, text); got != want {
			t.Errorf("%q shows %q, want %q", text, got, want)
		}
	}
}

func TestOfOverlappingSecretsNoPieceIsLeft(t *testing.T) {
	for _, c := range []struct {
		secrets    []string
		text, want string
	}{
		{[]string{"abcd", "abcdef"}, "abcdef", "[secret]"},
		{[]string{"abcd", "abcdef"}, "abcdxyz", "[secret]xyz"},
		{[]string{"abcd", "abcdef"}, "abcdexyz", "[secret]exyz"},
		{[]string{"abcd", "abcdef"}, "abcde", "[secret]e"},
		{[]string{"bcde", "abcdef"}, "abcdef", "[secret]"},
		{[]string{"bcde", "abcdef"}, "abcdeg", "a[secret]g"},
		{[]string{"abcd", "cdef"}, "xabcdefx", "x[secret]x"},
		{[]string{"abcd", "cdef"}, "abcdcdef", "[secret][secret]"},
		{[]string{"aaaa"}, "baaaaaaaaab", "b[secret]b"},
		{[]string{"abab"}, "abababab", "[secret]"},
		{[]string{"xabc", "abcdefgh"}, "xabcdefg", "[secret]defg"},
	} {
		if got := through(New(c.secrets...), c.text); got != c.want {
			t.Errorf("%q with %q shows %q, want %q", c.text, c.secrets, got, c.want)
		}
	}
}

func TestEveryFormOfASecretIsMasked(t *testing.T) {
	const secret = "p@ss w/ö<rd>&'\"$+=?"
	f := New(secret)
	html, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{
		"plain":             secret,
		"JSON":              `"` + "p@ss w/ö<rd>&'\\\"$+=?" + `"`,
		"JSON for HTML":     string(html),
		"JSON in ASCII":     `"` + `p@ss w/\u00f6<rd>&'\"$+=?` + `"`,
		"JSON of PHP":       `"` + `p@ss w\/ö<rd>&'\"$+=?` + `"`,
		"query":             url.QueryEscape(secret),
		"path":              url.PathEscape(secret),
		"lower case":        "p%40ss%20w%2f%c3%b6%3crd%3e%26%27%22%24%2b%3d%3f",
		"JavaScript":        "p%40ss%20w%2F%C3%B6%3Crd%3E%26'%22%24%2B%3D%3F",
		"shell":             `'p@ss w/ö<rd>&'\''"$+=?'`,
		"shell, other":      `'p@ss w/ö<rd>&'"'"'"$+=?'`,
		"shell, double":     `"p@ss w/ö<rd>&'\"\$+=?"`,
		"user and password": strings.TrimPrefix(url.UserPassword("", secret).String(), ":"),
	}
	for form, text := range shown {
		want := "[secret]"
		if strings.ContainsAny(text[:1], `"'`) {
			want = text[:1] + want + text[:1]
		}
		if got := through(f, text); got != want {
			t.Errorf("%s: %q shows %q, want %q", form, text, got, want)
		}
	}
}

func TestBase64IsMaskedWhereverInTheEncodedBytesTheSecretLies(t *testing.T) {
	const secret = "s3cr?t~v>lue\xff"
	f := New(secret)
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if got := through(f, encoding.EncodeToString([]byte(secret))); got != Mask {
			t.Errorf("the secret alone shows %q", got)
		}
		if got := through(f, encoding.EncodeToString([]byte(secret+"\n"))); got != Mask {
			t.Errorf("the secret with its line end shows %q", got)
		}
		for before := range 7 {
			for after := range 5 {
				whole := strings.Repeat("u", before) + secret + strings.Repeat(":", after)
				text := encoding.EncodeToString([]byte(whole))
				got := through(f, text)
				if strings.Count(got, Mask) != 1 {
					t.Errorf("%d before, %d after: %q shows %q", before, after, text, got)
					continue
				}
				// What is left are digits that hold bits of a neighbour.
				left := strings.TrimRight(strings.Replace(got, Mask, "", 1), "=")
				digits := len(strings.TrimRight(text, "="))
				if most := (before*8+5)/6 + digits - (before+len(secret))*8/6; len(left) > most {
					t.Errorf("%d before, %d after: %q shows %q", before, after, text, got)
				}
			}
		}
	}
}

func TestLongBase64IsMaskedAlsoWhereItIsBrokenIntoLines(t *testing.T) {
	secret := strings.Repeat("0123456789abcdefghijklmnop!", 9)
	f := New(secret)
	text := base64.StdEncoding.EncodeToString([]byte(secret + "\n"))
	for _, width := range []int{64, 76} {
		if got := through(f, broken(text, width, "\n")+"\n"); got != Mask+"\n" {
			t.Errorf("%d digits a line show %q", width, got)
		}
	}
}

func TestLinesOfASecretAreMaskedByThemselvesWhenTheySayEnough(t *testing.T) {
	f := New("-----BEGIN KEY-----\r\nMIIEvQIBADANBg\r\n  indented-line\r\n}\r\nshort\r\n-----END KEY-----\r\n")
	for text, want := range map[string]string{
		"-----BEGIN KEY-----\nMIIEvQIBADANBg\n  indented-line\n}\nshort\n-----END KEY-----\n":               "[secret]\n",
		"-----BEGIN KEY-----\r\nMIIEvQIBADANBg\r\n  indented-line\r\n}\r\nshort\r\n-----END KEY-----\r\n":   "[secret]\r\n",
		`"-----BEGIN KEY-----\nMIIEvQIBADANBg\n  indented-line\n}\nshort\n-----END KEY-----\n"`:             `"[secret]\n"`,
		"1: -----BEGIN KEY-----\n2: MIIEvQIBADANBg\n3: indented-line\n4: }\n5: short\n6: -----END KEY-----": "1: [secret]\n2: [secret]\n3: [secret]\n4: }\n5: short\n6: [secret]",
	} {
		if got := through(f, text); got != want {
			t.Errorf("%q shows %q, want %q", text, got, want)
		}
	}
}

func TestASecretIsHeldBackOnlyWhileItMayGoOn(t *testing.T) {
	s := New("hunter22").Stream()
	for _, c := range []struct {
		piece, want string
		source      int64
	}{
		{"a hun", "a ", 2},
		{"ter", "", 2},
		{"s\n", "hunters\n", 10},
		{"hunter2", "", 10},
		{"2", Mask, 18},
		{"h", "", 18},
		{"hunter22x", "h" + Mask + "x", 28},
	} {
		out, source := s.Next([]byte(c.piece))
		if string(out) != c.want || source != c.source {
			t.Errorf("%q shows %q and stands for %d, want %q and %d", c.piece, out, source, c.want, c.source)
		}
	}
	s.Next([]byte("hunt"))
	if out, source := s.Flush(); string(out) != "hunt" || source != 32 {
		t.Errorf("the end shows %q and stands for %d, want hunt and 32", out, source)
	}
}

func TestASecretThatIsAddedIsMaskedInWhatIsStillHeldBack(t *testing.T) {
	f := New("ABCDEFGH")
	s := f.Stream()
	if out, _ := s.Next([]byte("x ABCD")); string(out) != "x " {
		t.Fatalf("got %q", out)
	}
	f.Add("BCDexyz!")
	out, _ := s.Next([]byte("exyz! BCDexyz! ABCDEFGH"))
	if want := "A[secret] [secret] [secret]"; string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestASecretThatIsAddedMayBeginInsideOfOneThatIsMaskedAlready(t *testing.T) {
	f := New("abcd", "cdefgh")
	s := f.Stream()
	if out, _ := s.Next([]byte("abcdef")); len(out) > 0 {
		t.Fatalf("got %q, though cdefgh may follow", out)
	}
	f.Add("bcdefX")
	if out, _ := s.Next([]byte("X!")); string(out) != "[secret]!" {
		t.Errorf("got %q", out)
	}
}

func TestWithoutSecretsEverythingIsShownAtOnce(t *testing.T) {
	s := New().Stream()
	if out, source := s.Next([]byte("any\x00thing")); string(out) != "any\x00thing" || source != 9 {
		t.Errorf("got %q, %d", out, source)
	}
	if out, source := s.Flush(); len(out) != 0 || source != 9 {
		t.Errorf("got %q, %d", out, source)
	}
}

func TestAnEndlessRunOfOverlappingSecretsTakesLittleMemory(t *testing.T) {
	s := New("aaaa").Stream()
	piece, sent := bytes.Repeat([]byte("a"), 32<<10), int64(0)
	for range 32 {
		out, source := s.Next(piece)
		if sent += int64(len(piece)); len(out) > 0 || source != 0 {
			t.Fatalf("the run has not ended, yet %d bytes were shown for %d", len(out), source)
		}
		if len(s.held) > 4*lookback {
			t.Fatalf("%d bytes are held back", len(s.held))
		}
	}
	out, source := s.Next([]byte("b"))
	if string(out) != "[secret]b" || source != sent+1 {
		t.Errorf("got %q for %d bytes, want one mask for %d", out, source, sent+1)
	}
}

func TestSecretsMayBeAddedWhileStreamsRun(t *testing.T) {
	f := New("first-secret")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			s := f.Stream()
			for range 200 {
				if out, _ := s.Next([]byte("first-secret ")); bytes.Contains(out, []byte("first")) {
					t.Errorf("got %q", out)
				}
			}
		})
	}
	for i := range 50 {
		f.Add(fmt.Sprintf("later-secret-%d", i))
	}
	all.Wait()
	if got := through(f, "later-secret-49 first-secret"); got != "[secret] [secret]" {
		t.Errorf("got %q", got)
	}
}

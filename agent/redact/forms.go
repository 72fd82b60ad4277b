package redact

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
)

// shortestLine is the length in bytes from which one line of a secret is masked by itself: shorter ones, such as a
// closing brace, say little and occur everywhere.
const shortestLine = 8

// forms lists what a secret may look like in output; none is shorter than Shortest.
//
// White space around a secret is left out of the plain forms: what remains lies inside of every occurrence of the
// whole, and the line end after it is not lost with it.
func forms(secret string) []string {
	core := strings.TrimSpace(secret)
	if len(core) < Shortest {
		return nil
	}
	lines := strings.Split(strings.ReplaceAll(core, "\r\n", "\n"), "\n")
	unix, windows := strings.Join(lines, "\n"), strings.Join(lines, "\r\n")

	var all []string
	for _, text := range []string{core, unix, windows} {
		all = append(all, text)
		all = append(all, quoted(text)...)
		all = append(all, percent(text)...)
	}
	// Programs that encode a secret often do so with the line end of the file or the echo that it came from.
	for _, text := range []string{core, unix, windows, secret, core + "\n", core + "\r\n"} {
		all = append(all, base64s(text)...)
	}
	if len(lines) > 1 {
		for _, line := range lines {
			if line = strings.TrimSpace(line); len(line) >= shortestLine {
				all = append(all, line)
				all = append(all, quoted(line)...)
			}
		}
	}
	return long(all)
}

func long(forms []string) []string {
	kept := forms[:0]
	for _, form := range forms {
		if len(form) >= Shortest {
			kept = append(kept, form)
		}
	}
	return kept
}

// quoted is text as JSON writers and shells show it, without the quotes around it.
func quoted(text string) []string {
	plain := jsonString(text, false)
	all := []string{
		plain,
		jsonString(text, true),               // with < > & escaped, as Go does it
		strings.ReplaceAll(plain, "/", `\/`), // as PHP does it
		ascii(plain, "%04x"),                 // as Python does it
		ascii(plain, "%04X"),
		strings.ReplaceAll(text, `'`, `'\''`),
		strings.ReplaceAll(text, `'`, `'"'"'`),
		strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(text),
	}
	return all
}

func jsonString(text string, html bool) string {
	var encoded strings.Builder
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(html)
	if err := encoder.Encode(text); err != nil {
		return text // no string is refused
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(encoded.String(), "\n"), `"`), `"`)
}

// ascii escapes what is not ASCII, with the digits in the form of verb.
func ascii(text, verb string) string {
	var escaped strings.Builder
	for _, r := range text {
		if r < 0x80 {
			escaped.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&escaped, `\u`+verb, unit)
		}
	}
	return escaped.String()
}

// percent is text in a URL. Writers differ in what they leave as it is besides letters and digits, in how they write
// a space, and in the case of the digits.
func percent(text string) []string {
	var all []string
	for _, writer := range []struct{ safe, space string }{
		{"-_.~", "%20"},                 // RFC 3986, section 2.3
		{"-_.~", "+"},                   // forms in Go
		{"-_.*", "+"},                   // forms in browsers and Java
		{"-_.~/", "%20"},                // Python
		{"-_.~!*'()", "%20"},            // JavaScript, encodeURIComponent
		{"-_.~!*'();/?:@&=+$,#", "%20"}, // JavaScript, encodeURI
		{"-_.~$&+=:@", "%20"},           // paths in Go
		{"-_.~$&+,;=", "%20"},           // users and passwords in Go
	} {
		for _, digits := range []string{"0123456789ABCDEF", "0123456789abcdef"} {
			all = append(all, percentWith(text, writer.safe, writer.space, digits))
		}
	}
	return all
}

func percentWith(text, safe, space, digits string) string {
	var encoded strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c == ' ':
			encoded.WriteString(space)
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte(safe, c) >= 0:
			encoded.WriteByte(c)
		default:
			encoded.WriteByte('%')
			encoded.WriteByte(digits[c>>4])
			encoded.WriteByte(digits[c&15])
		}
	}
	return encoded.String()
}

// base64s is text within bytes that are encoded together. Three bytes become four digits of six bits, so the digits
// depend on how many bytes, modulo three, lie before it. Digits that share bits with a neighbour are left out, except
// that the last one also appears as it is when nothing follows.
func base64s(text string) []string {
	var all []string
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			bytes := before + len(text)
			digits := encoding.EncodeToString(append(make([]byte, before), text...))
			own := digits[(before*8+5)/6:]
			all = append(all, own[:len(own)-(len(digits)-bytes*8/6)], own)
			if rest := len(digits) % 4; rest > 0 {
				all = append(all, own+strings.Repeat("=", 4-rest))
			}
		}
	}
	// Long ones are broken into lines: by coreutils and MIME (RFC 2045) at 76 digits, by PEM (RFC 7468) at 64.
	whole := base64.StdEncoding.EncodeToString([]byte(text))
	for _, width := range []int{64, 76} {
		for _, end := range []string{"\n", "\r\n"} {
			all = append(all, broken(whole, width, end))
		}
	}
	return all
}

func broken(text string, width int, end string) string {
	var lines []string
	for ; len(text) > width; text = text[width:] {
		lines = append(lines, text[:width])
	}
	return strings.Join(append(lines, text), end)
}

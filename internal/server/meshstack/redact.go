package meshstack

import "github.com/remuda-dev/remuda/agent/redact"

// Redact takes secrets out of a text that a client's runner sent; when the text has not ended, also what may turn out to
// be the beginning of one. The rules are given it: these runners do not hide what they print, as our agents do. Of a text
// that goes on, it gives what goes on in the same way.
func Redact(secrets []string, text string, ended bool) string {
	stream := redact.New(secrets...).Stream()
	out, _ := stream.Next([]byte(text))
	shown := string(out)
	if ended {
		rest, _ := stream.Flush()
		shown += string(rest)
	}
	return shown
}

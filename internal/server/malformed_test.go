package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// What is no request of HTTP never comes to a handler: net/http answers by itself, as the introduction of the API says.
func TestWhatIsNoRequestIsAnsweredInPlainTextAndEndsTheConnection(t *testing.T) {
	w := newTown(t)
	for what, one := range map[string]struct {
		request string
		status  int
	}{
		"a header that is too large":  {"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 2*headerBytes) + "\r\n\r\n", 431},
		"no request at all":           {"hello\r\n\r\n", 400},
		"a header without a name":     {"GET /healthz HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", 400},
		"no host":                     {"GET /healthz HTTP/1.1\r\n\r\n", 400},
		"an unknown transfer coding":  {"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
		"a version that is not known": {"GET /healthz HTTP/3.7\r\nHost: x\r\n\r\n", 505},
	} {
		t.Run(what, func(t *testing.T) {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(w.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go func() { _, _ = io.WriteString(conn, one.request) }() // ends with the connection
			reader := bufio.NewReader(conn)
			answer, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if err != nil && len(text) == 0 {
				t.Error(err)
			}
			if kind := answer.Header.Get("Content-Type"); answer.StatusCode != one.status || kind != "text/plain; charset=utf-8" || !answer.Close {
				t.Errorf("it is answered %d in %s, and the connection ends: %t", answer.StatusCode, kind, answer.Close)
			}
		})
	}
}

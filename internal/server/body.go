package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/nearest"
)

// The sizes that bodies may have.
const (
	usualBody  = 1 << 20
	largeBody  = 4 << 20 // a submission with its files of environment; a chunk of output
	smallBody  = 64 << 10
	rawContent = "application/octet-stream"
	jsonType   = "application/json"
)

// BodyReader gives huma the body that was read already. Of bytes that are not JSON it gets the first, to see that there
// are any: byTask has them, and huma would copy them.
func (c *call) BodyReader() io.Reader {
	if c.route.content == rawContent {
		return bytes.NewReader(c.body[:min(1, len(c.body))])
	}
	return bytes.NewReader(c.body)
}

// room is where a body of n bytes goes. Chunks of output come a MiB at a time, so their memory is used again.
func (c *call) room(n int) *bytes.Buffer {
	n += bytes.MinRead // Reading to the end needs a little room to see that it is there.
	if c.route.content == rawContent {
		if kept, _ := c.server.chunks.Get().(*bytes.Buffer); kept != nil && kept.Available() >= n {
			return kept
		}
	}
	return bytes.NewBuffer(make([]byte, 0, n))
}

// letGo gives the memory of a chunk back, once nobody uses it any more.
func (c *call) letGo() {
	if c.route.content == rawContent && cap(c.body) >= smallBody {
		c.server.chunks.Put(bytes.NewBuffer(c.body[:0]))
	}
}

// Header says JSON where huma would have to guess.
func (c *call) Header(name string) string {
	if name == "Content-Type" && c.route.body != nil {
		return jsonType
	}
	return c.humaContext.Header(name)
}

// readBody takes in what an operation expects, and refuses what it cannot mean: another type, too much, broken JSON,
// members that nobody knows.
func (c *call) readBody() error {
	want := c.route.content
	if want == "" {
		return nil
	}
	if err := checkType(c.request.Header.Get("Content-Type"), want); err != nil {
		return err
	}
	if coding := c.request.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		c.out.Header().Set("Accept-Encoding", "identity")
		return &Problem{
			Kind: remuda.Invalid, Status: http.StatusUnsupportedMediaType, reason: reasonBody,
			Detail: "this control plane takes bodies as they are; send this one without Content-Encoding",
		}
	}
	body, err := c.take()
	if err != nil {
		return err
	}
	c.body = body
	if c.route.body == nil {
		return nil
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return remuda.Fail(remuda.Invalid, "this call needs a JSON document as its body; /api/v1/docs shows which")
	}
	return c.readMembers()
}

func checkType(got, want string) error {
	if got == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(got)
	if err == nil && strings.EqualFold(media, want) {
		return nil
	}
	return &Problem{
		Kind: remuda.Invalid, Status: http.StatusUnsupportedMediaType,
		Detail: fmt.Sprintf("this call takes %s; send the body as that, with that Content-Type", want),
	}
}

// take reads the body within its bounds of size and time.
func (c *call) take() ([]byte, error) {
	limit := c.route.limit
	if c.request.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	patience := c.server.bodyTime * time.Duration(limit/usualBody) // more may take longer
	deadline := http.NewResponseController(c.out)
	_ = deadline.SetReadDeadline(time.Now().Add(patience))
	body := c.room(int(max(0, c.request.ContentLength)))
	_, err := body.ReadFrom(http.MaxBytesReader(c.out, c.request.Body, limit))
	if err == nil {
		// The connection is read on, to see whether the caller leaves: that must not run into the deadline. After a
		// failure it must, or net/http would wait for the rest of the body before it answers.
		_ = deadline.SetReadDeadline(time.Time{})
		return body.Bytes(), nil
	}
	var over *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &over):
		return nil, tooLarge(limit)
	case errors.As(err, &network) && network.Timeout():
		return nil, &Problem{
			Kind: remuda.Invalid, Status: http.StatusRequestTimeout, reason: reasonBody,
			Detail: fmt.Sprintf("the body did not arrive within %s and nothing was changed; send it again", patience),
		}
	default:
		return nil, &remuda.Error{Kind: remuda.Invalid, Detail: "the body ended before it was whole; send it again", Cause: err}
	}
}

func tooLarge(limit int64) error {
	return &Problem{
		Kind: remuda.TooLarge, reason: reasonBody,
		Detail: fmt.Sprintf("the body is larger than %d MiB, the most that this call takes; send less at once", limit>>20),
	}
}

// readMembers checks what huma cannot: where broken JSON breaks, and members that are unknown or there twice.
func (c *call) readMembers() error {
	if !json.Valid(c.body) {
		return brokenJSON(c.body)
	}
	d := document{data: c.body, registry: c.server.api.OpenAPI().Components.Schemas}
	if err := d.check(c.route.body); err != nil {
		return err
	}
	if d.ignored > 0 {
		c.server.metrics.ignored.WithLabelValues(c.route.id).Add(float64(d.ignored))
	}
	if len(d.problems) > 0 {
		return &remuda.Error{Kind: remuda.Invalid, Detail: sentence(d.problems), Fields: d.problems}
	}
	return nil
}

// brokenJSON says where a document stops being JSON.
func brokenJSON(data []byte) error {
	var nothing struct{}
	var syntax *json.SyntaxError
	message, at := "is not JSON", len(data)
	if err := json.Unmarshal(data, &nothing); errors.As(err, &syntax) {
		message, at = syntax.Error(), int(syntax.Offset)-1
	}
	line, column := lineColumn(data, at)
	field := remuda.Field{Location: "body", Message: fmt.Sprintf("line %d, column %d: %s", line, column, message)}
	return &Problem{
		Kind: remuda.Invalid, Status: http.StatusBadRequest, Errors: []remuda.Field{field},
		Detail: fmt.Sprintf("the body is not JSON at line %d, column %d: %s", line, column, message),
	}
}

// explain puts a place in the document before what huma says of a member.
func (c *call) explain(e *huma.ErrorDetail) string {
	message := strings.ReplaceAll(e.Message, "property", "member")
	if name, found := strings.CutPrefix(e.Location, "query."); found && strings.HasPrefix(message, "unknown") {
		if meant, ok := nearest.Name(name, c.parameters()); ok {
			message += fmt.Sprintf("; did you mean %q?", meant)
		}
		return message
	}
	if c.route.body == nil || !strings.HasPrefix(e.Location, "body") {
		return message
	}
	d := document{data: c.body, registry: c.server.api.OpenAPI().Components.Schemas}
	at, found := d.find(e.Location)
	if !found {
		return message
	}
	line, column := lineColumn(c.body, at)
	return fmt.Sprintf("line %d, column %d: %s", line, column, message)
}

// parameters are the names that the operation's query may have.
func (c *call) parameters() []string {
	var names []string
	for _, p := range c.Operation().Parameters {
		if p.In == "query" {
			names = append(names, p.Name)
		}
	}
	return names
}

func compareFields(a, b remuda.Field) int { return strings.Compare(a.Location, b.Location) }

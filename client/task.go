package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"

	"github.com/remuda-dev/remuda"
)

// Task is what the task-agent of one claim may say. Nothing is repeated by itself: the agent's loop does so.
type Task struct {
	door    door
	claimID string
	forward *httputil.ReverseProxy
}

// Task gives the door of a claim. An agent behind its runner's socket has no token: the runner adds it.
func (c *Client) Task(claimID, token string) *Task {
	t := &Task{door: door{client: c, token: token}, claimID: claimID}
	t.forward = t.forwarder()
	return t
}

// Begin asks for leave to execute.
func (t *Task) Begin(ctx context.Context, b remuda.Begin) (remuda.Begun, error) {
	if b.Steps == nil {
		b.Steps = []remuda.Step{}
	}
	var begun remuda.Begun
	err := t.door.do(ctx, call{method: http.MethodPost, path: path("claims", t.claimID, "begin"), body: b}, &begun)
	return begun, err
}

// Steps says where steps stand.
func (t *Task) Steps(ctx context.Context, steps []remuda.Step) error {
	body := struct {
		Steps []remuda.Step `json:"steps"`
	}{steps}
	return t.door.do(ctx, call{method: http.MethodPut, path: path("claims", t.claimID, "steps"), body: body}, nil)
}

// Stream asks what the control plane holds of a step's output.
func (t *Task) Stream(ctx context.Context, step int) (remuda.StreamState, error) {
	var state remuda.StreamState
	err := t.door.do(ctx, call{method: http.MethodGet, path: t.stream(step)}, &state)
	return state, err
}

// Append adds a chunk to a step's output; the answer tells what is held, whether the chunk fitted or not.
func (t *Task) Append(ctx context.Context, c remuda.Chunk) (remuda.StreamState, error) {
	query := url.Values{}
	query.Set("offset", strconv.FormatInt(c.Offset, 10))
	query.Set("source", strconv.FormatInt(c.Source, 10))
	data := c.Data
	if data == nil {
		data = []byte{} // an empty chunk still says what Source it stands for
	}
	var state remuda.StreamState
	err := t.door.do(ctx, call{method: http.MethodPost, path: t.stream(c.Step), query: query, raw: data}, &state)
	return state, err
}

// CloseStream ends a step's output.
func (t *Task) CloseStream(ctx context.Context, step int, c remuda.StreamClose) (remuda.StreamState, error) {
	var state remuda.StreamState
	err := t.door.do(ctx, call{method: http.MethodPost, path: t.stream(step) + "/close", body: c}, &state)
	return state, err
}

func (t *Task) stream(step int) string {
	return path("claims", t.claimID, "steps", strconv.Itoa(step), "output")
}

// largestForward bounds what an agent may send in one request: a chunk has 4 MiB, a thousand steps a little more.
const largestForward = 8 << 20

// ServeHTTP forwards the calls of this claim's agent with the claim's token, and nothing else: what the agent says
// beside method, path, offsets and body goes no further.
func (t *Task) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if t.route(r) == "" {
		refuse(w, http.StatusNotFound, remuda.NotFound, "only the calls of this claim's task-agent go through this socket")
		return
	}
	limit := int64(largestForward)
	if strings.HasSuffix(r.URL.Path, "/state") || strings.HasSuffix(r.URL.Path, "/plan") {
		limit = largestState
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if err := atHand(r); err != nil {
		refuse(w, http.StatusServiceUnavailable, remuda.Unavailable, "the request did not arrive whole")
		return
	}
	t.forward.ServeHTTP(w, r)
}

// smallBody is what is read whole before it is forwarded: where steps stand, a line of output.
const smallBody = 16 << 10

// atHand reads a small body, so that it can be sent with its head: one that is still to come is sent after it, and costs
// either side a call more.
func atHand(r *http.Request) error {
	if !isSmall(r) {
		return nil
	}
	data := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, data); err != nil {
		return err
	}
	r.Body = io.NopCloser(bytes.NewReader(data)) // by which the transport knows that all of it is there
	return nil
}

func isSmall(r *http.Request) bool { return 0 < r.ContentLength && r.ContentLength <= smallBody }

// route is where a request may go, or nothing.
func (t *Task) route(r *http.Request) string {
	rest, found := strings.CutPrefix(r.URL.Path, prefix+"/claims/"+t.claimID+"/")
	if !found {
		return ""
	}
	switch {
	case rest == "begin" && r.Method == http.MethodPost:
		return path("claims", t.claimID, "begin")
	case rest == "steps" && r.Method == http.MethodPut:
		return path("claims", t.claimID, "steps")
	}
	if route := t.runRoute(r.Method, rest); route != "" {
		return route
	}
	number, found := strings.CutPrefix(rest, "steps/")
	if !found {
		return ""
	}
	number, what, _ := strings.Cut(number, "/")
	step, err := strconv.Atoi(number)
	if err != nil || step < 0 {
		return ""
	}
	switch {
	case what == "output" && (r.Method == http.MethodGet || r.Method == http.MethodPost):
		return t.stream(step)
	case what == "output/close" && r.Method == http.MethodPost:
		return t.stream(step) + "/close"
	}
	return ""
}

func (t *Task) forwarder() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport: t.door.client.http.Transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			query := url.Values{}
			for _, name := range []string{"offset", "source", "lock", "id"} {
				if value := p.In.URL.Query().Get(name); value != "" {
					query.Set(name, value)
				}
			}
			// The address is made anew, so that no spelling of the agent's path can mean another one to the server.
			out, err := url.Parse(t.door.client.base.String() + prefix + t.route(p.In))
			if err == nil {
				out.RawQuery = query.Encode()
				p.Out.URL = out
			}
			if isSmall(p.In) {
				p.Out.Body = p.In.Body // as it is; the proxy wraps it, and then the transport does not know that all is there
			}
			p.Out.Host = ""
			p.Out.Header = http.Header{"User-Agent": {t.door.client.userAgent}, "Accept": {"application/json"}}
			if kind := p.In.Header.Get("Content-Type"); kind != "" {
				p.Out.Header.Set("Content-Type", kind)
			}
			if t.door.token != "" {
				p.Out.Header.Set("Authorization", "Bearer "+t.door.token)
			}
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			failure := t.door.unreachable(r.Context(), err)
			refuse(w, http.StatusServiceUnavailable, remuda.Unavailable, failure.Error())
		},
	}
}

func refuse(w http.ResponseWriter, status int, kind remuda.Kind, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": http.StatusText(status), "status": status, "kind": kind, "detail": detail,
	})
}

package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sethvargo/go-retry"

	"github.com/remuda-dev/remuda"
)

// prefix is where the native API lies below the control plane's address.
const prefix = "/api/v1"

// largestAnswer bounds what one answer may make us read into memory.
const largestAnswer = 64 << 20

// door is a Client with a credential: what User, Runner and Task share.
type door struct {
	client *Client
	token  string // none when empty
	retry  bool   // whether calls that may be repeated are; the runner's and agent's loops do so themselves
}

// call is one request.
type call struct {
	method string
	path   string // below prefix, escaped
	query  url.Values
	body   any           // sent as JSON, unless it is raw
	raw    []byte        // sent as application/octet-stream
	key    string        // Idempotency-Key: makes a POST repeatable
	accept string        // application/json when empty
	lastID string        // Last-Event-ID
	hold   time.Duration // how long the server may hold the call, beyond the time that any call may take
}

// path joins elements below prefix, each escaped.
func path(elements ...string) string {
	var joined strings.Builder
	for _, element := range elements {
		joined.WriteByte('/')
		joined.WriteString(url.PathEscape(element))
	}
	return joined.String()
}

// do makes a call and decodes its answer into into, unless that is nil.
func (d door) do(ctx context.Context, in call, into any) error {
	once := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeoutCause(ctx, d.client.timeout+in.hold, errSlow)
		defer cancel()
		answer, err := d.send(ctx, in)
		if err != nil {
			return err
		}
		defer discard(answer.Body)
		if into == nil {
			return nil
		}
		return d.decode(ctx, answer.Body, into)
	}
	if !d.retry {
		return once(ctx)
	}
	return again(ctx, in, once)
}

// decode reads a JSON answer. Unknown members are ignored: a newer server may say more.
func (d door) decode(ctx context.Context, body io.Reader, into any) error {
	data, err := io.ReadAll(io.LimitReader(body, largestAnswer+1))
	if err != nil {
		return d.unreachable(ctx, err)
	}
	if len(data) > largestAnswer {
		return fmt.Errorf("the answer of %s is over %d MiB", d.client.base, largestAnswer>>20)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("the answer of %s cannot be read; is it a Remuda control plane? %w", d.client.base, err)
	}
	return nil
}

// send makes one request and gives the answer if it is a good one. The caller closes its body.
func (d door) send(ctx context.Context, in call) (*http.Response, error) {
	request, err := d.request(ctx, in)
	if err != nil {
		return nil, err
	}
	road := d.client.http
	if in.hold > 0 {
		road = d.client.held
	}
	answer, err := road.Do(request)
	if err != nil {
		return nil, d.unreachable(ctx, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		defer discard(answer.Body)
		return nil, problem(answer)
	}
	return answer, nil
}

func (d door) request(ctx context.Context, in call) (*http.Request, error) {
	body, kind := in.raw, "application/octet-stream"
	if in.body != nil {
		encoded, err := json.Marshal(in.body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body, kind = encoded, "application/json"
	}
	target := d.client.base.String() + prefix + in.path
	if len(in.query) > 0 {
		target += "?" + in.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, in.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	header := request.Header
	header.Set("User-Agent", d.client.userAgent)
	header.Set("Accept", "application/json")
	if in.accept != "" {
		header.Set("Accept", in.accept)
	}
	if in.body != nil || in.raw != nil {
		header.Set("Content-Type", kind)
	}
	if in.key != "" {
		header.Set("Idempotency-Key", in.key)
	}
	if in.lastID != "" {
		header.Set("Last-Event-ID", in.lastID)
	}
	if d.token != "" {
		header.Set("Authorization", "Bearer "+d.token)
	}
	return request, nil
}

// errSlow tells a call that took too long from one whose caller ended it.
var errSlow = errors.New("no answer in time")

// unreachable is what a request that got no answer means. Whether it changed something is not known then.
func (d door) unreachable(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if cause != nil && !errors.Is(cause, errSlow) {
		return cause // The caller ended it: that says more than which read was interrupted.
	}
	if cause != nil {
		err = cause
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // It would repeat the address.
	}
	return &remuda.Error{Kind: remuda.Unavailable, Detail: "cannot reach " + d.client.base.String(), Cause: lost{err}}
}

// lost marks a failure on the road: the server may or may not have seen the request.
type lost struct{ error }

func (l lost) Unwrap() error { return l.error }

// again makes a call until it succeeds, is refused, or three more tries are used up.
func again(ctx context.Context, in call, once func(context.Context) error) error {
	wait := &patience{backoff: retry.WithJitterPercent(30, retry.NewExponential(100*time.Millisecond))}
	return retry.Do(ctx, retry.WithMaxRetries(3, wait), func(ctx context.Context) error {
		err := once(ctx)
		if err == nil || !repeatable(in, err) {
			return err
		}
		wait.asked = waitAsked(err)
		return retry.RetryableError(err)
	})
}

// patience waits as long as the server asked, or else longer each time.
type patience struct {
	backoff retry.Backoff
	asked   time.Duration
}

// longestPatience bounds what a server may make a person wait for without a word.
const longestPatience = 10 * time.Second

// Next is the time until the next try.
func (p *patience) Next() (time.Duration, bool) {
	own, stop := p.backoff.Next()
	if p.asked > longestPatience {
		return 0, true
	}
	if p.asked > 0 { // Those who were sent away together must not come back together.
		p.asked += rand.N(p.asked / 5) //nolint:gosec // chance is all that is asked of it
	}
	return max(own, p.asked), stop
}

func waitAsked(err error) time.Duration {
	var failure *remuda.Error
	if errors.As(err, &failure) {
		return failure.Retry
	}
	return 0
}

// repeatable: after "limited" and "unavailable" nothing changed, so any call may be made again. When the road broke,
// the server may have acted: only a call that does the same twice may be.
func repeatable(in call, err error) bool {
	if !errors.Is(err, remuda.Unavailable) && !errors.Is(err, remuda.Limited) {
		return false
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return false
	}
	var onTheRoad lost
	if !errors.As(err, &onTheRoad) {
		return true
	}
	return in.method == http.MethodGet || in.method == http.MethodPut || in.key != ""
}

// discard reads what little is left, so that the connection can be used again.
func discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	_ = body.Close()
}

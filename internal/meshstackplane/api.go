package meshstackplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

const (
	callTimeout   = 30 * time.Second
	largestAnswer = 32 << 20
	longestRetry  = time.Hour // that an answer may ask for
)

// api makes requests of a meshStack.
type api struct {
	options Options
	base    *url.URL // without a slash at its end
	http    *http.Client

	mu      sync.Mutex
	access  string // the access token of our API key
	renewAt time.Time
}

func newAPI(o Options) (*api, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("expected meshStack's address, such as https://meshstack.example.com, got %q", o.URL)
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("meshStack's address may have no user, query or fragment")
	}
	base.Path, base.RawPath = strings.TrimRight(base.Path, "/"), ""
	a := &api{options: o, base: base, http: &http.Client{Transport: o.Transport, CheckRedirect: sameHostOnly}}
	return a, a.mayTell(base)
}

// mayTell refuses addresses to which a token would travel in clear.
func (a *api) mayTell(to *url.URL) error {
	if to.Scheme == "https" || to.Scheme == "http" && (a.options.Insecure || client.Loopback(to.Hostname())) {
		return nil
	}
	return fmt.Errorf("%s://%s would be sent tokens in clear; use https, or allow it with --insecure", to.Scheme, to.Host)
}

// sameHostOnly follows a redirect only where the credential may go.
func sameHostOnly(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	if next.URL.Scheme != first.Scheme || next.URL.Host != first.Host || len(via) >= 5 {
		return fmt.Errorf("it answers with a redirect to %s://%s", next.URL.Scheme, next.URL.Host)
	}
	return nil
}

// call is one request.
type call struct {
	method string
	url    string
	media  string // of the answer, and of the body where there is one
	body   any    // JSON, unless it is raw
	raw    []byte
	header http.Header
}

// answer is what came back, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send makes a request with a credential. Every answer that arrives is no error.
func (a *api) send(ctx context.Context, c call, authorize func(*http.Request)) (answer, error) {
	body := c.raw
	if c.body != nil {
		encoded, err := json.Marshal(c.body)
		if err != nil {
			return answer{}, errors.New("the request cannot be written as JSON") // The encoder's words may quote a secret.
		}
		body = encoded
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errSlow)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, c.method, c.url, bytes.NewReader(body))
	if err != nil {
		return answer{}, fmt.Errorf("make the request: %w", err)
	}
	a.introduce(request.Header)
	request.Header.Set("Accept", c.media)
	if c.body != nil || c.raw != nil {
		request.Header.Set("Content-Type", c.media)
	}
	for name, values := range c.header {
		request.Header[name] = values
	}
	if authorize != nil {
		authorize(request)
	}
	got, err := a.http.Do(request)
	if err != nil {
		return answer{}, a.unreachable(ctx, err)
	}
	defer got.Body.Close()
	data, err := io.ReadAll(io.LimitReader(got.Body, largestAnswer+1))
	if err != nil {
		return answer{}, a.unreachable(ctx, err)
	}
	if len(data) > largestAnswer {
		return answer{}, fmt.Errorf("an answer of %s is over %d MiB", a.base.Host, largestAnswer>>20)
	}
	return answer{got.StatusCode, got.Header, data}, nil
}

// introduce says who asks, as the vendor's runner does.
func (a *api) introduce(h http.Header) {
	h.Set("User-Agent", "remuda/"+a.options.Version)
	h.Set("X-Block-Runner-Node-Id", a.options.Node)
	h.Set("X-Meshcloud-Runner-Name", a.options.Name)
	h.Set("X-Meshcloud-Runner-Version", a.options.Version)
}

var errSlow = errors.New("no answer in time")

func (a *api) unreachable(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if cause != nil && !errors.Is(cause, errSlow) {
		return cause
	}
	if cause != nil {
		err = cause
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // It would repeat the address.
	}
	return &remuda.Error{Kind: remuda.Unavailable, Detail: "cannot reach " + a.base.String(), Cause: err}
}

// refused is an answer as the error that it means; nil for a good one.
func (a *api) refused(got answer) error {
	if got.status >= 200 && got.status <= 299 {
		return nil
	}
	return &remuda.Error{Kind: kindOf(got.status), Detail: a.sentence(got), Retry: client.RetryAfter(got.header)}
}

// longestSentence bounds what is told of an answer.
const longestSentence = 1000

// sentence is what an answer says of why it refuses.
func (a *api) sentence(got answer) string {
	var said struct {
		Detail  string `json:"detail"`
		Message string `json:"message"`
		Title   string `json:"title"`
		Error   string `json:"error"`
	}
	_ = json.Unmarshal(got.body, &said) // What cannot be read leaves the status to speak.
	for _, text := range []string{said.Detail, said.Message, said.Title, said.Error} {
		if text != "" {
			return strings.ToValidUTF8(text[:min(len(text), longestSentence)], "")
		}
	}
	return fmt.Sprintf("%s answers %d %s, without saying why", a.base.Host, got.status, http.StatusText(got.status))
}

// kindOf is the one table from statuses to kinds.
func kindOf(status int) remuda.Kind {
	switch status {
	case http.StatusUnauthorized:
		return remuda.Unauthenticated
	case http.StatusForbidden:
		return remuda.Forbidden
	case http.StatusNotFound:
		return remuda.NotFound
	case http.StatusConflict, http.StatusLocked, http.StatusPreconditionFailed:
		return remuda.Conflict
	case http.StatusGone:
		return remuda.Gone
	case http.StatusRequestEntityTooLarge:
		return remuda.TooLarge
	case http.StatusTooManyRequests:
		return remuda.Limited
	case http.StatusRequestTimeout:
		return remuda.Unavailable
	}
	if status >= 400 && status <= 499 {
		return remuda.Invalid
	}
	return remuda.Unavailable // whatever a server or a proxy has, it may pass
}

// asKey makes a request in the name of our API key. An access token that is refused is renewed once.
func (a *api) asKey(ctx context.Context, c call) (answer, error) {
	for again := false; ; again = true {
		token, err := a.token(ctx)
		if err != nil {
			return answer{}, err
		}
		got, err := a.send(ctx, c, bearer(token))
		if err != nil || got.status != http.StatusUnauthorized || again {
			return got, err
		}
		a.forget(token)
	}
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// token is an access token that is good for a while.
func (a *api) token(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.access != "" && time.Now().Before(a.renewAt) {
		return a.access, nil
	}
	got, err := a.send(ctx, call{method: http.MethodPost, url: a.base.String() + "/api/login", media: "application/json", body: map[string]string{
		"clientId": a.options.ClientID, "clientSecret": a.options.ClientSecret.Reveal(),
	}}, nil)
	if err == nil {
		err = a.refused(got)
	}
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	var given struct {
		AccessToken string  `json:"access_token"`
		ExpiresIn   float64 `json:"expires_in"` // seconds
	}
	if json.Unmarshal(got.body, &given) != nil || given.AccessToken == "" {
		return "", fmt.Errorf("sign in: %s answers without an access token; is it a meshStack?", a.base.Host)
	}
	a.access, a.renewAt = given.AccessToken, time.Now().Add(freshFor(given.ExpiresIn))
	return a.access, nil
}

// freshFor is how long a token is used that ends in so many seconds: not to its last moment, in which a request could be
// on its way.
func freshFor(seconds float64) time.Duration {
	life := time.Duration(min(max(seconds, 0), (24*time.Hour).Seconds()) * float64(time.Second))
	return life - max(life/5, min(life/2, 10*time.Second))
}

// forget drops an access token that was refused.
func (a *api) forget(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.access == token {
		a.access = ""
	}
}

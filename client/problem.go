package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// document is the part of a problem document (RFC 9457) that we act on.
type document struct {
	Title  string         `json:"title"`
	Detail string         `json:"detail"`
	Kind   remuda.Kind    `json:"kind"`
	Errors []remuda.Field `json:"errors"`
}

// kinds are ours by HTTP status, for answers that do not name one: a proxy's, or another program's.
var kinds = map[int]remuda.Kind{
	http.StatusBadRequest:            remuda.Invalid,
	http.StatusUnprocessableEntity:   remuda.Invalid,
	http.StatusUnsupportedMediaType:  remuda.Invalid,
	http.StatusNotAcceptable:         remuda.Invalid,
	http.StatusMethodNotAllowed:      remuda.Invalid,
	http.StatusUnauthorized:          remuda.Unauthenticated,
	http.StatusForbidden:             remuda.Forbidden,
	http.StatusNotFound:              remuda.NotFound,
	http.StatusConflict:              remuda.Conflict,
	http.StatusLocked:                remuda.Conflict,
	http.StatusPreconditionFailed:    remuda.Conflict,
	http.StatusGone:                  remuda.Gone,
	http.StatusRequestEntityTooLarge: remuda.TooLarge,
	http.StatusTooManyRequests:       remuda.Limited,
	http.StatusServiceUnavailable:    remuda.Unavailable,
	http.StatusBadGateway:            remuda.Unavailable,
	http.StatusGatewayTimeout:        remuda.Unavailable,
	http.StatusInternalServerError:   remuda.Internal,
}

// longestRetry bounds what an answer may ask us to wait: something on the way may say any number, and a runner would
// stay away for so long.
const longestRetry = time.Hour

// problem turns an answer that refuses into the error that the server meant.
func problem(answer *http.Response) error {
	var said document
	data, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	media, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	if media == "application/problem+json" || media == "application/json" {
		_ = json.Unmarshal(data, &said) // What cannot be read leaves the status to speak.
	}
	failure := &remuda.Error{Kind: kindOf(said.Kind, answer.StatusCode), Detail: said.Detail, Fields: said.Errors}
	if failure.Detail == "" {
		failure.Detail = said.Title
	}
	if failure.Detail == "" {
		failure.Detail = fmt.Sprintf("%s answers %s, without saying why", answer.Request.URL.Host, answer.Status)
	}
	failure.Retry = RetryAfter(answer.Header)
	return failure
}

// RetryAfter reads how long to wait (RFC 9110, section 10.2.3): seconds, or a date by the clock of who sent it.
func RetryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), int(longestRetry.Seconds()))) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(until.Sub(now), 0), longestRetry)
}

func kindOf(named remuda.Kind, status int) remuda.Kind {
	for _, known := range kinds {
		if named == known {
			return named
		}
	}
	if known, ok := kinds[status]; ok {
		return known
	}
	if status >= 400 && status < 500 {
		return remuda.Invalid
	}
	return remuda.Internal
}

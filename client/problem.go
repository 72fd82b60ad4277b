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
	http.StatusPreconditionFailed:    remuda.Conflict,
	http.StatusGone:                  remuda.Gone,
	http.StatusRequestEntityTooLarge: remuda.TooLarge,
	http.StatusTooManyRequests:       remuda.Limited,
	http.StatusServiceUnavailable:    remuda.Unavailable,
	http.StatusBadGateway:            remuda.Unavailable,
	http.StatusGatewayTimeout:        remuda.Unavailable,
	http.StatusInternalServerError:   remuda.Internal,
}

// longestRetry bounds, in seconds, what an answer may ask us to wait: something on the way may say any number, and a runner
// would stay away for so long.
const longestRetry = 3600

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
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
		failure.Retry = time.Duration(min(seconds, longestRetry)) * time.Second
	}
	return failure
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

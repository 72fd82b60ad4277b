package page

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/remuda-dev/remuda"
)

// compressed answers browsers that can read it in gzip. Nothing secret stands in a page beside what somebody else chose,
// but for a token that is shown once, so its length tells nothing.
func compressed(handler http.Handler) http.Handler { return gzhttp.GzipHandler(handler) }

// answer writes a whole page. It is put together first, so that what fails on the way is not half a page.
func (s *Site) answer(w http.ResponseWriter, v *Visit, view View) {
	frame := frame{View: view, Visit: v, Notice: takeNotice(w, v.Request)}
	if view.Body != nil && !view.Still && v.Request.Method == http.MethodGet && view.Code == 0 {
		frame.Live = "/live" + v.Request.URL.RequestURI()
	}
	var text bytes.Buffer
	// What went wrong is to be told also when that was that the time was over.
	if err := whole(frame).Render(context.WithoutCancel(v.Context()), &text); err != nil {
		s.options.Log.Error("render a page", "path", v.Request.URL.Path, "error", err)
		http.Error(w, "The page cannot be shown: the server's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if view.Code != 0 {
		w.WriteHeader(view.Code)
	}
	_, _ = w.Write(text.Bytes()) // nobody is left to tell
}

// body renders what changes of a page while somebody looks.
func body(v *Visit, view View) ([]byte, error) {
	var text bytes.Buffer
	if err := content(view).Render(v.Context(), &text); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

// statusOf is the code that pages say a Kind with.
func statusOf(kind remuda.Kind) int {
	switch kind {
	case remuda.Invalid:
		return http.StatusUnprocessableEntity
	case remuda.Unauthenticated:
		return http.StatusUnauthorized
	case remuda.Forbidden:
		return http.StatusForbidden
	case remuda.NotFound:
		return http.StatusNotFound
	case remuda.Conflict:
		return http.StatusConflict
	case remuda.Gone:
		return http.StatusGone
	case remuda.TooLarge:
		return http.StatusRequestEntityTooLarge
	case remuda.Limited:
		return http.StatusTooManyRequests
	case remuda.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// headlineOf says a Kind in a few words.
func headlineOf(kind remuda.Kind) string {
	switch kind {
	case remuda.Invalid:
		return "That cannot be done as it was asked"
	case remuda.Unauthenticated:
		return "Sign in first"
	case remuda.Forbidden:
		return "You may not do that"
	case remuda.NotFound:
		return "There is nothing here"
	case remuda.Conflict:
		return "That cannot be done now"
	case remuda.Gone:
		return "That is over"
	case remuda.TooLarge:
		return "That is too much at once"
	case remuda.Limited:
		return "That was too often"
	case remuda.Unavailable:
		return "That is not possible right now"
	default:
		return "Something went wrong here"
	}
}

// unreadable is a form that could not be read.
func unreadable(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return remuda.Fail(remuda.TooLarge, "A form may have 4 MiB.")
	}
	return remuda.Fail(remuda.Invalid, "The form could not be read: send it again from its page.")
}

// problemOf is what went wrong, in words for whoever asked. Faults of ours are told to nobody but the log.
func problemOf(err error) remuda.Error {
	var told *remuda.Error
	if errors.As(err, &told) {
		return *told
	}
	switch kind := remuda.KindOf(err); kind {
	case remuda.Internal:
		return remuda.Error{Kind: kind, Detail: "The fault is ours, and the server's log says what it was. Try again; if it stays, tell whoever runs this server when it happened."}
	case remuda.Unavailable:
		return remuda.Error{Kind: kind, Detail: "The server's log says why. Nothing was changed: try again in a moment."}
	default:
		return remuda.Error{Kind: kind}
	}
}

// Problem tells what went wrong with a form, to be shown with it again. It is false for what is not about the form.
func Problem(err error) (remuda.Error, bool) {
	told := problemOf(err)
	return told, told.Kind == remuda.Invalid || told.Kind == remuda.Conflict
}

func problemView(err error) View {
	told := problemOf(err)
	return View{Title: headlineOf(told.Kind), Body: problem(told), Code: statusOf(told.Kind)}
}

// fail answers with what went wrong.
func (s *Site) fail(w http.ResponseWriter, v *Visit, err error) {
	if late := v.Context().Err(); late != nil && errors.Is(err, late) {
		err = &remuda.Error{Kind: remuda.Unavailable, Detail: "The store did not come to it in time: try again in a moment.", Cause: err}
	}
	if kind := remuda.KindOf(err); kind == remuda.Internal || kind == remuda.Unavailable {
		s.options.Log.Error("answer a browser", "method", v.Request.Method, "path", v.Request.URL.Path, "error", err)
	}
	s.answer(w, v, problemView(err))
}

const noticeName = "remuda_notice"

// leaveNotice has the next page say something.
func leaveNotice(w http.ResponseWriter, text string) {
	if text == "" {
		return
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // what it says is no secret, and is escaped where it is shown
		Name: noticeName, Value: url.QueryEscape(text), Path: "/", MaxAge: int((30 * time.Second).Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// takeNotice takes what the page before left.
func takeNotice(w http.ResponseWriter, r *http.Request) string {
	cookie, err := r.Cookie(noticeName)
	if err != nil {
		return ""
	}
	http.SetCookie(w, &http.Cookie{Name: noticeName, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode}) //nolint:gosec // as above
	text, _ := url.QueryUnescape(cookie.Value)
	return text[:min(len(text), 500)]
}

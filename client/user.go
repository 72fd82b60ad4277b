package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/remuda-dev/remuda"
)

// User is what a person's or program's token may ask, a method for each noun and verb. Calls that may be repeated are,
// three times, when the control plane cannot be reached or asks to wait.
type User struct{ door door }

// User gives the door of an organization token or an admin token.
func (c *Client) User(token string) *User {
	return &User{door{client: c, token: token, retry: true}}
}

// Client is the one that the door was made by.
func (u *User) Client() *Client { return u.door.client }

// PageQuery asks for one part of a list.
type PageQuery struct {
	Cursor string // Next of the page before; empty for the first
	Limit  int    // the server's default when 0
}

func (q PageQuery) values() values {
	v := values{}
	v.set("cursor", q.Cursor)
	if q.Limit > 0 {
		v.set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// values are query parameters; empty ones are left out.
type values map[string][]string

func (v values) set(name string, texts ...string) {
	for _, text := range texts {
		if text != "" {
			v[name] = append(v[name], text)
		}
	}
}

// WhoAmI is who a token acts as.
type WhoAmI struct {
	Name         string      `json:"name"`
	Organization string      `json:"organization,omitempty"` // none for the instance's administrator
	Role         remuda.Role `json:"role,omitempty"`
	Admin        bool        `json:"admin"`
	Permissions  []string    `json:"permissions,omitempty"` // of an API key
}

// WhoAmI tells who the token acts as.
func (u *User) WhoAmI(ctx context.Context) (WhoAmI, error) {
	return read[WhoAmI](ctx, u, "/whoami", nil)
}

// Version is the control plane's.
func (u *User) Version(ctx context.Context) (string, error) {
	answer, err := read[struct {
		Version string `json:"version"`
	}](ctx, u, "/version", nil)
	return answer.Version, err
}

// All reads every page of a list.
func All[T any](ctx context.Context, page func(context.Context, PageQuery) (remuda.Page[T], error)) ([]T, error) {
	var all []T
	for q := (PageQuery{}); ; {
		part, err := page(ctx, q)
		if err != nil {
			return all, err
		}
		all = append(all, part.Items...)
		if part.Next == "" {
			return all, nil
		}
		q.Cursor = part.Next
	}
}

func read[T any](ctx context.Context, u *User, path string, query values) (T, error) {
	var answer T
	err := u.door.do(ctx, call{method: http.MethodGet, path: path, query: url.Values(query)}, &answer)
	return answer, err
}

func send[T any](ctx context.Context, u *User, method, path string, body any) (T, error) {
	var answer T
	err := u.door.do(ctx, call{method: method, path: path, body: body}, &answer)
	return answer, err
}

func (u *User) remove(ctx context.Context, path string, query values) error {
	return u.door.do(ctx, call{method: http.MethodDelete, path: path, query: url.Values(query)}, nil)
}

// classPath is the path of a resource class, whose name has two parts.
func classPath(name string) (string, error) {
	namespace, rest, found := strings.Cut(name, "/")
	if !found || namespace == "" || rest == "" || strings.Contains(rest, "/") {
		return "", remuda.Fail(remuda.Invalid, "a resource class is named namespace/name, such as acme/linux; got "+strconv.Quote(name))
	}
	return path("resource-classes", namespace, rest), nil
}

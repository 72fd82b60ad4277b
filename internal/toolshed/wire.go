package toolshed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/remuda-dev/remuda"
)

// Where an agent finds the shed on its claim's socket, beside the control plane.
const (
	programsPath  = "/machine/programs"
	providersPath = "/machine/providers"
)

// mostAsked bounds a request of an agent.
const mostAsked = 64 << 10

// mostProviders is how many a claim may ask to keep.
const mostProviders = 100

// Found is a program on this machine, and where it gets providers from.
type Found struct {
	Path      string       `json:"path"`
	Fetched   bool         `json:"fetched,omitempty"` // for whoever asked
	Providers Installation `json:"providers,omitzero"`
}

// problem is its refusal.
type problem struct {
	Kind   remuda.Kind `json:"kind"`
	Detail string      `json:"detail"`
}

// For is the shed for the agent of one claim, which gets the one program that its payload names; nil for a claim that
// needs none. So a task cannot fill the disk with versions that it does not run.
func (s *Shed) For(claim remuda.Claim) http.Handler {
	wanted, needs := programFor(claim)
	if !needs {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+programsPath, func(w http.ResponseWriter, r *http.Request) {
		var asked Program
		if err := json.NewDecoder(io.LimitReader(r.Body, mostAsked)).Decode(&asked); err != nil || asked != wanted {
			refuse(w, remuda.Fail(remuda.Forbidden, "this claim may have "+wanted.String()+" and no other program"))
			return
		}
		path, fetched, err := s.Program(r.Context(), asked)
		if err != nil {
			s.log.Warn("a task does not get its program", "claim", claim.ID, "program", asked.String(), "error", err)
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(Found{path, fetched, s.installation()})
	})
	mux.HandleFunc("POST "+providersPath, func(w http.ResponseWriter, r *http.Request) {
		var asked []Need
		if err := json.NewDecoder(io.LimitReader(r.Body, mostAsked)).Decode(&asked); err != nil || len(asked) > mostProviders {
			refuse(w, remuda.Fail(remuda.Invalid, "these are no providers"))
			return
		}
		if err := s.keepAll(r.Context(), wanted, asked); err != nil {
			s.log.Warn("providers of a task are not kept for the next", "claim", claim.ID, "error", err)
			refuse(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// programFor is what a claim's payload names.
func programFor(claim remuda.Claim) (Program, bool) {
	if claim.Task.Implementation != remuda.BlueprintOpenTofu {
		return Program{}, false
	}
	var order struct {
		Implementation struct {
			OpenTofu struct {
				Version string `json:"version"`
			} `json:"opentofu"`
		} `json:"implementation"`
	}
	if json.Unmarshal(claim.Payload, &order) != nil {
		return Program{}, false
	}
	p, err := ProgramOf(order.Implementation.OpenTofu.Version)
	return p, err == nil
}

func refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	told := problem{Kind: remuda.KindOf(err), Detail: "the runner could not get the program; its log says why"}
	var known *remuda.Error
	if errors.As(err, &known) {
		status, told.Detail = http.StatusConflict, known.Detail
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(told)
}

// Client asks a runner's shed.
type Client struct{ http *http.Client }

// Over is the shed behind a claim's socket.
func Over(socket string) *Client {
	return &Client{&http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}}
}

// Program finds a program on this machine. An error of kind Invalid or NotFound says that there is none such.
func (c *Client) Program(ctx context.Context, p Program, said io.Writer) (Found, error) {
	var is Found
	answer, err := c.post(ctx, programsPath, p)
	if err != nil {
		return is, fmt.Errorf("ask the runner for %s: %w", p, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return is, refusal(p, answer)
	}
	if err := json.NewDecoder(answer.Body).Decode(&is); err != nil {
		return is, fmt.Errorf("ask the runner for %s: %w", p, err)
	}
	if is.Fetched {
		_, _ = fmt.Fprintf(said, "remuda: fetched %s, whose signature is good\n", p)
	}
	return is, nil
}

// Keep asks the runner to keep providers for its tasks, and returns when it has them.
func (c *Client) Keep(ctx context.Context, needs []Need) error {
	answer, err := c.post(ctx, providersPath, needs)
	if err != nil {
		return fmt.Errorf("ask the runner to keep providers: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		return errors.New("the runner does not keep these providers; its log says why")
	}
	return nil
}

func (c *Client) post(ctx context.Context, path string, body any) (*http.Response, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://runner"+path, bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	return c.http.Do(request)
}

func refusal(p Program, answer *http.Response) error {
	var told problem
	if answer.StatusCode == http.StatusNotFound || json.NewDecoder(answer.Body).Decode(&told) != nil || told.Detail == "" {
		return remuda.Fail(remuda.Unavailable, fmt.Sprintf("this runner knows no way to get %s", p))
	}
	return remuda.Fail(told.Kind, told.Detail)
}

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

// Path is where an agent finds the shed on its claim's socket, beside the control plane.
const Path = "/machine/programs"

// mostAsked bounds a request of an agent.
const mostAsked = 4 << 10

// found is the shed's answer.
type found struct {
	Path    string `json:"path"`
	Fetched bool   `json:"fetched,omitempty"`
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
	mux.HandleFunc("POST "+Path, func(w http.ResponseWriter, r *http.Request) {
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
		_ = json.NewEncoder(w).Encode(found{path, fetched})
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

// Program is the path of a program on this machine. An error of kind Invalid or NotFound says that there is none such.
func (c *Client) Program(ctx context.Context, p Program, said io.Writer) (string, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://runner"+Path, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return "", fmt.Errorf("ask the runner for %s: %w", p, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", refusal(p, answer)
	}
	var is found
	if err := json.NewDecoder(answer.Body).Decode(&is); err != nil {
		return "", fmt.Errorf("ask the runner for %s: %w", p, err)
	}
	if is.Fetched {
		_, _ = fmt.Fprintf(said, "remuda: fetched %s, whose signature is good\n", p)
	}
	return is.Path, nil
}

func refusal(p Program, answer *http.Response) error {
	var told problem
	if answer.StatusCode == http.StatusNotFound || json.NewDecoder(answer.Body).Decode(&told) != nil || told.Detail == "" {
		return remuda.Fail(remuda.Unavailable, fmt.Sprintf("this runner knows no way to get %s", p))
	}
	return remuda.Fail(told.Kind, told.Detail)
}

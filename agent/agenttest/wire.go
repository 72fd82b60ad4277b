package agenttest

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"github.com/remuda-dev/remuda"
)

// handler is the Plane as a claim's agent finds it behind its runner's socket.
func (p *Plane) handler(claimID string) http.Handler {
	mux := http.NewServeMux()
	root := "/api/v1/claims/" + claimID
	mux.HandleFunc("POST "+root+"/begin", func(w http.ResponseWriter, r *http.Request) {
		var begin remuda.Begin
		_ = json.NewDecoder(r.Body).Decode(&begin)
		begun, err := p.Begin(r.Context(), begin)
		reply(w, begun, err)
	})
	mux.HandleFunc("PUT "+root+"/steps", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Steps []remuda.Step `json:"steps"`
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		reply(w, nil, p.Steps(r.Context(), body.Steps))
	})
	mux.HandleFunc("GET "+root+"/steps/{step}/output", func(w http.ResponseWriter, r *http.Request) {
		state, err := p.Stream(r.Context(), stepOf(r))
		reply(w, state, err)
	})
	mux.HandleFunc("POST "+root+"/steps/{step}/output", func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		offset, _ := strconv.ParseInt(r.FormValue("offset"), 10, 64)
		source, _ := strconv.ParseInt(r.FormValue("source"), 10, 64)
		state, err := p.Append(r.Context(), remuda.Chunk{Step: stepOf(r), Offset: offset, Source: source, Data: data})
		reply(w, state, err)
	})
	mux.HandleFunc("POST "+root+"/steps/{step}/output/close", func(w http.ResponseWriter, r *http.Request) {
		var end remuda.StreamClose
		_ = json.NewDecoder(r.Body).Decode(&end)
		state, err := p.CloseStream(r.Context(), stepOf(r), end)
		reply(w, state, err)
	})
	return mux
}

func stepOf(r *http.Request) int {
	step, err := strconv.Atoi(r.PathValue("step"))
	if err != nil {
		return -1
	}
	return step
}

func reply(w http.ResponseWriter, body any, err error) {
	if err == nil && body == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		status := map[remuda.Kind]int{
			remuda.Gone:        http.StatusGone,
			remuda.Conflict:    http.StatusConflict,
			remuda.TooLarge:    http.StatusRequestEntityTooLarge,
			remuda.Unavailable: http.StatusServiceUnavailable,
		}[remuda.KindOf(err)]
		if status == 0 {
			status = http.StatusInternalServerError
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		body = map[string]any{"status": status, "kind": remuda.KindOf(err), "detail": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(body)
}

package meshstack

import (
	"crypto/md5" //nolint:gosec // it finds what broke on the way, as the protocol has it; it keeps nobody out
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

// The protocol of OpenTofu's http backend, as its documentation describes it.

// state has a call of the state backend answered: to whoever carries out a run of the block, by its token.
func (f *Face) state(handle func(*call) (int, []byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{face: f, request: r, out: w, ctx: r.Context()}
		status, body, err := 0, []byte(nil), c.enterRun()
		if err == nil {
			status, body, err = handle(c)
		}
		var locked *blocks.Locked
		if errors.As(err, &locked) {
			status = http.StatusLocked
			if r.Method == "UNLOCK" {
				status = http.StatusConflict
			}
			if body, err = json.Marshal(locked.Holder); err == nil {
				write(w, status, plainJSON, json.RawMessage(body))
				return
			}
		}
		if err != nil {
			f.refuse(w, r, err)
			return
		}
		if len(body) > 0 {
			w.Header().Set("Content-Type", plainJSON)
			w.Header().Set("Content-MD5", sumOf(body))
		}
		w.WriteHeader(status)
		_, _ = w.Write(body) // Nobody is left to tell.
	}
}

func sumOf(data []byte) string {
	sum := md5.Sum(data) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

func readState(c *call) (int, []byte, error) {
	state, err := c.door().State(c.ctx)
	return http.StatusOK, state, err
}

func writeState(c *call) (int, []byte, error) {
	state, err := readAll(c.request, c.out, mostState)
	if err != nil {
		return 0, nil, err
	}
	if sum := c.request.Header.Get("Content-MD5"); sum != "" && sum != sumOf(state) {
		return 0, nil, remuda.Fail(remuda.Invalid, "the state broke on its way: its MD5 is another one; send it again")
	}
	return http.StatusOK, nil, c.door().WriteState(c.ctx, c.query("ID"), state)
}

func deleteState(c *call) (int, []byte, error) {
	return http.StatusOK, nil, c.door().DeleteState(c.ctx, c.query("ID"))
}

// mostLock bounds what is said of a lock.
const mostLock = 64 << 10

func (c *call) lock() (lock remuda.StateLock, err error) {
	text, err := readAll(c.request, c.out, mostLock)
	if err != nil || len(text) == 0 {
		return lock, err
	}
	if json.Unmarshal(text, &lock) != nil {
		err = remuda.Fail(remuda.Invalid, "this is no lock: it is not JSON as OpenTofu writes it")
	}
	return lock, err
}

func lockState(c *call) (int, []byte, error) {
	lock, err := c.lock()
	if err != nil {
		return 0, nil, err
	}
	_, err = c.door().LockState(c.ctx, lock)
	return http.StatusOK, nil, err
}

func unlockState(c *call) (int, []byte, error) {
	lock, err := c.lock()
	if err != nil {
		return 0, nil, err
	}
	_, err = c.door().UnlockState(c.ctx, lock.ID)
	return http.StatusOK, nil, err
}

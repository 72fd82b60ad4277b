package meshstack

import (
	"encoding/json"
	"net/http"

	"github.com/remuda-dev/remuda"
)

const plainJSON = "application/json"

// login gives an access token for an API key.
func (f *Face) login(w http.ResponseWriter, r *http.Request) {
	var who struct {
		ClientID     string `json:"clientId"`
		ClientSecret string `json:"clientSecret"`
	}
	text, err := readAll(r, w, 16<<10)
	if err == nil && json.Unmarshal(text, &who) != nil {
		err = remuda.Fail(remuda.Invalid, "a login is a JSON object with clientId and clientSecret")
	}
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	token, until, err := f.options.Door.Login(r, who.ClientID, who.ClientSecret)
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	write(w, http.StatusOK, plainJSON, map[string]any{"access_token": token, "token_type": "bearer", "expires_in": int(until.Seconds())})
}

// info says which meshStack this is taken for. It is open to all.
func (f *Face) info(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, plainJSON, map[string]any{
		"version": Version, "is4EPEnabled": false, "metadata": map[string]any{}, "adminWorkspaceIdentifier": "admin",
	})
}

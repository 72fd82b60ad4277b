package meshstack

import (
	"net/http"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

type apiKey = object[owned, apiKeySpec, apiKeyStatus]

// owned is what most kinds say of themselves.
type owned struct {
	UUID             string `json:"uuid,omitempty"`
	OwnedByWorkspace string `json:"ownedByWorkspace"`
	CreatedOn        string `json:"createdOn,omitempty"`
}

type apiKeySpec struct {
	DisplayName string   `json:"displayName"`
	Permissions []string `json:"permissions"`
	ExpiresAt   *string  `json:"expiresAt,omitempty"`
}

type apiKeyStatus struct {
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret,omitempty"`
}

// lastMoment is by how much a day ends before the next: a key that ends then was given a day, and is shown so.
const lastMoment = time.Microsecond

// end is when a key ends, as it was given.
func end(t *time.Time) *string {
	if t == nil {
		return nil
	}
	if next := t.UTC().Add(lastMoment); next.Equal(next.Truncate(24 * time.Hour)) {
		day := t.UTC().Format(time.DateOnly)
		return &day
	}
	return when(t)
}

// native is the key in our words. An end is a moment, or a day to whose end the key is good.
func (s apiKeySpec) native() (remuda.Token, error) {
	t := remuda.Token{Kind: remuda.APIKey, Nickname: s.DisplayName, Permissions: s.Permissions}
	if s.ExpiresAt == nil || *s.ExpiresAt == "" {
		return t, nil
	}
	until, err := time.Parse(time.RFC3339, *s.ExpiresAt)
	if err != nil {
		day, wrong := time.Parse(time.DateOnly, *s.ExpiresAt)
		if wrong != nil {
			return t, remuda.Fail(remuda.Invalid, "spec.expiresAt is a moment such as 2027-01-31T00:00:00Z, or a day")
		}
		until = day.AddDate(0, 0, 1).Add(-lastMoment)
	}
	t.ExpiresAt = &until
	return t, nil
}

func (c *call) key(t remuda.Token) (apiKey, error) {
	owner, err := c.namespace(t.Organization)
	if err != nil {
		return apiKey{}, err
	}
	s := apiKeySpec{DisplayName: t.Nickname, Permissions: t.Permissions, ExpiresAt: end(t.ExpiresAt)}
	return envelope(c, owned{t.ID, owner, at(t.CreatedAt)}, s, &apiKeyStatus{ClientID: t.ID, ClientSecret: t.Token}), nil
}

func showKey(c *call) (answer, error) {
	found, err := c.plane().APIKey(c.ctx, c.id())
	if err != nil {
		return answer{}, err
	}
	words, err := c.key(found)
	return ok(words), err
}

func createKey(c *call) (answer, error) {
	var in apiKey
	if err := c.body(&in, mostBody); err != nil {
		return answer{}, err
	}
	t, err := in.Spec.native()
	if err != nil {
		return answer{}, err
	}
	if t.Organization, err = c.organization(in.Metadata.OwnedByWorkspace); err != nil {
		return answer{}, err
	}
	if t, err = c.plane().CreateToken(c.ctx, t); err != nil {
		return answer{}, err
	}
	words, err := c.key(t)
	return created(words), err
}

func changeKey(c *call) (answer, error) {
	var in apiKey
	if err := c.body(&in, mostBody); err != nil {
		return answer{}, err
	}
	t, err := in.Spec.native()
	if err != nil {
		return answer{}, err
	}
	if t, err = c.plane().ChangeAPIKey(c.ctx, c.id(), t); err != nil {
		return answer{}, err
	}
	words, err := c.key(t)
	return ok(words), err
}

func deleteKey(c *call) (answer, error) {
	if _, err := c.plane().APIKey(c.ctx, c.id()); err != nil {
		return answer{}, err // tokens of other kinds are not deleted here
	}
	return answer{status: http.StatusNoContent}, c.plane().RevokeToken(c.ctx, c.id())
}

func listKeys(c *call) (answer, error) {
	organization, err := c.organization(c.query("workspaceIdentifier"))
	if err != nil {
		return answer{}, err
	}
	found, total, p, err := numbered(c, func(q control.PageQuery) (remuda.Page[remuda.Token], error) {
		return c.plane().Tokens(c.ctx, control.TokenFilter{Kind: remuda.APIKey, Organization: organization}, q)
	})
	if err != nil {
		return answer{}, err
	}
	items := make([]apiKey, 0, len(found))
	for _, t := range found {
		words, err := c.key(t)
		if err != nil {
			return answer{}, err
		}
		items = append(items, words)
	}
	return list(c, p, total, items), nil
}

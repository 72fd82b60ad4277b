package blocks

import (
	"context"
	"errors"

	"github.com/remuda-dev/remuda"
)

// integration is what a run of a pipeline gets of the integration that its version names, the credential among its
// secrets.
func (t *change) integration(ctx context.Context, s *scene, secrets map[string]string) (words *remuda.Integration, problem string, err error) {
	id := integrationOf(s.version.Implementation)
	if id == "" {
		return nil, "", nil
	}
	row, err := t.tx.IntegrationView(ctx, id)
	if errors.Is(err, remuda.NotFound) || err == nil && row.OrganizationID != s.definition.OrganizationID {
		return nil, "there is no integration " + id + " of " + s.definition.Organization, nil
	}
	if err != nil {
		return nil, "", err
	}
	credential, err := t.r.credential(row.IntegrationRow)
	if err != nil {
		return nil, "", err
	}
	told := row.words()
	if told.Credential = nil; credential != "" {
		const name = "integration/credential"
		secrets[name] = credential
		told.Credential = &remuda.Value{Hash: name}
	}
	return &told, "", nil
}

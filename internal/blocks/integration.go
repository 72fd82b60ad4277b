package blocks

import (
	"context"
	"errors"
	"net/url"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// IntegrationRow is a platform for pipelines. Its credential lies in Secrets under credentialSecret.
type IntegrationRow struct {
	ID             string         `db:"id"`
	OrganizationID string         `db:"organization_id"`
	Name           string         `db:"name"`
	Type           string         `db:"type"`
	URL            string         `db:"url"`
	Owner          string         `db:"owner"`
	AppID          string         `db:"app_id"`
	ClassID        string         `db:"class_id"` // empty for none
	Hash           string         `db:"hash"`     // of the credential; empty when there is none
	Secrets        []byte         `db:"secrets"`  // a JSON object, encrypted; empty for none
	CreatedAt      control.Micros `db:"created_at"`
}

// Table names it.
func (IntegrationRow) Table() string { return "integrations" }

// IntegrationView is an integration with the names beside its ids.
type IntegrationView struct {
	IntegrationRow
	Organization string `db:"organization"`
	Class        string `db:"class"`
}

const credentialSecret = "credential"

func (i IntegrationView) words() remuda.Integration {
	words := remuda.Integration{
		ID: i.ID, Organization: i.Organization, Name: i.Name, Type: i.Type, URL: i.URL, Owner: i.Owner, AppID: i.AppID,
		ResourceClass: i.Class, CreatedAt: i.CreatedAt.Time(),
	}
	if i.Hash != "" {
		words.Credential = &remuda.Value{Hash: i.Hash}
	}
	return words
}

// credential is what an integration signs in with; empty when it has none.
func (r *Rules) credential(i IntegrationRow) (string, error) {
	secrets, err := r.openSecrets(i.Table(), i.ID, i.Secrets)
	return secrets[credentialSecret], err
}

// Integrations lists those of an organization; of all that the caller sees when it names none.
func (d UserDoor) Integrations(ctx context.Context, organization string, s Span) (List[remuda.Integration], error) {
	p, total := s.page(), 0
	var rows []IntegrationView
	err := d.r.look(ctx, func(v View) error {
		of, err := d.of(ctx, v, organization, remuda.PermitIntegrationList)
		if err != nil {
			return err
		}
		if rows, err = v.Integrations(ctx, of, p); err != nil {
			return err
		}
		total, err = counted(ctx, s, v.CountIntegrations, of)
		return err
	})
	if err != nil {
		return List[remuda.Integration]{}, err
	}
	return listed(rows, p, total, func(i IntegrationView) string { return i.ID },
		func(i IntegrationView) (remuda.Integration, error) { return i.words(), nil })
}

// of is the id of the organization whose things a list is to show: the named one, or empty for every one that the caller
// sees, which is its own alone for most.
func (d UserDoor) of(ctx context.Context, v View, organization, permission string) (string, error) {
	if organization == "" {
		return d.user.Sees(permission)
	}
	owner, err := d.owner(ctx, v, organization, permission)
	return owner.ID, err
}

// integration finds one for a caller with a permission.
func (d UserDoor) integration(ctx context.Context, v View, id, permission string) (IntegrationView, error) {
	row, err := v.IntegrationView(ctx, id)
	if errors.Is(err, remuda.NotFound) ||
		err == nil && row.OrganizationID != d.user.OrganizationID && !d.user.May(remuda.PermitIntegrationList, row.OrganizationID) {
		return row, absent("integration", id)
	}
	if err == nil && !d.user.May(permission, row.OrganizationID) {
		err = control.Lacks(d.user, permission)
	}
	return row, err
}

// Integration is one of them.
func (d UserDoor) Integration(ctx context.Context, id string) (remuda.Integration, error) {
	var row IntegrationView
	err := d.r.look(ctx, func(v View) (err error) {
		row, err = d.integration(ctx, v, id, remuda.PermitIntegrationList)
		return err
	})
	return row.words(), err
}

// CreateIntegration makes one.
func (d UserDoor) CreateIntegration(ctx context.Context, i remuda.Integration) (remuda.Integration, error) {
	row := IntegrationView{IntegrationRow: IntegrationRow{ID: control.NewID()}}
	if err := d.fillIntegration(&row.IntegrationRow, i); err != nil {
		return remuda.Integration{}, err
	}
	err := d.change(ctx, func(t *change) error {
		owner, err := d.owner(ctx, t.tx, i.Organization, remuda.PermitIntegrationSave)
		if err != nil {
			return err
		}
		row.OrganizationID, row.Organization, row.CreatedAt = owner.ID, owner.Name, t.Now()
		if err := t.integrationClass(ctx, &row, i.ResourceClass); err != nil {
			return err
		}
		if err := t.tx.Insert(ctx, &row.IntegrationRow); err != nil {
			return err
		}
		return t.Note(ctx, "integration.created", owner.ID, row.ID, row.Name)
	})
	return row.words(), err
}

// integrationClass finds the class of an integration, which its owner may use.
func (t *change) integrationClass(ctx context.Context, row *IntegrationView, name string) error {
	row.ClassID, row.Class = "", ""
	if name == "" {
		return nil
	}
	class, err := control.Usable(ctx, t.tx, name, row.OrganizationID)
	row.ClassID, row.Class = class.ID, class.FullName
	return err
}

// fillIntegration writes what an integration says into its row. A credential that is absent, or given by its hash, stays.
func (d UserDoor) fillIntegration(row *IntegrationRow, i remuda.Integration) error {
	var wrong problems
	if i.Name == "" || len(i.Name) > 200 {
		wrong.add("body.name", "an integration has a name of 1 to 200 bytes")
	}
	switch i.Type {
	case remuda.BlueprintGitHub, remuda.BlueprintGitLab, remuda.BlueprintAzureDevOps:
	default:
		wrong.add("body.type", "this is github, gitlab or azuredevops")
	}
	address, err := url.Parse(i.URL)
	switch {
	case err != nil || address.Host == "" || address.Scheme != "https" && address.Scheme != "http" || len(i.URL) > 2048:
		wrong.add("body.url", "this is the address of the host, such as https://git.example.com")
	case address.User != nil:
		wrong.add("body.url", "a password in the address would be shown to everyone who may see the integration; give it as the credential")
	}
	if len(i.Owner) > 200 || len(i.AppID) > 200 {
		wrong.add("body.owner", "owner and app_id have at most 200 bytes")
	}
	known, err := d.r.openSecrets(row.Table(), row.ID, row.Secrets)
	if err != nil {
		return err
	}
	if i.Credential != nil && !none(*i.Credential) {
		into := map[string]string{}
		kept, problem := d.r.keep(row.ID, credentialSecret, *i.Credential, known, into)
		if problem != "" {
			wrong.add("body.credential", problem)
		}
		known, row.Hash = into, kept.Hash
	}
	if err := wrong.err("the integration is not kept"); err != nil {
		return err
	}
	row.Name, row.Type, row.URL, row.Owner, row.AppID = i.Name, i.Type, i.URL, i.Owner, i.AppID
	sealed, err := d.r.closeSecrets(row.Table(), row.ID, known)
	row.Secrets = append([]byte{}, sealed...)
	return err
}

// ChangeIntegration replaces what it says; a credential that is absent, or given by its hash, stays.
func (d UserDoor) ChangeIntegration(ctx context.Context, id string, i remuda.Integration) (remuda.Integration, error) {
	var row IntegrationView
	err := d.change(ctx, func(t *change) (err error) {
		if row, err = d.integration(ctx, t.tx, id, remuda.PermitIntegrationSave); err != nil {
			return err
		}
		if i.Organization != "" && i.Organization != row.Organization {
			return remuda.Fail(remuda.Invalid, "an integration stays with its organization, which is "+row.Organization)
		}
		if err := d.fillIntegration(&row.IntegrationRow, i); err != nil {
			return err
		}
		if err := t.integrationClass(ctx, &row, i.ResourceClass); err != nil {
			return err
		}
		err = t.tx.Update(ctx, &row.IntegrationRow, "name", "type", "url", "owner", "app_id", "class_id", "hash", "secrets")
		if err != nil {
			return err
		}
		return t.Note(ctx, "integration.changed", row.OrganizationID, row.ID, row.Name)
	})
	return row.words(), err
}

// DeleteIntegration forgets one that no version names.
func (d UserDoor) DeleteIntegration(ctx context.Context, id string) error {
	return d.change(ctx, func(t *change) error {
		row, err := d.integration(ctx, t.tx, id, remuda.PermitIntegrationDelete)
		if err != nil {
			return err
		}
		used, err := t.tx.IntegrationUsed(ctx, row.OrganizationID, id)
		if err != nil {
			return err
		}
		if used {
			return remuda.Fail(remuda.Conflict, "versions of definitions name integration "+row.Name+"; they need it")
		}
		if err := t.tx.Delete(ctx, &row.IntegrationRow); err != nil {
			return err
		}
		return t.Note(ctx, "integration.deleted", row.OrganizationID, id, row.Name)
	})
}

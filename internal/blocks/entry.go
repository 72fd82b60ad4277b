package blocks

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal"
)

// EntryView is a runner entry with what its class says.
type EntryView struct {
	control.EntryRow
	Class          string         `db:"class"`
	OrganizationID string         `db:"organization_id"`
	Organization   string         `db:"organization"`
	Access         remuda.Access  `db:"access"`
	SeenAt         control.Micros `db:"seen_at"` // one of its nodes
}

// EntryQuery asks for entries. Organization is an owner's id; VisibleTo that of one who may use the class.
type EntryQuery struct {
	Organization, VisibleTo string
	Page
}

// capabilities are what the nodes of an entry can carry out, by its implementation type.
func capabilities(implementation string) (string, bool) {
	switch implementation {
	case "TERRAFORM":
		return remuda.BlueprintOpenTofu, true
	case "GITHUB_WORKFLOW":
		return remuda.BlueprintGitHub, true
	case "GITLAB_PIPELINE":
		return remuda.BlueprintGitLab, true
	case "AZURE_DEVOPS_PIPELINE":
		return remuda.BlueprintAzureDevOps, true
	case "MANUAL":
		return "", true
	case "ALL":
		return strings.Join([]string{remuda.BlueprintOpenTofu, remuda.BlueprintGitHub, remuda.BlueprintGitLab, remuda.BlueprintAzureDevOps}, " "), true
	}
	return "", false
}

func (e EntryView) words() (remuda.BlockRunnerEntry, error) {
	words := remuda.BlockRunnerEntry{
		ResourceClass: e.Class, ID: e.ID, DisplayName: e.DisplayName, Organization: e.Organization, PublicKey: e.PublicKey,
		Implementation: e.Implementation, Restricted: e.Access != remuda.AccessAll, SelfHosted: e.SelfHosted, CreatedAt: e.CreatedAt.Time(),
	}
	if e.SeenAt != 0 {
		seen := e.SeenAt.Time()
		words.LastSeenAt = &seen
	}
	extra, err := readObject[json.RawMessage](e.Extra)
	if err != nil {
		return words, fmt.Errorf("read entry %s: %w", e.ID, err)
	}
	if len(extra) > 0 {
		words.Extra = extra
	}
	return words, nil
}

// fillEntry writes what an entry says into its row.
func fillEntry(row *control.EntryRow, e remuda.BlockRunnerEntry) error {
	var wrong problems
	if e.DisplayName == "" || len(e.DisplayName) > 200 {
		wrong.add("body.display_name", "an entry has a display name of 1 to 200 bytes")
	}
	capable, known := capabilities(e.Implementation)
	if !known {
		wrong.add("body.implementation", "this is TERRAFORM, GITHUB_WORKFLOW, GITLAB_PIPELINE, AZURE_DEVOPS_PIPELINE, MANUAL or ALL")
	}
	if e.PublicKey != "" {
		if err := seal.CheckPEM([]byte(e.PublicKey)); err != nil {
			wrong.add("body.public_key", "this is a PEM certificate or public key, RSA of 2048 bits or more: "+err.Error())
		}
	}
	if err := wrong.err("the runner entry is not kept"); err != nil {
		return err
	}
	row.DisplayName, row.PublicKey, row.Implementation, row.Capabilities, row.SelfHosted = e.DisplayName, e.PublicKey, e.Implementation, capable, e.SelfHosted
	var err error
	row.Extra, err = encode(e.Extra)
	return err
}

var notInSlug = regexp.MustCompile(`[^a-z0-9]+`)

// slug is a display name as part of a class's name.
func slug(name string) string {
	text := notInSlug.ReplaceAllString(strings.ToLower(name), "-")
	text = strings.Trim(text[:min(len(text), 50)], "-")
	if text == "" {
		return "runner"
	}
	return text
}

// RunnerEntries lists the resource classes that other systems' runners may serve: of one organization, or all that the
// caller may use.
func (d UserDoor) RunnerEntries(ctx context.Context, organization string, s Span) (List[remuda.BlockRunnerEntry], error) {
	q, total := EntryQuery{Page: s.page()}, 0
	var rows []EntryView
	err := d.r.look(ctx, func(v View) (err error) {
		if organization != "" {
			q.Organization, err = d.of(ctx, v, organization, remuda.PermitRunnerList)
		} else {
			q.VisibleTo, err = d.user.Sees(remuda.PermitRunnerList)
		}
		if err != nil {
			return err
		}
		if rows, err = v.Entries(ctx, q); err != nil {
			return err
		}
		total, err = counted(ctx, s, v.CountEntries, q)
		return err
	})
	if err != nil {
		return List[remuda.BlockRunnerEntry]{}, err
	}
	return listed(rows, q.Page, total, func(e EntryView) string { return e.ID }, EntryView.words)
}

// RunnerEntry is one of them.
func (d UserDoor) RunnerEntry(ctx context.Context, id string) (remuda.BlockRunnerEntry, error) {
	var row EntryView
	err := d.r.look(ctx, func(v View) (err error) {
		if row, err = v.EntryView(ctx, id); err != nil {
			return orAbsent(err, "runner entry", id)
		}
		if d.user.May(remuda.PermitRunnerList, row.OrganizationID) {
			return nil
		}
		if !d.user.May(remuda.PermitRunnerList, d.user.OrganizationID) {
			return control.Lacks(d.user, remuda.PermitRunnerList)
		}
		_, err = control.Usable(ctx, v, row.Class, d.user.OrganizationID)
		return orAbsent(err, "runner entry", id)
	})
	if err != nil {
		return remuda.BlockRunnerEntry{}, err
	}
	return row.words()
}

// entry finds one that the caller owns.
func (d UserDoor) entry(ctx context.Context, v View, id, permission string) (EntryView, error) {
	row, err := v.EntryView(ctx, id)
	if errors.Is(err, remuda.NotFound) ||
		err == nil && row.OrganizationID != d.user.OrganizationID && !d.user.May(remuda.PermitRunnerList, row.OrganizationID) {
		return row, absent("runner entry", id)
	}
	if err == nil && !d.user.May(permission, row.OrganizationID) {
		err = control.Lacks(d.user, permission)
	}
	return row, err
}

// access is who may use the class of an entry. One for everybody is the instance's administrator's to make.
func (d UserDoor) access(restricted bool, now remuda.Access) (remuda.Access, error) {
	switch {
	case restricted && now == remuda.AccessSome:
		return now, nil
	case restricted:
		return remuda.AccessOwner, nil
	case now == remuda.AccessAll || d.user.May(remuda.Everywhere(remuda.PermitRunnerSave), ""):
		return remuda.AccessAll, nil
	}
	return "", control.Lacks(d.user, remuda.Everywhere(remuda.PermitRunnerSave))
}

// CreateRunnerEntry makes a resource class with its entry, in the namespace of its owner.
func (d UserDoor) CreateRunnerEntry(ctx context.Context, e remuda.BlockRunnerEntry) (remuda.BlockRunnerEntry, error) {
	row := control.EntryRow{ID: control.NewID()}
	if err := fillEntry(&row, e); err != nil {
		return remuda.BlockRunnerEntry{}, err
	}
	access, err := d.access(e.Restricted, "")
	if err != nil {
		return remuda.BlockRunnerEntry{}, err
	}
	err = d.change(ctx, func(t *change) error {
		owner, err := d.owner(ctx, t.tx, e.Organization, remuda.PermitRunnerSave)
		if err != nil {
			return err
		}
		class, full, err := t.newClass(ctx, owner, row)
		if err != nil {
			return err
		}
		class.Access = access
		token := control.TokenRow{
			ID: control.NewID(), Kind: remuda.ClassToken, Hash: nobodys(), Nickname: "nodes of " + strings.ToValidUTF8(row.DisplayName[:min(len(row.DisplayName), 180)], ""),
			ClassID: &class.ID, CreatedBy: d.user.Name, CreatedAt: t.Now(),
		}
		row.ID, row.TokenID, row.CreatedAt = class.ID, token.ID, t.Now()
		for _, inserted := range []control.Row{&class, &token, &row} {
			if err := t.tx.Insert(ctx, inserted); err != nil {
				return err
			}
		}
		return t.Note(ctx, "resource-class.created", owner.ID, full, "for runners of another system")
	})
	if err != nil {
		return remuda.BlockRunnerEntry{}, err
	}
	return d.shown(ctx, row.ID)
}

// shown is an entry that the caller has just written, which it may see for that.
func (d UserDoor) shown(ctx context.Context, id string) (remuda.BlockRunnerEntry, error) {
	var row EntryView
	err := d.r.look(ctx, func(v View) (err error) {
		row, err = v.EntryView(ctx, id)
		return err
	})
	if err != nil {
		return remuda.BlockRunnerEntry{}, err
	}
	return row.words()
}

// newClass is the class of a new entry, named by it and by the first digits of its id. Ids that are made in the same
// minute begin alike, so one whose name is taken gets an id of chance.
func (t *change) newClass(ctx context.Context, owner control.OrganizationRow, e control.EntryRow) (class control.ClassRow, full string, err error) {
	views, err := t.tx.Organizations(ctx, owner.ID, control.Span{Limit: 1})
	if err != nil {
		return class, "", err
	}
	if len(views) == 0 || views[0].Namespace == "" {
		return class, "", remuda.Fail(remuda.Conflict, "organization "+owner.Name+" has no namespace; claim one first")
	}
	namespace, err := t.tx.NamespaceByName(ctx, views[0].Namespace)
	if err != nil {
		return class, "", err
	}
	for id := e.ID; ; id = uuid.NewString() {
		name := slug(e.DisplayName) + "-" + id[:8]
		full = namespace.Name + "/" + name
		if _, err := t.tx.ClassByName(ctx, full); !errors.Is(err, remuda.NotFound) {
			if err != nil {
				return class, "", err
			}
			continue
		}
		return control.ClassRow{ID: id, NamespaceID: namespace.ID, Name: name, Description: e.DisplayName, CreatedAt: t.Now()}, full, nil
	}
}

// nobodys is the hash of no token: the nodes of an entry show none.
func nobodys() []byte {
	hash := make([]byte, 32)
	_, _ = rand.Read(hash) // which never fails
	return hash
}

// ChangeRunnerEntry replaces what it says. Its class keeps its name.
func (d UserDoor) ChangeRunnerEntry(ctx context.Context, id string, e remuda.BlockRunnerEntry) (remuda.BlockRunnerEntry, error) {
	err := d.change(ctx, func(t *change) error {
		view, err := d.entry(ctx, t.tx, id, remuda.PermitRunnerSave)
		if err != nil {
			return err
		}
		row := view.EntryRow
		if err := fillEntry(&row, e); err != nil {
			return err
		}
		class := control.ClassRow{ID: id, Description: e.DisplayName}
		if class.Access, err = d.access(e.Restricted, view.Access); err != nil {
			return err
		}
		if class.Access != remuda.AccessSome {
			if err := t.ReplaceClassAccess(ctx, id, nil); err != nil {
				return err
			}
		}
		if err := t.tx.Update(ctx, &class, "description", "access"); err != nil {
			return err
		}
		err = t.tx.Update(ctx, &row, "display_name", "public_key", "implementation", "capabilities", "self_hosted", "extra")
		if err != nil {
			return err
		}
		return t.Note(ctx, "resource-class.changed", view.OrganizationID, view.Class, "")
	})
	if err != nil {
		return remuda.BlockRunnerEntry{}, err
	}
	return d.shown(ctx, id)
}

// DeleteRunnerEntry forgets the entry, and the class with it unless that has a history. Its nodes claim nothing any more.
func (d UserDoor) DeleteRunnerEntry(ctx context.Context, id string) error {
	return d.change(ctx, func(t *change) error {
		view, err := d.entry(ctx, t.tx, id, remuda.PermitRunnerDelete)
		if err != nil {
			return err
		}
		live, err := t.tx.Tasks(ctx, control.TaskQuery{
			ClassID: id, States: []remuda.State{remuda.Waiting, remuda.Queued, remuda.Running}, Span: control.Span{Limit: 1},
		})
		if err != nil {
			return err
		}
		if len(live) > 0 {
			return remuda.Fail(remuda.Conflict, "resource class "+view.Class+" has tasks that have not ended")
		}
		used, err := t.tx.ClassUsed(ctx, id)
		if err != nil {
			return err
		}
		if used {
			err = t.retire(ctx, view.EntryRow)
		} else {
			err = t.tx.Delete(ctx, &control.ClassRow{ID: id})
		}
		if err != nil {
			return err
		}
		return t.Note(ctx, "resource-class.deleted", view.OrganizationID, view.Class, "for runners of another system")
	})
}

// retire drops an entry, and has its nodes claim nothing any more.
func (t *change) retire(ctx context.Context, row control.EntryRow) error {
	err := t.tx.Update(ctx, &control.TokenRow{ID: row.TokenID, RevokedAt: t.Now()}, "revoked_at")
	if err := ignoreAbsent(err); err != nil {
		return err
	}
	return t.tx.Delete(ctx, &row)
}

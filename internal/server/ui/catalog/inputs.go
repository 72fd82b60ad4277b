package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strconv"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// revision is the form that changes a block's inputs, puts it on another version, and gives what it waits for.
type revision struct {
	form
	Block    remuda.Block
	Number   int              // of the version that the form is for
	Versions []remuda.Version // that it may be put on, the newest first
	Changes  []difference     // of the inputs, when it is another version
	Was      string           // what the form was filled with: another change meanwhile is noticed by it
	ParentOf map[string]string
}

// Address is where the form is.
func (r revision) Address() string { return "/blocks/" + r.Block.ID + "/inputs" }

// Upgrades says that the form puts the block on another version.
func (r revision) Upgrades() bool { return r.Number != r.Block.Version }

func showInputs(v *page.Visit) (page.View, error) {
	r, err := newRevision(v, v.Query("version"))
	if err != nil {
		return page.View{}, err
	}
	return r.view(0), nil
}

func (r revision) view(code int) page.View {
	return page.View{
		Title: "Inputs of " + r.Block.Name, Area: page.Blocks, Still: true, Code: code, Files: files(), Body: revisionForm(r),
		Trail: []page.Link{{Text: "Blocks", To: "/blocks"}, {Text: r.Block.Name, To: "/blocks/" + r.Block.ID}},
	}
}

// newRevision is the form with what the block has, for those who may change it.
func newRevision(v *page.Visit, asked string) (revision, error) {
	outline, err := v.Blocks.Outline(v.Context(), v.Path("block"))
	if err != nil {
		return revision{}, err
	}
	r := revision{Block: outline.Block, Number: outline.Version, ParentOf: outline.ParentOf}
	r.Title = r.Block.Name
	var owner string
	if owner, err = r.versions(v); err != nil {
		return r, err
	}
	may := maker{operator: v.Door.May(owner, remuda.RoleAdmin), orderer: v.Door.May(r.Block.Organization, remuda.RoleMember), change: true}
	if !may.operator && !may.orderer {
		return r, control.Lacks(v.User, remuda.PermitBlockSave)
	}
	if r.Block.Lifecycle != remuda.LifecycleActive {
		return r, remuda.Fail(remuda.Conflict, "Block "+r.Block.Name+" is deleted, or about to be, and is not changed any more.")
	}
	inputs, dependencies := outline.Given, []string(nil)
	for _, one := range r.Versions {
		if one.Number == r.Block.Version {
			dependencies = one.Dependencies
		}
	}
	if asked != "" && asked != strconv.Itoa(r.Block.Version) {
		other, err := versionOf(v, remuda.Definition{ID: r.Block.Definition}, asked)
		if err != nil {
			return r, err
		}
		r.Number, r.Changes = other.Number, differences(outline.Given, other.Inputs)
		inputs, dependencies = other.Inputs, other.Dependencies
	}
	if r.Needs, err = needs(v, r.Block.Organization, inputs, dependencies, outline.ParentOf); err != nil {
		return r, err
	}
	r.Fields = may.fields(inputs, r.Block.Inputs)
	r.Was = r.print()
	return r, nil
}

// versions finds those that the block may be put on, and who owns them. One may change a block whose definition one does
// not see any more: then it keeps its version.
func (r *revision) versions(v *page.Visit) (owner string, err error) {
	definition, err := v.Blocks.Definition(v.Context(), r.Block.Definition)
	if errors.Is(err, remuda.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	all, err := v.Blocks.Versions(v.Context(), r.Block.Definition, blocks.Span{Limit: 100})
	r.Versions = all.Items
	return definition.Organization, err
}

// print is the same as long as nobody changes what the form is about.
func (r revision) print() string {
	sum := sha256.New()
	sum.Write([]byte(encoded([]any{r.Block.Name, r.Block.Version, r.Block.Parents})))
	for _, f := range r.Fields {
		sum.Write([]byte(encoded([]any{f.Key, r.Block.Inputs[f.Key]})))
	}
	return hex.EncodeToString(sum.Sum(nil)[:12])
}

func changeInputs(v *page.Visit) (page.Answer, error) {
	if err := readForm(v); err != nil {
		return page.Answer{}, err
	}
	r, err := newRevision(v, v.Form("version"))
	if err != nil {
		return page.Answer{}, err
	}
	change, parents := remuda.BlockChange{}, r.chosen(v)
	values, right, err := takeAll(v.Request, r.Fields, true)
	if err != nil {
		return page.Answer{}, err
	}
	change.Inputs = values
	if r.Title = v.Form("name"); r.Title != r.Block.Name {
		change.Name = &r.Title
	}
	if r.Upgrades() {
		change.Version = &r.Number
	}
	change.Parents = r.moved(parents)
	switch {
	case v.Form("was") != r.Was:
		return r.again(remuda.Error{Kind: remuda.Conflict, Detail: "The block was changed while you filled this in. Nothing was done: look at what its page says now, then save again to replace it."}, nil), nil
	case !right:
		return r.again(remuda.Error{Kind: remuda.Invalid, Detail: "The block is not changed yet: something is missing."}, nil), nil
	}
	changed, err := v.Blocks.ChangeBlock(v.Context(), r.Block.ID, change)
	if err != nil {
		told, is := page.Problem(err)
		if !is {
			return page.Answer{}, err
		}
		all := parents
		if change.Parents != nil {
			all = *change.Parents
		}
		return r.again(told, all), nil
	}
	return page.Answer{To: "/blocks/" + url.PathEscape(changed.ID), Notice: "The block " + changed.Name + " is changed."}, nil
}

// moved is the parents that the block gets; nil when they are those that it has.
func (r revision) moved(chosen []string) *[]string {
	next := slices.Clone(chosen)
	for _, id := range r.Block.Parents {
		if !slices.ContainsFunc(r.Needs, func(n need) bool { return n.Definition == r.ParentOf[id] }) {
			next = append(next, id) // the form says nothing of it
		}
	}
	was, now := slices.Sorted(slices.Values(r.Block.Parents)), slices.Sorted(slices.Values(next))
	if slices.Equal(was, now) {
		return nil
	}
	return &next
}

// again shows the form with what is wrong.
func (r revision) again(told remuda.Error, parents []string) page.Answer {
	r.blame(told, parents)
	view := r.view(codeOf(told.Kind))
	return page.Answer{View: &view}
}

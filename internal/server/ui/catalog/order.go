package catalog

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// order is the form that orders a block.
type order struct {
	form
	Definition    remuda.Definition
	Version       remuda.Version
	Organization  string
	Organizations []string // of which one is chosen; only the instance's administrator chooses
	Projects      []string
	Tenants       []remuda.Tenant
	Project       string
	Tenant        string
	Once          string // makes pressing twice one order
}

// Address is where the form is.
func (o order) Address() string { return "/definitions/" + o.Definition.ID + "/order" }

func showOrder(v *page.Visit) (page.View, error) {
	o, err := newOrder(v, v.Query("version"), v.Query("organization"))
	if err != nil {
		return page.View{}, err
	}
	return o.view(0), nil
}

func (o order) view(code int) page.View {
	return page.View{
		Title: "Order " + o.Definition.Name, Area: page.Definitions, Still: true, Code: code, Files: files(), Body: orderForm(o),
		Trail: []page.Link{{Text: "Definitions", To: "/definitions"}, {Text: o.Definition.Name, To: "/definitions/" + o.Definition.ID}},
	}
}

// newOrder is an empty form, for those who may order.
func newOrder(v *page.Visit, number, organization string) (order, error) {
	o := order{Once: rand.Text()}
	var err error
	if o.Definition, err = v.Blocks.Definition(v.Context(), v.Path("definition")); err != nil {
		return o, err
	}
	if o.Version, err = versionOf(v, o.Definition, number); err != nil {
		return o, err
	}
	o.Organization = v.User.Organization
	if v.User.Admin {
		if o.Organization = organization; organization == "" {
			o.Organization = o.Definition.Organization
		}
		all, err := v.Door.Organizations(v.Context(), control.PageQuery{Limit: 500})
		if err != nil {
			return o, err
		}
		for _, one := range all.Items {
			o.Organizations = append(o.Organizations, one.Name)
		}
	}
	if !v.Door.May(o.Organization, remuda.RoleMember) {
		return o, control.Lacks(v.User, remuda.PermitBlockSave)
	}
	if err := o.targets(v); err != nil {
		return o, err
	}
	o.Needs, err = needs(v, o.Organization, o.Version.Inputs, o.Version.Dependencies, nil)
	o.Fields = maker{operator: v.Door.May(o.Definition.Organization, remuda.RoleAdmin), orderer: true}.fields(o.Version.Inputs, nil)
	return o, err
}

// targets finds what the block may belong to.
func (o *order) targets(v *page.Visit) error {
	if o.Definition.Target == remuda.TargetTenant {
		all, err := v.Blocks.Tenants(v.Context(), o.Organization, "", blocks.Span{Limit: 500})
		for _, one := range all.Items {
			if len(o.Definition.Platforms) == 0 || slices.Contains(o.Definition.Platforms, one.Platform) {
				o.Tenants = append(o.Tenants, one)
			}
		}
		return err
	}
	all, err := v.Door.Projects(v.Context(), o.Organization, control.PageQuery{Limit: 500})
	for _, one := range all.Items {
		o.Projects = append(o.Projects, one.Name)
	}
	return err
}

// versionOf is the version that is asked for by its number: without one the newest that is released, or else the newest.
func versionOf(v *page.Visit, definition remuda.Definition, number string) (remuda.Version, error) {
	n := definition.Released
	if n == 0 {
		n = definition.Latest
	}
	if number != "" {
		var err error
		if n, err = strconv.Atoi(number); err != nil {
			return remuda.Version{}, remuda.Fail(remuda.NotFound, "A version has a number, such as 1.")
		}
	}
	return v.Blocks.Version(v.Context(), definition.ID, n)
}

func takeOrder(v *page.Visit) (page.Answer, error) {
	if err := readForm(v); err != nil {
		return page.Answer{}, err
	}
	o, err := newOrder(v, v.Form("version"), v.Form("organization"))
	if err != nil {
		return page.Answer{}, err
	}
	o.Title, o.Project, o.Tenant = v.Form("name"), v.Form("project"), v.Form("tenant")
	if once := v.Form("once"); once != "" {
		o.Once = once
	}
	asked := remuda.Block{
		Organization: o.Organization, Project: o.Project, Tenant: o.Tenant, Name: o.Title,
		Definition: o.Definition.ID, Version: o.Version.Number, Parents: o.chosen(v),
	}
	var right bool
	if asked.Inputs, right, err = takeAll(v.Request, o.Fields, false); err != nil {
		return page.Answer{}, err
	}
	if !right {
		return o.again(remuda.Error{Kind: remuda.Invalid, Detail: "The block is not ordered yet: something is missing."}, nil), nil
	}
	made, err := v.Blocks.OrderBlock(v.Context(), asked, onceKey(o.Once, asked))
	if err != nil {
		told, is := page.Problem(err)
		if !is {
			return page.Answer{}, err
		}
		return o.again(told, asked.Parents), nil
	}
	return page.Answer{To: "/blocks/" + url.PathEscape(made.ID), Notice: "The block " + made.Name + " is ordered."}, nil
}

// again shows the form with what is wrong.
func (o order) again(told remuda.Error, parents []string) page.Answer {
	o.blame(told, parents)
	view := o.view(codeOf(told.Kind))
	return page.Answer{View: &view}
}

func codeOf(kind remuda.Kind) int {
	if kind == remuda.Conflict {
		return http.StatusConflict
	}
	return http.StatusUnprocessableEntity
}

// onceKey is the same for the same order from the same form: who goes back and orders something else gets that, too.
// The form's own part is random, so that the key tells nothing of the secrets.
func onceKey(form string, asked remuda.Block) string {
	mac := hmac.New(sha256.New, []byte(form))
	text, _ := json.Marshal(asked) // it is made of texts
	mac.Write(text)
	for _, key := range sortedKeys(asked.Inputs) {
		if secret := asked.Inputs[key].Secret; secret != nil {
			mac.Write([]byte("\x00" + key + "\x00" + secret.Reveal()))
		}
	}
	return hex.EncodeToString(mac.Sum(nil))
}

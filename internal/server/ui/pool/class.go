package pool

import (
	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// classPage is what the page of one class shows.
type classPage struct {
	Class   remuda.ResourceClass
	Own     bool // the visitor's organization owns it: the rest is its business alone
	May     bool // the visitor may change it
	Scaling remuda.Scaling
	Runners remuda.Page[remuda.Runner]
	Tokens  remuda.Page[remuda.Token]
	Tasks   []remuda.Task
	Address string // of the control plane
}

// Bounds of what the page of a class lists; the lists proper have more.
const (
	mostRunners = 25
	mostTasks   = 10
)

func showClass(v *page.Visit) (page.View, error) {
	name := className(v)
	class, err := v.Door.ResourceClass(v.Context(), name)
	if err != nil {
		return page.View{}, err
	}
	p := classPage{
		Class: class, Own: v.Door.May(class.Organization, remuda.RoleViewer), May: runsRunners(v, class.Organization), Address: v.Address(),
	}
	if err := p.read(v); err != nil {
		return page.View{}, err
	}
	return page.View{Title: name, Area: page.Classes, Trail: trail(""), Body: p.body(), Files: styles()}, nil
}

func (p *classPage) read(v *page.Visit) (err error) {
	ctx, name := v.Context(), p.Class.Name
	tasks, err := v.Door.Tasks(ctx, control.TaskFilter{ResourceClass: name}, control.PageQuery{Limit: mostTasks})
	if err != nil || !p.Own {
		p.Tasks = tasks.Items
		return err
	}
	p.Tasks = tasks.Items
	if p.Scaling, err = v.Door.Scaling(ctx, name); err != nil {
		return err
	}
	p.Runners, err = v.Door.Runners(ctx, control.RunnerFilter{ResourceClass: name}, control.PageQuery{Limit: mostRunners})
	if err != nil || !p.May {
		return err
	}
	p.Tokens, err = v.Door.Tokens(ctx, control.TokenFilter{Kind: remuda.ClassToken, ResourceClass: name}, control.PageQuery{Limit: most})
	return err
}

// scalingAddress is what whoever starts runners asks.
func (p classPage) scalingAddress() string {
	return p.Address + "/api/v1/resource-classes/" + p.Class.Name + "/scaling"
}

// kedaTrigger is what KEDA's ScaledJob says of it.
func (p classPage) kedaTrigger() string {
	return "triggers:\n  - type: metrics-api\n    metadata:\n      url: " + p.scalingAddress() +
		"\n      valueLocation: runnable\n      targetValue: \"1\"\n      authMode: bearer\n    authenticationRef: {name: remuda-" + slug(p.Class.Name) + "}\n"
}

func (p classPage) curl() string {
	return `curl -H "Authorization: Bearer $(cat class-token)" ` + p.scalingAddress()
}

// tokenUse tells what became of a class token, or will.
func tokenUse(t remuda.Token) string {
	switch {
	case t.UsedBy != "":
		return "used up"
	case t.SingleUse:
		return "for one runner"
	default:
		return "for any number of runners"
	}
}

func revokeToken(v *page.Visit) (page.Answer, error) {
	class, err := v.Door.ResourceClass(v.Context(), className(v))
	if err != nil {
		return page.Answer{}, err
	}
	if err := v.Door.RevokeToken(v.Context(), v.Path("token")); err != nil {
		return page.Answer{}, err
	}
	return page.Answer{
		To: classPath(class.Name), Notice: "The token is revoked: runners that registered with it take nothing new. What they run goes on.",
	}, nil
}

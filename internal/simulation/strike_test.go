package simulation

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// strike is something that breaks, or that somebody does.
type strike string

const (
	killPlane   strike = "a control plane is killed, and comes again"
	freezePlane strike = "the process of a control plane is stopped for a while"
	sickStore   strike = "the store is away now and then"
	killRunner  strike = "a runner is killed, and comes again"
	stopRunner  strike = "a runner is stopped, and comes again"
	rebootHost  strike = "a host reboots"
	cutLine     strike = "a host is cut off for a while"
	drainRunner strike = "a runner drains"
	askDrain    strike = "a runner is told to drain"
	pauseRunner strike = "a runner is paused for a while"
	setLimit    strike = "a limit changes"
	setClock    strike = "the clock of the control planes is set"
	stepClock   strike = "the clock of one control plane is corrected"
	fullDisk    strike = "the store takes no writes for a while"
	dryBucket   strike = "the bucket is away now and then, or slow"
	newToken    strike = "a class token is revoked, and another is made"
)

func allStrikes() []strike {
	return []strike{killPlane, freezePlane, sickStore, killRunner, stopRunner, rebootHost, cutLine, drainRunner, askDrain, pauseRunner, setLimit, setClock,
		stepClock, fullDisk, dryBucket, newToken}
}

// act lets it happen; what it needs to pass goes on beside the next.
func (s strike) act(ctx context.Context, w *world, r *rand.Rand) {
	h := one(r, w.hosts)
	n := r.IntN(w.plan.replicas)
	lasting := between(r, 0, one(r, w.plan.lasting))
	root := w.root
	switch s {
	case killPlane:
		w.site.stop(n)
		w.after(lasting, func() { w.site.start(n) })
	case freezePlane:
		w.site.freeze(n, lasting)
	case sickStore:
		w.site.sick.Store(true)
		w.after(lasting, func() { w.site.sick.Store(false) })
	case killRunner:
		h.kill()
		w.after(lasting, h.start)
	case stopRunner:
		h.stop()
		w.after(lasting, h.start)
	case rebootHost:
		h.reboot()
		w.after(lasting, h.start)
	case cutLine:
		h.line.cut.Store(true)
		w.after(lasting, func() { h.line.cut.Store(false) })
	case drainRunner:
		if living := h.living(); living != nil {
			w.note("%s drains", h.name)
			living.Drain()
		}
		w.after(lasting, h.start)
	case askDrain:
		_, _ = asks(ctx, root, "drain", func(ctx context.Context, d control.UserDoor) (remuda.Runner, error) {
			return d.DrainRunner(ctx, h.known())
		})
		w.after(lasting, h.start)
	case pauseRunner:
		id := h.known()
		_, _ = asks(ctx, root, "pause", func(ctx context.Context, d control.UserDoor) (remuda.Runner, error) {
			return d.PauseRunner(ctx, id, true)
		})
		w.after(lasting, func() {
			_, _ = insist(w.ctx, root, "resume", func(ctx context.Context, d control.UserDoor) (remuda.Runner, error) {
				return d.PauseRunner(ctx, id, false)
			})
		})
	case setLimit:
		w.limit(ctx, r, root)
	case setClock:
		by := between(r, 10*time.Second, 10*time.Minute)
		if r.IntN(2) == 0 {
			by = -by
		}
		w.note("the clock is set by %s", by)
		w.site.ahead.Add(int64(by))
	case stepClock:
		w.site.corrects(n, r)
	case fullDisk:
		w.site.fills()
		w.after(lasting, w.site.hasRoom)
	case dryBucket:
		w.site.dry.Store(true)
		w.after(lasting, func() { w.site.dry.Store(false) })
	case newToken:
		w.exchangeToken(root, one(r, []string{"acme/linux", "acme/mac"}))
	}
}

func (w *world) after(d time.Duration, do func()) {
	w.background.Go(func() {
		if pause(w.ctx, d) {
			do()
		}
	})
}

// limit changes one.
func (w *world) limit(ctx context.Context, r *rand.Rand, root person) {
	most := 1 + r.IntN(3)
	organization, project, class := one(r, []string{"acme", "beta"}), one(r, []string{"red", "blue"}), one(r, []string{"acme/linux", "acme/mac"})
	switch r.IntN(3) {
	case 0:
		_, _ = asks(ctx, root, "limit", func(ctx context.Context, d control.UserDoor) (remuda.Organization, error) {
			return d.ChangeOrganization(ctx, organization, control.OrganizationChange{TaskLimit: &most})
		})
	case 1:
		_, _ = asks(ctx, root, "limit", func(ctx context.Context, d control.UserDoor) (remuda.Project, error) {
			return d.ChangeProject(ctx, "acme", project, control.ProjectChange{TaskLimit: &most})
		})
	default:
		_, _ = asks(ctx, root, "limit", func(ctx context.Context, d control.UserDoor) (remuda.ResourceClass, error) {
			return d.ChangeResourceClass(ctx, class, control.ResourceClassChange{TaskLimit: &most})
		})
	}
}

// exchangeToken makes a new class token and revokes the old one. Whoever registered with that claims no more, so the
// runners that are out of work leave, and come again with the new one.
func (w *world) exchangeToken(root person, class string) {
	w.background.Go(func() {
		made, err := insist(w.ctx, root, "token", func(ctx context.Context, d control.UserDoor) (remuda.Token, error) {
			return d.CreateToken(ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: class, ResourceClass: class})
		})
		if err != nil {
			return
		}
		w.mu.Lock()
		if w.tokens[class].ID < made.ID { // another exchange may have overtaken this one
			w.tokens[class] = made
		}
		w.mu.Unlock()
		list, err := insist(w.ctx, root, "tokens", func(ctx context.Context, d control.UserDoor) (remuda.Page[remuda.Token], error) {
			return d.Tokens(ctx, control.TokenFilter{ResourceClass: class}, control.PageQuery{})
		})
		if err != nil {
			return
		}
		for _, token := range list.Items {
			if token.ID < made.ID { // a later one is for those who come next
				_, _ = insist(w.ctx, root, "revoke", func(ctx context.Context, d control.UserDoor) (nothing, error) {
					return nothing{}, d.RevokeToken(ctx, token.ID)
				})
			}
		}
		for _, h := range w.hosts {
			if living := h.living(); living != nil {
				living.Drain()
			}
			w.after(5*time.Second, h.start)
		}
	})
}

// known is the id of the runner that lives here.
func (h *host) known() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.id
}

package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// mostTogether bounds how many transitions one transaction carries out, and so how long the first of them waits.
const mostTogether = 64

// company are the transitions beside others that wait while as many transactions as may be are under way. They are
// carried out in one transaction, one after the other: what it begins and ends with, and what it counts, is done once for
// all of them. Whoever begins one carries it out, on its own goroutine.
type company struct {
	mu      sync.Mutex
	waiting []*member
	free    int // transactions that may still begin
}

// member is one transition, and where its outcome goes.
type member struct {
	ctx     context.Context
	change  func(*query) error
	outcome chan error
	lead    chan []*member // it is to carry out these, of which it is the first
}

// errApart says that a transition is to be carried out in a transaction of its own.
var errApart = errors.New("to be carried out apart from others")

// join answers those that the member is to carry out at once; none when it has to wait.
func (c *company) join(m *member) []*member {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.free == 0 {
		c.waiting = append(c.waiting, m)
		return nil
	}
	c.free--
	return []*member{m}
}

// leave takes back a member that still waits.
func (c *company) leave(m *member) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.Index(c.waiting, m)
	if at < 0 {
		return false
	}
	c.waiting = slices.Delete(c.waiting, at, at+1)
	return true
}

// next has the first of those who wait carry out all of them.
func (c *company) next() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.free++
		return
	}
	n := min(len(c.waiting), mostTogether)
	company := slices.Clone(c.waiting[:n])
	c.waiting = slices.Delete(c.waiting, 0, n)
	company[0].lead <- company
}

// accompanied carries out a transition beside others, with those that wait as it does.
func (p *postgres) accompanied(ctx context.Context, change func(*query) error) error {
	m := &member{ctx: ctx, change: change, outcome: make(chan error, 1), lead: make(chan []*member, 1)}
	company := p.company.join(m)
	if company == nil {
		select {
		case err := <-m.outcome:
			return err
		case company = <-m.lead:
		case <-ctx.Done():
			if p.company.leave(m) {
				return ctx.Err()
			}
			select { // it is under way
			case err := <-m.outcome:
				return err
			case company = <-m.lead:
			}
		}
	}
	defer p.company.next()
	p.carryOutAll(company)
	return <-m.outcome
}

// carryOutAll tells each of a company its outcome. When what failed of them cannot be told from the others, each is
// carried out apart.
func (p *postgres) carryOutAll(company []*member) {
	if len(company) > 1 {
		outcomes, err := p.tryTogether(company)
		var cut *cutOff
		away := errors.Is(err, remuda.Unavailable) && !errors.As(err, &cut)
		if err == nil || away {
			for i, m := range company {
				m.outcome <- cmp.Or(outcomes[i], err)
			}
			return
		}
	}
	for _, m := range company {
		m.outcome <- p.repeat(m.ctx, control.Beside, m.change)
	}
}

// tryTogether carries out a company in one transaction. Its error concerns all that have none of their own.
func (p *postgres) tryTogether(company []*member) ([]error, error) {
	outcomes := make([]error, len(company))
	err := p.try(context.WithoutCancel(company[0].ctx), control.Beside, func(q *query) error {
		q.accompanied = true
		for i, m := range company {
			before := q.changes
			outcomes[i] = protect(m.change, q)
			switch {
			case outcomes[i] == nil:
				q.others.add(q.tally)
			case q.changes != before || q.postgres.failed:
				return errApart
			}
			q.tally.clear()
		}
		return nil
	})
	return outcomes, err
}

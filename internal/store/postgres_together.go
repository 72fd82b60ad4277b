package store

import (
	"cmp"
	"context"
	"errors"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// mostTogether bounds how many transitions one transaction carries out, and so how long the first of them waits.
const mostTogether = 64

// beside is one transition beside others. Those that wait while as many transactions as may be are under way are carried
// out in one, one after the other: what it begins and ends with, and what it counts, is done once for all of them.
type beside struct {
	ctx    context.Context
	change func(*query) error
}

// errApart says that a transition is to be carried out in a transaction of its own.
var errApart = errors.New("to be carried out apart from others")

// carryOutAll answers the outcome of each. When what failed of them cannot be told from the others, each is carried out
// apart.
func (p *postgres) carryOutAll(all []beside) []error {
	if len(all) > 1 {
		outcomes, err := p.tryTogether(all)
		var cut *cutOff
		away := errors.Is(err, remuda.Unavailable) && !errors.As(err, &cut)
		if err == nil || away {
			for i := range outcomes {
				outcomes[i] = cmp.Or(outcomes[i], err)
			}
			return outcomes
		}
	}
	outcomes := make([]error, len(all))
	for i, one := range all {
		outcomes[i] = p.repeat(one.ctx, control.Beside, one.change)
	}
	return outcomes
}

// tryTogether carries out all in one transaction. Its error concerns all that have none of their own.
func (p *postgres) tryTogether(all []beside) ([]error, error) {
	outcomes := make([]error, len(all))
	err := p.try(context.WithoutCancel(all[0].ctx), control.Beside, func(q *query) error {
		q.accompanied = true
		for i, one := range all {
			before := q.changes
			outcomes[i] = protect(one.change, q)
			switch {
			case outcomes[i] == nil:
				q.others.add(q.tally)
			case q.changes != before || q.postgres.failed != nil:
				return errApart
			}
			q.tally.clear()
		}
		return nil
	})
	return outcomes, err
}

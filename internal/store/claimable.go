package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remuda-dev/remuda/internal/control"
)

const (
	claimTries = 3  // how often a claim looks that finds only tasks which somebody else is changing
	widerLook  = 32 // how many more lanes it looks at each time
	passedOver = 8  // how many lanes it looks at that may not run, before it goes from kind to kind
)

// Claimable looks at the main lanes of each class in the order of their turns, as far as they are under every limit; then
// at the first tasks of those whose turns come: never at what waits behind those, or at a group or project that is full.
func (v view) Claimable(_ context.Context, classes, capabilities []string, most int) (rows []control.TaskRow, err error) {
	if len(classes) == 0 || most <= 0 {
		return nil, nil
	}
	if s := v.postgres; s != nil && s.locks && s.knows {
		s.claim() // before the lanes are locked that were counted so far, which another claim may need
	}
	if err := v.settle(); err != nil {
		return nil, err
	}
	for try := range claimTries {
		lanes, err := v.nextLanes(classes, capabilities, most+try*widerLook)
		if err != nil || len(lanes) == 0 {
			return nil, err
		}
		if err := v.firsts(&rows, lanes, most); err != nil {
			return nil, err
		}
		if len(rows) > 0 || v.postgres == nil || !v.postgres.locks {
			break
		}
	}
	if len(rows) > 0 && v.postgres != nil && v.postgres.locks {
		v.postgres.store.claimed.Store(time.Now().UnixNano())
	}
	return rows, nil
}

// nextLanes are the lanes whose turns come next. Whoever finds none keeps nobody waiting, unless it knows that there are
// some or tasks are being claimed all the time; who finds some decides about them alone.
func (v view) nextLanes(classes, capabilities []string, most int) ([]control.LaneTurn, error) {
	if s := v.postgres; s != nil && s.locks && !s.claims {
		if !s.knows && !s.store.isClaiming() {
			if lanes, err := v.openLanes(classes, capabilities, most); err != nil || len(lanes) == 0 {
				return nil, err
			}
		}
		s.claim()
	}
	return v.openLanes(classes, capabilities, most)
}

// openLanes are those of each class from which a task could be claimed, so many at most. Where none of the first of a class
// is, such as those of an organization at its limit, it is the best of each kind: one task of each can be told to be next,
// not more.
func (v view) openLanes(classes, capabilities []string, most int) (lanes []control.LaneTurn, err error) {
	text, args := v.lanesText(firstLanes, classes, capabilities, most)
	if err := v.rows(&lanes, text, args...); err != nil {
		return nil, err
	}
	rest := slices.DeleteFunc(slices.Clone(classes), func(class string) bool {
		return slices.ContainsFunc(lanes, func(l control.LaneTurn) bool { return l.ClassID == class })
	})
	if len(rest) == 0 {
		return lanes, nil
	}
	var best []control.LaneTurn
	text, args = v.lanesText(lanesOfKinds, rest, capabilities, most)
	if err := v.rows(&best, text, args...); err != nil {
		return nil, err
	}
	return append(lanes, best...), nil
}

// firsts adds the first tasks of the lanes whose turns come. Lanes that have none but what someone else is changing are
// passed over: their turn is not lost, and others are not kept waiting.
func (v view) firsts(rows *[]control.TaskRow, lanes []control.LaneTurn, most int) error {
	for len(lanes) > 0 && len(*rows) == 0 {
		shares := control.TakeTurns(lanes, most)
		for _, share := range shares {
			lane := slices.IndexFunc(lanes, func(l control.LaneTurn) bool { return l.ID == share.Lane })
			if err := v.heads(rows, share, lanes[lane].Side); err != nil {
				return err
			}
			lanes = slices.Delete(lanes, lane, lane+1)
		}
		if len(shares) == 0 {
			return nil
		}
	}
	return nil
}

// heads adds the first tasks of a lane, and keeps them from everybody else until the transaction ends. A task that
// someone else is changing is passed over.
func (v view) heads(rows *[]control.TaskRow, share control.Share, side bool) error {
	if v.postgres == nil || !v.postgres.locks {
		return v.rows(rows, v.headsText(false), share.Lane, share.Tasks)
	}
	before := len(*rows)
	err := v.rows(rows, v.headsText(true), share.Lane, share.Tasks)
	if err != nil || len(*rows) > before || !side {
		return err
	}
	var behind []string
	if err := v.rows(&behind, lanesBehind, share.Lane); err != nil {
		return err
	}
	for _, lane := range behind {
		if err := v.rows(rows, v.queuedIn("$1", "1", true), lane); err != nil || len(*rows) > before {
			return err
		}
	}
	return nil
}

// headsText finds the first tasks of a main lane; of the group behind it that is next, where that comes before.
func (q *query) headsText(locking bool) string {
	return q.queuedIn("("+nextOfLane+")", "cast($2 as bigint)", locking)
}

// lanesBehind are a main lane and the lanes of groups behind it that have room, in the order of their first tasks.
const lanesBehind = `select x.id from (
	(select s.id, s.head from lanes s where s.main_id = $1 and s.group_id <> '' and s.queued > 0 and not s.closed order by s.head, s.id limit 32)
	union all (select q.lane_id, q.rank from queued_tasks q where q.lane_id = $1 order by q.rank, q.id limit 1)
	) x order by x.head, x.id`

// nextOfLane is the main lane $1 itself, or the lane of the group behind it that is next.
const nextOfLane = `
		select case when m.side is null or m.own <= m.side then m.id else
			(select s.id from lanes s where s.main_id = m.id and s.group_id <> '' and s.queued > 0 and not s.closed order by s.head, s.id limit 1) end
		from (select b.id,
			(select q.rank from queued_tasks q where q.lane_id = b.id order by q.rank, q.id limit 1) as own,
			(select s.head from lanes s where s.main_id = b.id and s.group_id <> '' and s.queued > 0 and not s.closed order by s.head, s.id limit 1) as side
			from lanes b where b.id = $1) m`

// lanesText finds the next lanes of some classes.
func (v view) lanesText(lanesOfClass string, classes, capabilities []string, most int) (text string, args []any) {
	mark := func(value any) string {
		args = append(args, value)
		return fmt.Sprintf("$%d", len(args))
	}
	limit, met := "cast("+mark(most)+" as bigint)", `(w.capabilities || '')` // no column, whose index could look like a way
	for _, capability := range capabilities {
		met = `replace(` + met + `, ` + mark(" "+capability+" ") + `, '')`
	}
	organization, class := v.running("organizations", "o", mark), v.running("resource_classes", "c", mark)
	next := strings.NewReplacer("$met", met, "o.running", organization, "c.running", class, "$most", limit, "$passed", strconv.Itoa(passedOver)).
		Replace(lanesOfClass)
	best := make([]string, len(classes))
	for i, id := range classes {
		best[i] = `select * from (` + strings.ReplaceAll(next, "$class", "cast("+mark(id)+" as text)") + `) b`
	}
	return `select b.id, b.class_id, b.project_id, b.level, b.turn_at, b.turns, b.weight, b.project_running as running, b.queued,
		(select s.id from lanes s where s.main_id = b.id and s.group_id <> '' and s.queued > 0 and not s.closed order by s.head, s.id limit 1) is not null as side,
		p.task_limit as project_limit, p.running as project_running, p.organization_id,
		o.task_limit as organization_limit, ` + organization + ` as organization_running,
		c.task_limit as class_limit, ` + class + ` as class_running
		from (` + strings.Join(best, " union all ") + `) b cross join projects p cross join organizations o cross join resource_classes c
		where p.id = b.project_id and o.id = p.organization_id and c.id = b.class_id`, args
}

// The lanes of one class, in a form that holds SQLite to one way, whatever it knows of the tables: the lanes come alone, so
// that they come in their order; casts keep it from planning anew for every value; and where the other tables were joined,
// it would first read one whole into a filter. What is asked of the class alone is looked up once.
const (
	// firstLanes are those whose turns come next, as far as they are found among the first of all.
	firstLanes = `select w.id, w.class_id, w.project_id, w.level, w.turn_at, w.turns, w.weight, w.project_running, w.queued
		from (select * from lanes where class_id = $class and waits and not closed order by level, turn_at, id limit $most + $passed) w
		where ` + ofClass + ofOrganization + ofProject + ` order by w.level, w.turn_at, w.id limit $most`

	// lanesOfKinds are the best of each kind.
	lanesOfKinds = `with recursive kinds (organization_id, capabilities) as (
			select * from (select organization_id, capabilities from lanes where class_id = $class and waits and not closed
				order by organization_id, capabilities limit 1) best
			union all select (select l.organization_id` + nextKind + `), (select l.capabilities` + nextKind + `) from kinds k where k.organization_id <> '')
		select b.id, b.class_id, b.project_id, b.level, b.turn_at, b.turns, b.weight, b.project_running, case when b.queued > 0 then 1 else 0 end as queued
		from kinds w cross join lanes b where ` + ofClass + ofOrganization + ` and b.id =
			(select l.id from lanes l where l.class_id = $class and l.organization_id = w.organization_id and l.capabilities = w.capabilities
				and l.waits and not l.closed` + ofProject + ` order by l.level, l.turn_at, l.id limit 1)
		order by b.level, b.turn_at, b.id limit $most`

	// nextKind has a level beyond all: SQLite begins at what is equal, and would read through all lanes of a kind.
	nextKind = ` from lanes l where l.class_id = $class and l.waits and not l.closed
		and (l.organization_id, l.capabilities, l.level) > (k.organization_id || '', k.capabilities || '', 9223372036854775807)
		order by l.organization_id, l.capabilities limit 1`

	// Whether anything of a class may run; of that, the lanes of an organization that need the same; of those, a project's.
	ofClass        = `(select c.task_limit = 0 or c.running < c.task_limit from resource_classes c where c.id = $class)`
	ofOrganization = ` and $met = ''
		and 1 = (select 1 from organizations o where o.id = w.organization_id and (o.task_limit = 0 or o.running < o.task_limit))
		and (w.organization_id = (select n.organization_id from resource_classes c cross join namespaces n where c.id = $class and n.id = c.namespace_id)
			or (select c.access from resource_classes c where c.id = $class) = 'all'
			or (select c.access from resource_classes c where c.id = $class) = 'some'
				and 1 = (select 1 from class_access a where a.class_id = $class and a.organization_id = w.organization_id))`
	ofProject = ` and ((select c.allow_forks from resource_classes c where c.id = $class)
		or 1 = (select 1 from projects p where p.id = project_id and not (p.visibility = 'public' and p.builds_forks)))`
)

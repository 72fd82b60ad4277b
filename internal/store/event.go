package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// mostLooked is how many events one reading backward looks at: among so many, what no index tells is looked for.
const mostLooked = 20_000

// disorder bounds how far the times of events are from the order of their ids: by how much clocks differ, and how long a
// transaction takes.
const disorder = control.Micros(5 * time.Minute / time.Microsecond)

func (v view) EventsBack(_ context.Context, q control.EventQuery) (slice control.EventSlice, err error) {
	if q.Until != 0 {
		first, err := v.firstEventAfter(q.Until + disorder)
		if err != nil {
			return slice, err
		}
		if first != 0 && (q.Before == 0 || first < q.Before) {
			q.Before = first
		}
	}
	indexed := conditions{}
	indexed.where("organization_id = $?", q.OrganizationID)
	indexed.where("subject = $?", q.Subject)
	if q.Before != 0 {
		indexed.where("id < $?", q.Before)
	}
	looked := " from events" + indexed.clause() + " order by id desc"
	c := conditions{args: indexed.args}
	c.args = append(c.args, q.Limit+1) // one too many says that there is more
	limit := len(c.args)
	c.where("e.actor = $?", q.Actor)
	if prefix, wild := strings.CutSuffix(q.Type, "*"); wild {
		c.where("substr(e.type, 1, length($?)) = $?", prefix)
	} else {
		c.where("e.type = $?", q.Type)
	}
	c.where("e.at >= $?", q.From)
	c.where("e.at < $?", q.Until)
	err = v.all(&slice.Events, `select e.*, coalesce((select o.name from organizations o where o.id = e.organization_id), '') as organization
		from (select *`+looked+fmt.Sprintf(" limit %d) e", mostLooked)+c.clause()+fmt.Sprintf(" order by e.id desc limit cast($%d as bigint)", limit), c.args...)
	if err != nil {
		return slice, err
	}
	if len(slice.Events) > q.Limit {
		slice.Events = slice.Events[:q.Limit]
		slice.Next = slice.Events[q.Limit-1].ID
		return slice, nil
	}
	var last eventMark
	err = v.one(&last, "select id, at"+looked+fmt.Sprintf(" limit 1 offset %d", mostLooked-1), indexed.args...)
	if err == nil && last.At >= q.From-disorder {
		slice.Next = last.ID
	}
	return slice, ignoreNotFound(err)
}

type eventMark struct {
	ID int64          `db:"id"`
	At control.Micros `db:"at"`
}

// firstEventAfter is about the first event of a time or later, found by halves since no index has the times; 0 when there
// is none.
func (v view) firstEventAfter(at control.Micros) (first int64, err error) {
	var low, high int64
	if err := v.one(&high, `select coalesce(max(id), 0) + 1 from events`); err != nil {
		return 0, err
	}
	for low+1 < high {
		middle := low + (high-low)/2
		var mark eventMark
		err := v.one(&mark, `select id, at from events where id <= $1 order by id desc limit 1`, middle)
		switch {
		case errors.Is(err, remuda.NotFound) || err == nil && mark.At < at:
			low = middle
		case err != nil:
			return 0, err
		default:
			first, high = mark.ID, mark.ID
		}
	}
	return first, nil
}

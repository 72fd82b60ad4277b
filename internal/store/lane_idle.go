package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/remuda-dev/remuda/internal/control"
)

// Idle lanes and empty groups go. Whoever queues a task finds or makes both in the transaction that inserts it, and these
// delete Alone: so no task can come to lie in a lane that goes.

// noneLive says of a lane that it has no live task: by its counters, and by its tasks as far as they are found.
const noneLive = `lanes.queued = 0 and lanes.running = 0
	and not exists (select 1 from queued_tasks q where q.lane_id = lanes.id)
	and not exists (select 1 from grouped_tasks g where g.group_id = lanes.group_id)`

func (v view) IdleLanes(_ context.Context, after string) (rows []control.LaneRow, err error) {
	return rows, v.all(&rows, `select id, idle_since from lanes where id > $1 and queued = 0 and running = 0 order by id limit 64`, after)
}

func (v view) EmptyGroups(_ context.Context, after string) (rows []control.GroupRow, err error) {
	return rows, v.all(&rows, `select g.id from groups g where g.id > $1
		and not exists (select 1 from lanes l where l.group_id = g.id and l.group_id <> '') order by g.id limit 64`, after)
}

func (t tx) RestLanes(_ context.Context, ids []string, now control.Micros) error {
	return t.ofEach(`update lanes set idle_since = $1 where id in `, ids, ` and idle_since = 0 and `+noneLive, now)
}

func (t tx) ForgetLanes(_ context.Context, ids []string, before control.Micros) error {
	return t.ofEach(`delete from lanes where id in `, ids, ` and idle_since <> 0 and idle_since < $1 and `+noneLive+`
		and (lanes.group_id <> '' or not exists (select 1 from lanes s where s.class_id = lanes.class_id and s.project_id = lanes.project_id
			and s.main_id = lanes.id and s.id <> lanes.id))`, before)
}

func (t tx) ForgetGroups(_ context.Context, ids []string) error {
	return t.ofEach(`delete from groups where id in `, ids, ` and running = 0
		and not exists (select 1 from lanes l where l.group_id = groups.id and l.group_id <> '')
		and not exists (select 1 from grouped_tasks g where g.group_id = groups.id)`)
}

// ofEach carries a statement out for rows with these ids, a few at once. What others of the same transaction have counted
// is written before: it is not in the rows yet.
func (t tx) ofEach(text string, ids []string, rest string, args ...any) error {
	if err := t.settle(); err != nil {
		return err
	}
	for few := range slices.Chunk(ids, mostDeleted) {
		all, marks := slices.Clone(args), make([]string, mostDeleted)
		for i := range marks { // always as many, so that one text serves
			all, marks[i] = append(all, few[min(i, len(few)-1)]), fmt.Sprintf("$%d", len(all)+1)
		}
		if _, err := t.exec(text+`(`+strings.Join(marks, ", ")+`)`+rest, all...); err != nil {
			return err
		}
	}
	return nil
}

package store

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/remuda-dev/remuda/internal/control"
)

// alike gathers rows that are written in the same way, to write those of one table in one statement.
type alike struct {
	ways  []*way // in the order in which they were first met
	known map[string]*way
}

// way is an insert into a table, or an update of some of its columns by id.
type way struct {
	row     control.Row // one of them
	insert  bool
	columns []string
	values  []reflect.Value // a slice for each column
	ids     []int64         // of rows whose ids are numbers that the database gives
}

// Together gathers what change writes, as far as the database gains by that. PostgreSQL does, where each statement costs
// more than a row; a transaction of SQLite is in this process.
func (t tx) Together(_ context.Context, change func() error) error {
	if t.postgres == nil || t.alike != nil {
		return change()
	}
	t.alike = &alike{}
	defer func() { t.alike = nil }()
	if err := change(); err != nil {
		return err
	}
	return t.writeAlike()
}

// withAlike keeps a row for later. It answers false when none are gathered.
func (q *query) withAlike(row control.Row, insert bool, columns []string) (bool, error) {
	if q.alike == nil {
		return false, nil
	}
	key := row.Table()
	if !insert {
		key += " " + strings.Join(columns, " ")
	}
	if q.alike.known == nil {
		q.alike.known = map[string]*way{}
	}
	value := reflect.Indirect(reflect.ValueOf(row))
	shape := q.shapes.of(value.Type())
	w := q.alike.known[key]
	if w == nil {
		w = &way{row: row, insert: insert, columns: shape.inserts(row)}
		if !insert {
			w.columns = append([]string{"id"}, columns...)
		}
		for _, column := range w.columns {
			field, known := shape.fields[column]
			if !known {
				return false, fmt.Errorf("table %s has no column %s", row.Table(), column)
			}
			kind := reflect.TypeOf(plain(reflect.Zero(value.FieldByIndex(field).Type())))
			w.values = append(w.values, reflect.MakeSlice(reflect.SliceOf(kind), 0, 8))
		}
		q.alike.known[key] = w
		q.alike.ways = append(q.alike.ways, w)
	}
	if insert && numbered(row) {
		id, err := q.postgres.nextNumber()
		if err != nil {
			return false, err
		}
		w.ids = append(w.ids, id)
	}
	for i, column := range w.columns {
		w.values[i] = reflect.Append(w.values[i], reflect.ValueOf(plain(value.FieldByIndex(shape.fields[column]))))
	}
	return true, nil
}

// writeAlike writes what was gathered so far.
func (q *query) writeAlike() error {
	if q.alike == nil || len(q.alike.ways) == 0 {
		return nil
	}
	ways := q.alike.ways
	*q.alike = alike{}
	for _, w := range ways {
		text, args := w.text()
		least := int64(w.values[0].Len())
		if w.insert {
			least = 0 // it inserts all, or fails
		}
		if err := q.put(least, text, args); err != nil {
			return err
		}
	}
	return nil
}

// text is the statement that writes all rows of a way. Each column comes as one array.
func (w *way) text() (string, []any) {
	arrays, args := make([]string, len(w.values)), make([]any, len(w.values))
	for i, values := range w.values {
		args[i] = values.Interface()
		arrays[i] = fmt.Sprintf("cast($%d as %s[])", i+1, arrayOf(values.Type().Elem()))
	}
	from := "unnest(" + strings.Join(arrays, ", ") + ")"
	if w.insert {
		names, chosen := strings.Join(w.columns, ", "), "*"
		if len(w.ids) > 0 {
			args = append(args, w.ids)
			from = strings.TrimSuffix(from, ")") + fmt.Sprintf(", cast($%d as bigint[])) as v(%s, number)", len(args), names)
			chosen = names + ", " + numberOf("number")
			names += ", id"
		}
		return "insert into " + w.row.Table() + " (" + names + ") select " + chosen + " from " + from, args
	}
	sets := make([]string, 0, len(w.columns)-1)
	for _, column := range w.columns[1:] {
		sets = append(sets, column+" = v."+column)
	}
	return "update " + w.row.Table() + " x set " + strings.Join(sets, ", ") + " from " + from + " as v(" + strings.Join(w.columns, ", ") + ") where x.id = v.id", args
}

// arrayOf is PostgreSQL's name of a type of values.
func arrayOf(kind reflect.Type) string {
	switch kind.Kind() {
	case reflect.Int64:
		return "bigint"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		return "bytea"
	default:
		return "text"
	}
}

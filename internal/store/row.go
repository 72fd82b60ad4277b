package store

import (
	"database/sql"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/remuda-dev/remuda/internal/control"
)

var placeholder = regexp.MustCompile(`\$(\d+)`)

// dialect turns $1 into SQLite's ?1.
func dialect(text string) string { return placeholder.ReplaceAllString(text, "?$1") }

// shapes remembers what reflection tells of the types of rows.
type shapes map[reflect.Type]*shape

// shape is the columns of a type of rows, which are its db tags, and where each lies in it.
type shape struct {
	names  []string
	fields map[string][]int
	insert string
	update map[string]string // texts by the columns, joined
}

func (s shapes) of(t reflect.Type) *shape {
	if known := s[t]; known != nil {
		return known
	}
	found := &shape{fields: map[string][]int{}, update: map[string]string{}}
	for _, field := range reflect.VisibleFields(t) {
		if name := field.Tag.Get("db"); name != "" {
			found.names = append(found.names, name)
			found.fields[name] = field.Index
		}
	}
	s[t] = found
	return found
}

// numbered is true for rows whose id the database gives.
func numbered(row control.Row) bool {
	_, is := row.(*control.EventRow)
	return is
}

// inserts are the columns that an insert of a row writes.
func (s *shape) inserts(row control.Row) []string {
	if numbered(row) {
		return s.names[1:] // its id comes first
	}
	return s.names
}

// inserting is the text and the values that insert a row.
func (s shapes) inserting(row control.Row) (string, []any) {
	value := reflect.Indirect(reflect.ValueOf(row))
	shape := s.of(value.Type())
	names := shape.inserts(row)
	if shape.insert == "" {
		marks := make([]string, len(names))
		for i := range names {
			marks[i] = fmt.Sprintf("$%d", i+1)
		}
		shape.insert = "insert into " + row.Table() + " (" + strings.Join(names, ", ") + ") values (" + strings.Join(marks, ", ") + ")"
	}
	values := make([]any, len(names))
	for i, name := range names {
		values[i] = plain(value.FieldByIndex(shape.fields[name]))
	}
	return shape.insert, values
}

// updating is the text and the values that write some columns of the row with an id, which is $1.
func (s shapes) updating(row control.Row, columns []string) (string, []any, error) {
	value := reflect.Indirect(reflect.ValueOf(row))
	shape := s.of(value.Type())
	values := make([]any, 1, len(columns)+1)
	values[0] = plain(value.FieldByIndex(shape.fields["id"]))
	for _, column := range columns {
		field, known := shape.fields[column]
		if !known {
			return "", nil, fmt.Errorf("table %s has no column %s", row.Table(), column)
		}
		values = append(values, plain(value.FieldByIndex(field)))
	}
	key := strings.Join(columns, " ")
	text := shape.update[key]
	if text == "" {
		sets := make([]string, len(columns))
		for i, column := range columns {
			sets[i] = fmt.Sprintf("%s = $%d", column, i+2)
		}
		text = "update " + row.Table() + " set " + strings.Join(sets, ", ") + " where id = $1"
		shape.update[key] = text
	}
	return text, values, nil
}

// plain is a value as a driver takes it: the words' own types cost database/sql a detour each.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Int, reflect.Int64:
		return v.Int()
	case reflect.Bool:
		return v.Bool()
	default:
		return v.Interface()
	}
}

// statement is prepared on one connection.
type statement struct {
	*sql.Stmt
	scanner
}

// scanner remembers which field of its row each column fills: finding that out costs as much as the query.
type scanner struct {
	into   reflect.Type
	fields [][]int
	places []any
}

// scanned is what a scanner reads from.
type scanned interface {
	Next() bool
	Scan(dest ...any) error
}

// all fills a slice, which into points to, with the rows that are left.
func (s *scanner) all(rows scanned, columns func() ([]string, error), shapes shapes, into any) error {
	slice := reflect.ValueOf(into).Elem()
	kind := slice.Type().Elem()
	for rows.Next() {
		slice.Grow(1)
		slice.SetLen(slice.Len() + 1)
		one := slice.Index(slice.Len() - 1)
		one.Set(reflect.Zero(kind))
		if err := s.scan(rows, columns, shapes, one.Addr().Interface()); err != nil {
			return err
		}
	}
	return nil
}

// scan fills a struct, or a single value, with the row that rows is at. A column that the struct does not know is from
// a newer version beside this one.
func (s *scanner) scan(rows interface{ Scan(...any) error }, columns func() ([]string, error), shapes shapes, into any) error {
	value := reflect.ValueOf(into).Elem()
	if value.Kind() != reflect.Struct {
		return rows.Scan(into)
	}
	if s.into != value.Type() {
		names, err := columns()
		if err != nil {
			return err
		}
		shape := shapes.of(value.Type())
		fields := make([][]int, len(names))
		for i, name := range names {
			fields[i] = shape.fields[name]
		}
		s.into, s.fields, s.places = value.Type(), fields, make([]any, len(names))
	}
	var unknown any
	for i, field := range s.fields {
		if field == nil {
			s.places[i] = &unknown
			continue
		}
		s.places[i] = value.FieldByIndex(field).Addr().Interface()
	}
	err := rows.Scan(s.places...)
	clear(s.places)
	return err
}

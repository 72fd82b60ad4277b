package blocks

import (
	"context"
	"strconv"

	"github.com/remuda-dev/remuda"
)

// page is how a query is asked for a span: one row more than is shown, which says whether there is a next part.
func (s Span) page() Page {
	limit := s.Limit
	if limit <= 0 {
		limit = 50
	}
	return Page{After: s.Cursor, Offset: max(0, s.Offset), Limit: min(limit, 500) + 1}
}

// listed cuts the one row too many, and converts the others.
func listed[R, W any](rows []R, p Page, total int, id func(R) string, convert func(R) (W, error)) (List[W], error) {
	list := List[W]{Items: make([]W, 0, len(rows)), Total: total}
	if len(rows) == p.Limit {
		rows = rows[:p.Limit-1]
		list.Next = id(rows[len(rows)-1])
	}
	for _, row := range rows {
		words, err := convert(row)
		if err != nil {
			return List[W]{}, err
		}
		list.Items = append(list.Items, words)
	}
	return list, nil
}

// counted asks how many there are in all, which only the first part of a list tells.
func counted[Q any](ctx context.Context, s Span, count func(context.Context, Q) (int, error), q Q) (int, error) {
	if s.Cursor != "" {
		return 0, nil
	}
	return count(ctx, q)
}

// problems are what is wrong with the members of a request, all of them at once.
type problems []remuda.Field

func (p *problems) add(location, message string) {
	*p = append(*p, remuda.Field{Location: location, Message: message})
}

// err is nil when nothing is wrong.
func (p problems) err(what string) error {
	if len(p) == 0 {
		return nil
	}
	return &remuda.Error{Kind: remuda.Invalid, Detail: what + ": " + p[0].Location + ": " + p[0].Message, Fields: p}
}

// counting is a number with its noun.
func counting(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

package server

import (
	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// Paging is how the part of a list is asked for.
type Paging struct {
	Cursor string `query:"cursor" format:"uuid" doc:"Where to go on: what an earlier answer gave as next"`
	Limit  int    `query:"limit" minimum:"0" maximum:"500" doc:"How many at most; 50 when 0"`
}

func (p Paging) query() control.PageQuery {
	return control.PageQuery{Cursor: p.Cursor, Limit: p.Limit}
}

// listed makes a list without items an empty one, which programs find easier than null.
func listed[T any](page remuda.Page[T], err error) (remuda.Page[T], error) {
	if page.Items == nil {
		page.Items = []T{}
	}
	return page, err
}

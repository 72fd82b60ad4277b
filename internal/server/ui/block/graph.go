package block

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/remuda-dev/remuda/internal/blocks"
)

// Measures of the drawing of a family, in pixels.
const (
	boxWidth  = 190
	boxHeight = 52
	passing   = 8  // the room of a line that passes a column
	between   = 56 // columns
	below     = 14 // one thing in a column, the next
	margin    = 4
)

// drawing is a family laid out in columns: each block stands to the right of all of its parents.
type drawing struct {
	Width, Height int
	Boxes         []box
	Lines         []string // paths from parents to children
}

// box is one block of it.
type box struct {
	blocks.Kin
	X, Y int
}

// spot is what stands in a column: a block, or a line on its way to one that stands further to the right.
type spot struct {
	kin    blocks.Kin
	line   bool
	from   []*spot // in the column before
	middle int     // its height on the page
}

func (s *spot) height() int {
	if s.line {
		return passing
	}
	return boxHeight
}

// draw lays a family out.
func draw(family []blocks.Kin) drawing {
	columns := arranged(family)
	heights := make([]int, len(columns))
	for i, column := range columns {
		for _, s := range column {
			heights[i] += s.height() + below
		}
	}
	tallest := slices.Max(heights) - below
	d := drawing{Width: 2*margin + len(columns)*(boxWidth+between) - between, Height: 2*margin + tallest}
	for i, column := range columns {
		slices.SortStableFunc(column, func(a, b *spot) int {
			return cmp.Or(cmp.Compare(a.pulled(), b.pulled()), cmp.Compare(a.kin.Name, b.kin.Name))
		})
		x, y := margin+i*(boxWidth+between), margin+(tallest-heights[i]+below)/2
		for _, s := range column {
			s.middle = y + s.height()/2
			if !s.line {
				d.Boxes = append(d.Boxes, box{Kin: s.kin, X: x, Y: y})
				for _, from := range s.from {
					d.Lines = append(d.Lines, path(s, from, x))
				}
			}
			y += s.height() + below
		}
	}
	return d
}

// pulled is where a spot would stand best: as high as what it comes from, on average.
func (s *spot) pulled() int {
	if len(s.from) == 0 {
		return 0
	}
	sum := 0
	for _, from := range s.from {
		sum += from.middle
	}
	return sum / len(s.from)
}

// path is the line from a block, through the columns that it passes, to its child at x.
func path(to, from *spot, x int) string {
	hops := []string{}
	for {
		x1, x2, bend := x-between, x, between/2
		hop := fmt.Sprintf("C%d %d %d %d %d %d", x1+bend, from.middle, x2-bend, to.middle, x2, to.middle)
		if !from.line {
			hops = append(hops, fmt.Sprintf("M%d %d", x1, from.middle)+hop)
			break
		}
		hops = append(hops, fmt.Sprintf("H%d", x1)+hop)
		to, from, x = from, from.from[0], x1-boxWidth
	}
	slices.Reverse(hops)
	return strings.Join(hops, "")
}

// arranged puts a family in columns, each block right after the last of its parents, with the lines between them.
func arranged(family []blocks.Kin) [][]*spot {
	depth := depths(family)
	columns := make([][]*spot, 0, len(family))
	spots := map[string]*spot{}
	for _, kin := range family {
		spots[kin.ID] = &spot{kin: kin}
		for len(columns) <= depth[kin.ID] {
			columns = append(columns, nil)
		}
		columns[depth[kin.ID]] = append(columns[depth[kin.ID]], spots[kin.ID])
	}
	for _, kin := range family {
		for _, parent := range kin.Parents {
			from := spots[parent]
			for at := depth[parent] + 1; at < depth[kin.ID]; at++ {
				from = &spot{line: true, from: []*spot{from}}
				columns[at] = append(columns[at], from)
			}
			spots[kin.ID].from = append(spots[kin.ID].from, from)
		}
	}
	return columns
}

// depths is in which column each of a family stands. Circles are refused when blocks are ordered.
func depths(family []blocks.Kin) map[string]int {
	depth := map[string]int{}
	for range family {
		for _, kin := range family {
			for _, parent := range kin.Parents {
				depth[kin.ID] = max(depth[kin.ID], min(depth[parent]+1, len(family)-1))
			}
		}
	}
	return depth
}

// short is a text that fits into a box.
func short(text string, most int) string {
	letters := []rune(text)
	if len(letters) <= most {
		return text
	}
	return string(letters[:most-1]) + "…"
}

// relation is those of a family that stand in one way to the block.
type relation struct {
	Name string
	Kin  []blocks.Kin
}

// relations tells a family in words, the nearest first.
func relations(family []blocks.Kin) (told []relation) {
	for _, r := range []struct {
		name string
		is   func(generation int) bool
	}{
		{"Parents", func(g int) bool { return g == -1 }},
		{"Above them", func(g int) bool { return g < -1 }},
		{"Children", func(g int) bool { return g == 1 }},
		{"Below them", func(g int) bool { return g > 1 }},
	} {
		kin := slices.DeleteFunc(slices.Clone(family), func(k blocks.Kin) bool { return !r.is(k.Generation) })
		if len(kin) > 0 {
			told = append(told, relation{r.name, kin})
		}
	}
	return told
}

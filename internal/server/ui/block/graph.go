package block

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/remuda-dev/remuda/internal/blocks"
)

// Measures of the drawing of a family, in pixels.
const (
	boxWidth  = 190
	boxHeight = 52
	between   = 56 // columns
	below     = 14 // one box, the next
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

// draw lays a family out.
func draw(family []blocks.Kin) drawing {
	columns := arranged(family)
	tallest := 0
	for _, column := range columns {
		tallest = max(tallest, len(column))
	}
	d := drawing{
		Width:  2*margin + len(columns)*boxWidth + max(0, len(columns)-1)*between,
		Height: 2*margin + tallest*boxHeight + max(0, tallest-1)*below,
	}
	places := map[string]box{}
	for i, column := range columns {
		top := margin + (tallest-len(column))*(boxHeight+below)/2
		for j, kin := range column {
			b := box{Kin: kin, X: margin + i*(boxWidth+between), Y: top + j*(boxHeight+below)}
			places[kin.ID] = b
			d.Boxes = append(d.Boxes, b)
		}
	}
	for _, b := range d.Boxes {
		for _, id := range b.Parents {
			d.Lines = append(d.Lines, curve(places[id], b))
		}
	}
	return d
}

// curve is the path from a parent to its child.
func curve(from, to box) string {
	x1, y1, x2, y2 := from.X+boxWidth, from.Y+boxHeight/2, to.X, to.Y+boxHeight/2
	bend := (x2 - x1) / 2
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", x1, y1, x1+bend, y1, x2-bend, y2, x2, y2)
}

// arranged puts a family in columns, each block one further than the last of its parents, and beside them as far as that
// goes.
func arranged(family []blocks.Kin) [][]blocks.Kin {
	depth := map[string]int{}
	for range family { // no road is longer than there are blocks, and circles are refused
		for _, kin := range family {
			for _, parent := range kin.Parents {
				depth[kin.ID] = max(depth[kin.ID], min(depth[parent]+1, len(family)-1))
			}
		}
	}
	var columns [][]blocks.Kin
	for _, kin := range family {
		for len(columns) <= depth[kin.ID] {
			columns = append(columns, nil)
		}
		columns[depth[kin.ID]] = append(columns[depth[kin.ID]], kin)
	}
	row := map[string]float64{}
	for _, column := range columns {
		slices.SortStableFunc(column, func(a, b blocks.Kin) int {
			return cmp.Or(cmp.Compare(middle(a, row), middle(b, row)), cmp.Compare(a.Name, b.Name))
		})
		for i, kin := range column {
			row[kin.ID] = float64(i) - float64(len(column)-1)/2
		}
	}
	return columns
}

// middle is where a block's parents stand, on average.
func middle(kin blocks.Kin, row map[string]float64) float64 {
	if len(kin.Parents) == 0 {
		return 0
	}
	sum := 0.0
	for _, id := range kin.Parents {
		sum += row[id]
	}
	return sum / float64(len(kin.Parents))
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

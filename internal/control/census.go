package control

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// mostNamed is how many different things a sentence names before it sums up the others.
const mostNamed = 3

// hindrance is what keeps a runner from claiming, said of one and of several.
type hindrance struct{ one, many string }

func being(what string) hindrance { return hindrance{"is " + what, "are " + what} }

// of says it of n runners, without their number.
func (h hindrance) of(n int) string {
	if n == 1 {
		return h.one
	}
	return h.many
}

// census is how many runners of a class are kept from claiming, and by what.
type census struct {
	connected, silent int
	kinds             []hindrance
	counts            map[hindrance]int
}

func (c *census) add(h hindrance, n int) {
	if c.counts == nil {
		c.counts = map[hindrance]int{}
	}
	if c.counts[h] == 0 {
		c.kinds = append(c.kinds, h)
	}
	c.counts[h] += n
	c.connected += n
}

// sentence says why none of them claims.
func (c *census) sentence(class string) string {
	switch {
	case c.connected == 0 && c.silent == 0:
		return "no runner is connected for " + class
	case c.connected == 0 && c.silent == 1:
		return "no runner is connected for " + class + "; 1 was, and is silent now"
	case c.connected == 0:
		return fmt.Sprintf("no runner is connected for %s; %d were, and are silent now", class, c.silent)
	}
	text := c.ofConnected(class)
	if c.silent > 0 {
		text += fmt.Sprintf("; %d more %s", c.silent, being("silent").of(c.silent))
	}
	return text
}

func (c *census) ofConnected(class string) string {
	slices.SortFunc(c.kinds, func(a, b hindrance) int { // the most first
		return cmp.Or(c.counts[b]-c.counts[a], strings.Compare(a.one, b.one))
	})
	only := c.kinds[0]
	switch {
	case len(c.kinds) == 1 && c.connected == 1:
		return "the only runner of " + class + " " + only.one
	case len(c.kinds) == 1 && strings.HasPrefix(only.many, "lack "):
		return fmt.Sprintf("all %d runners %s", c.connected, only.many)
	case len(c.kinds) == 1:
		return fmt.Sprintf("all %d runners of %s %s", c.connected, class, only.many)
	}
	var parts []string
	rest := c.connected
	for i, kind := range c.kinds {
		if i == mostNamed && len(c.kinds) > mostNamed+1 {
			break
		}
		n := c.counts[kind]
		rest -= n
		parts = append(parts, fmt.Sprintf("%d %s", n, kind.of(n)))
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("%d cannot for other reasons", rest))
	}
	return fmt.Sprintf("none of the %d runners of %s can take it: %s", c.connected, class, strings.Join(parts, ", "))
}

// counting is a number with its noun.
func counting(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// listed joins words as people do: a, b and c.
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

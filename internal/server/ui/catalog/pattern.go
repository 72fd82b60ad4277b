package catalog

import (
	"fmt"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode"
)

// mostPattern is how long a pattern may be that browsers are given, in bytes.
const mostPattern = 4000

// browserPattern says a pattern of RE2 in the words of browsers, whose pattern attribute is a regular expression of
// JavaScript with the flag v (HTML standard, section 4.10.5.3.6). It is empty where they have no words for it: then the
// server alone looks.
func browserPattern(pattern string) string {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	var text strings.Builder
	if !writePattern(&text, tree) || text.Len() > mostPattern {
		return ""
	}
	return text.String()
}

// writePattern writes one part of a pattern. It is false where JavaScript says it in no way.
func writePattern(text *strings.Builder, tree *syntax.Regexp) bool {
	switch tree.Op {
	case syntax.OpEmptyMatch:
	case syntax.OpNoMatch:
		text.WriteString(`[]`)
	case syntax.OpLiteral:
		for _, r := range tree.Rune {
			writeRune(text, r, tree.Flags&syntax.FoldCase != 0)
		}
	case syntax.OpCharClass:
		text.WriteByte('[')
		for i := 0; i+1 < len(tree.Rune); i += 2 {
			fmt.Fprintf(text, `\u{%x}-\u{%x}`, tree.Rune[i], tree.Rune[i+1])
		}
		text.WriteByte(']')
	case syntax.OpAnyCharNotNL:
		text.WriteString(`[^\n]`)
	case syntax.OpAnyChar:
		text.WriteString(`[\s\S]`)
	case syntax.OpBeginText:
		text.WriteByte('^')
	case syntax.OpEndText:
		text.WriteByte('$')
	case syntax.OpWordBoundary:
		text.WriteString(`\b`)
	case syntax.OpNoWordBoundary:
		text.WriteString(`\B`)
	case syntax.OpCapture, syntax.OpConcat:
		return writeAll(text, tree.Sub, "")
	case syntax.OpAlternate:
		return writeAll(text, tree.Sub, "|")
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		if !writeAll(text, tree.Sub, "") {
			return false
		}
		text.WriteString(times(tree))
	default:
		return false // the beginning and end of a line: what is typed here has one
	}
	return true
}

// writeAll writes parts as one group.
func writeAll(text *strings.Builder, parts []*syntax.Regexp, between string) bool {
	text.WriteString("(?:")
	for i, part := range parts {
		if i > 0 {
			text.WriteString(between)
		}
		if !writePattern(text, part) || text.Len() > mostPattern {
			return false
		}
	}
	text.WriteByte(')')
	return true
}

// writeRune writes one character, with those that differ from it in case alone when these are meant, too.
func writeRune(text *strings.Builder, r rune, fold bool) {
	if !fold {
		fmt.Fprintf(text, `\u{%x}`, r)
		return
	}
	fmt.Fprintf(text, `[\u{%x}`, r)
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		fmt.Fprintf(text, `\u{%x}`, other)
	}
	text.WriteByte(']')
}

// times is how often something is repeated.
func times(tree *syntax.Regexp) string {
	switch tree.Op {
	case syntax.OpStar:
		return "*"
	case syntax.OpPlus:
		return "+"
	case syntax.OpQuest:
		return "?"
	}
	most := ""
	if tree.Max >= 0 {
		most = strconv.Itoa(tree.Max)
	}
	return "{" + strconv.Itoa(tree.Min) + "," + most + "}"
}

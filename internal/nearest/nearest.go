// Package nearest finds the name that somebody meant when they wrote another.
package nearest

import (
	"strings"
	"unicode/utf8"
)

// longest bounds the words that are compared, in bytes: nobody means a name by a page of text, and the comparison
// takes the product of both lengths.
const longest = 64

// Name returns the name in known that is nearest to word by edit distance, where swapping two neighbouring letters
// is one edit. Case, and which of '-', '_', ' ' and '.' parts the words of a name, make no difference. It returns
// false when every name is too far away to be meant: more than a third of the longer of the two would have to
// change. Of equally near names the first wins.
func Name(word string, known []string) (string, bool) {
	if word == "" || len(word) > longest {
		return "", false
	}
	plain := fold(word)
	best, bestDistance := "", -1
	for _, name := range known {
		if name == "" || len(name) > longest {
			continue
		}
		other := fold(name)
		distance := edits(plain, other)
		if distance > allowed(plain, other) {
			continue
		}
		if bestDistance < 0 || distance < bestDistance {
			best, bestDistance = name, distance
		}
	}
	return best, bestDistance >= 0
}

// allowed is how many edits may lie between a slip and what was meant. Names of one or two letters must be equal,
// since each is one edit from half of all others.
func allowed(a, b []rune) int {
	size := max(len(a), len(b))
	if size < 3 {
		return 0
	}
	return max(1, size/3)
}

// fold leaves of a name what people remember of it. Parting signs are dropped rather than unified, so that
// "resourceclass" finds "resource_class".
func fold(name string) []rune {
	letters := make([]rune, 0, utf8.RuneCountInString(name))
	for _, r := range strings.ToLower(name) {
		switch r {
		case '-', '_', ' ', '.':
		default:
			letters = append(letters, r)
		}
	}
	return letters
}

// edits counts the insertions, deletions, replacements and swaps of neighbours that turn a into b, each letter
// edited at most once (optimal string alignment).
func edits(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(replaced, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

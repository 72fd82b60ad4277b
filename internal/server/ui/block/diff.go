package block

import "strings"

// line is one of a text that changes: '+' for new, '-' for gone, ' ' for the same, '…' for several that are the same and
// are left out.
type line struct {
	Sign rune
	Text string
}

// mostCompared bounds the lines of each text that are compared; beyond it, all of one goes and all of the other comes.
const mostCompared = 1000

// compare tells how one text becomes another, line by line.
func compare(before, after string) []line {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	if len(a) > mostCompared || len(b) > mostCompared {
		return append(signed('-', a), signed('+', b)...)
	}
	// common[i][j] is how many lines a[i:] and b[j:] have in common, in their order.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var lines []line
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			lines = append(lines, line{' ', a[i]})
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			lines = append(lines, line{'-', a[i]})
			i++
		default:
			lines = append(lines, line{'+', b[j]})
			j++
		}
	}
	lines = append(lines, signed('-', a[i:])...)
	return folded(append(lines, signed('+', b[j:])...))
}

func signed(sign rune, texts []string) (lines []line) {
	for _, text := range texts {
		lines = append(lines, line{sign, text})
	}
	return lines
}

// around is how many lines that are the same stand beside one that changes.
const around = 3

// folded leaves out what is far from any change.
func folded(lines []line) (kept []line) {
	near := make([]bool, len(lines))
	for i, l := range lines {
		if l.Sign == ' ' {
			continue
		}
		for j := max(0, i-around); j <= min(len(lines)-1, i+around); j++ {
			near[j] = true
		}
	}
	for i, l := range lines {
		switch {
		case near[i]:
			kept = append(kept, l)
		case i == 0 || near[i-1]:
			kept = append(kept, line{'…', ""})
		}
	}
	return kept
}

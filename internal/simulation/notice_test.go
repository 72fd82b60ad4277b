//go:build !race

package simulation

import (
	"slices"
	"testing"
)

// mostTries is how many seeds may pass before a mutation is noticed.
const mostTries = 600

// The race detector finds nothing in a rule that is broken on purpose, and makes each seed ten times as dear.
func TestEachBrokenRuleIsNoticed(t *testing.T) {
	noticed := map[rule]bool{}
	for n, m := range mutations() {
		noticed[m.rule] = true
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			others, seed := map[rule]int{}, uint64(0)
			for noticed := false; !noticed && seed < mostTries; {
				inFolder(t, func(t *testing.T, f *folder) {
					for range seedsOfAFolder {
						if noticed = m.isNoticed(t, f, seed+1000*uint64(n), others); noticed {
							return
						}
						seed++
					}
				})
			}
			if seed < mostTries {
				t.Logf("noticed by %q at seed %d, after %v", m.rule, seed, others)
				return
			}
			t.Errorf("%d seeds do not notice it by %q, but %v", mostTries, m.rule, others)
		})
	}
	for _, r := range allRules() {
		if !noticed[r] {
			t.Errorf("no mutation shows that the simulation sees when this does not hold: %s", r)
		}
	}
}

// isNoticed tries one seed, and counts what else it breaks.
func (m mutation) isNoticed(t *testing.T, f *folder, seed uint64, others map[rule]int) bool {
	t.Helper()
	p := newPlan(seed)
	p.http = false
	if m.plan != nil {
		m.plan(&p)
	}
	found, _ := simulate(t, f, p, m)
	if slices.ContainsFunc(found, func(b broken) bool { return b.rule == m.rule }) {
		return true
	}
	for _, b := range found {
		others[b.rule]++
	}
	return false
}

package store

import "github.com/remuda-dev/remuda/internal/control"

// OlderVersion lets tests compare versions.
var OlderVersion = olderVersion

// MostLooked is how many events one reading back looks at.
const MostLooked = mostLooked

// Outage says whether output believes that its bucket is away, and forgets it.
func (s *Store) Outage() bool {
	away := s.outputs.outage.now() != nil
	s.outputs.outage.note(nil)
	return away
}

// ClaimTexts are the queries of a claim: which lanes are next, of the lane with an id the first tasks, and which lanes are
// the best of each kind.
func ClaimTexts(postgres bool, lane string, classes, capabilities []string, most int) (texts []string, args [][]any) {
	q := &query{shapes: shapes{}}
	if postgres {
		q.postgres = &postgresSession{}
	}
	first, asked := view{q}.lanesText(firstLanes, classes, capabilities, most)
	kinds, askedOfKinds := view{q}.lanesText(lanesOfKinds, classes, capabilities, most)
	return []string{first, q.headsText(postgres), kinds}, [][]any{asked, {lane, most}, askedOfKinds}
}

// RunnerAttemptsText is how the attempts of a runner are found.
func RunnerAttemptsText(runner string, live bool, p control.Span) (text string, args []any) {
	return (&query{}).runnerAttempts(runner, live, p)
}

// KeptSets are the tables that PostgreSQL keeps by triggers.
func KeptSets() []string { return keptSets() }

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

// ClaimTexts are the queries of a claim: which lanes are next, and, of the lane with an id, the first tasks.
func ClaimTexts(lane string, classes, capabilities []string, most int) (texts []string, args [][]any) {
	lanes, asked := view{&query{shapes: shapes{}}}.lanesText(classes, capabilities, most)
	return []string{lanes, headsOfLane}, [][]any{asked, {lane, most}}
}

// RunnerAttemptsText is how the attempts of a runner are found.
func RunnerAttemptsText(runner string, live bool, p control.Span) (text string, args []any) {
	return runnerAttempts(runner, live, p)
}

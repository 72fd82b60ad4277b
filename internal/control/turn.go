package control

import (
	"cmp"
	"math"
)

// LaneTurn is a main lane whose tasks could be claimed, with all that decides how many of them are, and when.
type LaneTurn struct {
	ID             string `db:"id"`
	ClassID        string `db:"class_id"`
	ProjectID      string `db:"project_id"`
	OrganizationID string `db:"organization_id"`
	Level          int    `db:"level"`
	TurnAt         Micros `db:"turn_at"`
	Turns          int    `db:"turns"`
	Weight         int    `db:"weight"`
	Running        int    `db:"running"` // of the project in the class
	Queued         int    `db:"queued"`
	Side           bool   `db:"side"` // tasks of a group wait behind it, of which some may come before its own

	ProjectLimit        int `db:"project_limit"`
	ProjectRunning      int `db:"project_running"`
	OrganizationLimit   int `db:"organization_limit"`
	OrganizationRunning int `db:"organization_running"`
	ClassLimit          int `db:"class_limit"`
	ClassRunning        int `db:"class_running"`
}

// Share is how many of the first tasks of a lane are claimed.
type Share struct {
	Lane  string
	Tasks int
}

// TakeTurns says what of some lanes, which are under every limit, is claimed at once: what would be if tasks were claimed
// one by one, as far as the lanes tell it, and at most so many.
func TakeTurns(lanes []LaneTurn, most int) []Share {
	var shares []Share
	places := map[string]int{} // of the lanes in shares
	round := newRound(lanes)
	for taken := 0; taken < most; taken++ {
		next := round.next()
		if next == nil || next.Side && taken > 0 {
			break // what comes now depends on ranks
		}
		place, known := places[next.ID]
		if !known {
			place = len(shares)
			places[next.ID] = place
			shares = append(shares, Share{Lane: next.ID})
		}
		shares[place].Tasks++
		if next.Side {
			break
		}
		round.take(next)
	}
	return shares
}

// round is how turns and limits stand while tasks are claimed.
type round struct {
	lanes    []*LaneTurn
	projects map[string][]*LaneTurn // lanes of a project in a class, which take turns as one
	room     map[string]int         // left under each limit that there is
}

func newRound(lanes []LaneTurn) *round {
	r := &round{projects: map[string][]*LaneTurn{}, room: map[string]int{}}
	for _, lane := range lanes {
		r.lanes = append(r.lanes, &lane)
		key := lane.ClassID + lane.ProjectID
		r.projects[key] = append(r.projects[key], &lane)
		r.limit(lane.ProjectID, lane.ProjectLimit, lane.ProjectRunning)
		r.limit(lane.OrganizationID, lane.OrganizationLimit, lane.OrganizationRunning)
		r.limit(lane.ClassID, lane.ClassLimit, lane.ClassRunning)
	}
	return r
}

func (r *round) limit(id string, limit, running int) {
	if limit > 0 {
		r.room[id] = limit - running
	}
}

func (l *LaneTurn) limited() [3]string { return [3]string{l.ProjectID, l.OrganizationID, l.ClassID} }

// next is the lane whose turn it is, nil when there is none.
func (r *round) next() *LaneTurn {
	var best *LaneTurn
	for _, lane := range r.lanes {
		if r.may(lane) && (best == nil || lane.before(best)) {
			best = lane
		}
	}
	return best
}

func (r *round) may(lane *LaneTurn) bool {
	for _, id := range lane.limited() {
		if room, is := r.room[id]; is && room <= 0 {
			return false
		}
	}
	return lane.Queued > 0 || lane.Side
}

func (l *LaneTurn) before(other *LaneTurn) bool {
	return cmp.Or(cmp.Compare(l.Level, other.Level), cmp.Compare(l.TurnAt, other.TurnAt), cmp.Compare(l.ID, other.ID)) < 0
}

// take counts a task of a lane as Tx.Count does.
func (r *round) take(lane *LaneTurn) {
	lane.Queued--
	for _, id := range lane.limited() {
		if _, is := r.room[id]; is {
			r.room[id]--
		}
	}
	for _, same := range r.projects[lane.ClassID+lane.ProjectID] {
		same.Running++
		same.Level = same.Running / same.Weight
		if same.Turns++; same.Turns >= same.Weight {
			same.Turns, same.TurnAt = 0, math.MaxInt64 // now, which is after all that were
		}
	}
}

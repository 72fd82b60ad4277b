package control_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda/internal/control"
)

// TestTurnsTakenAtOnceAreThoseTakenOneByOne draws lanes and limits, and compares.
func TestTurnsTakenAtOnceAreThoseTakenOneByOne(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 3))
		lanes := drawLanes(random)
		most := 1 + random.IntN(20)
		want := map[string]int{}
		state := append([]control.LaneTurn(nil), lanes...)
		for range most {
			shares := control.TakeTurns(state, 1)
			if len(shares) == 0 {
				break
			}
			want[shares[0].Lane]++
			state = afterOne(state, shares[0].Lane)
		}
		got := map[string]int{}
		for _, share := range control.TakeTurns(lanes, most) {
			got[share.Lane] += share.Tasks
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d (-one by one +at once):\n%s", seed, diff)
		}
	}
}

func drawLanes(random *rand.Rand) []control.LaneTurn {
	limits := map[string][2]int{}
	limit := func(id string) (int, int) {
		if _, drawn := limits[id]; !drawn {
			limits[id] = [2]int{random.IntN(2) * (5 + random.IntN(6)), random.IntN(5)}
		}
		return limits[id][0], limits[id][1]
	}
	var lanes []control.LaneTurn
	for i := range 1 + random.IntN(5) {
		project := fmt.Sprintf("project %d", i/2)
		lane := control.LaneTurn{
			ID: fmt.Sprintf("lane %d", i), ClassID: "class", ProjectID: project, OrganizationID: fmt.Sprintf("organization %d", i/4), Queued: random.IntN(8),
		}
		// Lanes of one project share all of this.
		if i%2 == 1 {
			same := lanes[i-1]
			lane.Weight, lane.Running, lane.Level, lane.Turns, lane.TurnAt = same.Weight, same.Running, same.Level, same.Turns, same.TurnAt
		} else {
			lane.Weight, lane.Running = 1+random.IntN(3), random.IntN(4)
			lane.Level, lane.Turns, lane.TurnAt = lane.Running/lane.Weight, random.IntN(lane.Weight), control.Micros(random.IntN(3))
		}
		lane.ProjectLimit, lane.ProjectRunning = limit(lane.ProjectID)
		lane.OrganizationLimit, lane.OrganizationRunning = limit(lane.OrganizationID)
		lane.ClassLimit, lane.ClassRunning = limit(lane.ClassID)
		lanes = append(lanes, lane)
	}
	return lanes
}

// afterOne is what a store holds when one task of a lane was claimed: the formulas are those of its statement.
func afterOne(lanes []control.LaneTurn, taken string) (after []control.LaneTurn) {
	var of control.LaneTurn
	for _, lane := range lanes {
		if lane.ID == taken {
			of = lane
		}
	}
	for _, lane := range lanes {
		if lane.ID == taken {
			lane.Queued--
		}
		if lane.ProjectID == of.ProjectID {
			lane.ProjectRunning++
			lane.Running++
			lane.Level = lane.Running / lane.Weight
			if lane.Turns+1 >= lane.Weight {
				lane.TurnAt = 100
			}
			lane.Turns = (lane.Turns + 1) % lane.Weight
		}
		if lane.OrganizationID == of.OrganizationID {
			lane.OrganizationRunning++
		}
		lane.ClassRunning++
		after = append(after, lane)
	}
	return after
}

package remuda

import "time"

// Activity is what came to an end in one step of time. Waits are those of the tasks that ended in it and that a runner
// had claimed: from when they were submitted until they were claimed last, rounded down to two digits.
type Activity struct {
	At      time.Time `json:"at" doc:"When the step begins"`
	Ended   int       `json:"ended" doc:"Tasks that ended in it, however they did"`
	Failed  int       `json:"failed" doc:"Of them, those that failed"`
	Claimed int       `json:"claimed" doc:"Of them, those that a runner had claimed"`
	WaitP50 Duration  `json:"wait_p50" doc:"How long half of the claimed ones waited at most, to two digits; 0s when there are none"`
	WaitP95 Duration  `json:"wait_p95" doc:"How long 95 % of the claimed ones waited at most, to two digits"`
}

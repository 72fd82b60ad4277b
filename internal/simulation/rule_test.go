package simulation

// rule is something that must hold whatever happens.
type rule string

const (
	oneClaim  rule = "a task has one live claim"
	oneEnd    rule = "a terminal state is never left"
	onlyOnce  rule = "an execution that allows no second begins once"
	kept      rule = "no acknowledged byte of output is lost or doubled"
	trimmed   rule = "past its limit, output keeps its head and its tail"
	emptied   rule = "no object outlives the output that it is of"
	fenced    rule = "a fenced attempt changes nothing"
	limited   rule = "limits are never exceeded"
	prompt    rule = "no task waits while a matching runner idles"
	quiet     rule = "nothing is assigned after a drain's acknowledgement"
	rested    rule = "nothing is assigned to a runner that is paused or told to drain"
	everEnds  rule = "every task ends once trouble is over"
	counted   rule = "the counters equal the truth"
	repeated  rule = "a finish repeated answers as the first"
	heard     rule = "no claim is lost whose runner gave signs"
	submitted rule = "what was acknowledged as submitted is there once"
	told      rule = "each move is told by one event"
	bounded   rule = "a task has no more attempts than it allows"
	obeyed    rule = "a task ends as its runner said"
	roomy     rule = "a runner holds no more claims than it has slots"
	tidy      rule = "nothing is left on a host"
	sound     rule = "nothing fails for a reason of its own"
)

func allRules() []rule {
	return []rule{oneClaim, oneEnd, onlyOnce, kept, trimmed, emptied, fenced, limited, prompt, quiet, rested, everEnds, counted, repeated,
		heard, submitted, told, bounded, obeyed, roomy, tidy, sound}
}

// broken is a rule that did not hold.
type broken struct {
	rule   rule
	detail string
}

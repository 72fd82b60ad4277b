package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/remuda-dev/remuda"
)

// showPlan prints what a run plans, as people read it.
func (p *program) showPlan(r remuda.BlockRun) {
	if r.Changes != nil && !*r.Changes {
		fmt.Fprintln(p.stdout, p.paint(p.stdout, good, "No changes: what is there is as it was ordered."))
		return
	}
	if r.Plan == nil {
		return
	}
	imports := ""
	if r.Plan.Import > 0 {
		imports = fmt.Sprintf("%d to import, ", r.Plan.Import)
	}
	fmt.Fprintf(p.stdout, "Plan: %s%d to add, %d to change, %d to destroy\n", imports, r.Plan.Add, r.Plan.Change, r.Plan.Destroy)
	for _, resource := range r.Plan.Resources {
		p.showChange(resource)
	}
	if len(r.Plan.Outputs) > 0 {
		fmt.Fprintf(p.stdout, "  outputs that change: %s\n", plain(strings.Join(r.Plan.Outputs, ", ")))
	}
	if r.Plan.Cut {
		fmt.Fprintln(p.stdout, "  … and more")
	}
}

// mostMembers is how many members of one resource are shown.
const mostMembers = 20

func (p *program) showChange(r remuda.ResourceChange) {
	sign, c := changeSign(r.Actions)
	line := fmt.Sprintf("%s %s", sign, plain(r.Address))
	if r.Drift {
		line += " (changed outside)"
	}
	fmt.Fprintf(p.stdout, "  %s\n", p.paint(p.stdout, c, line))
	keys := slices.Collect(maps.Keys(r.Before))
	for key := range r.After {
		if _, both := r.Before[key]; !both {
			keys = append(keys, key)
		}
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return isNothing(r.Before[key]) && string(r.After[key]) == "null" })
	slices.Sort(keys)
	for i, key := range keys {
		if i == mostMembers {
			fmt.Fprintf(p.stdout, "      … and %d more\n", len(keys)-i)
			break
		}
		fmt.Fprintf(p.stdout, "      %s = %s\n", plain(key), memberChange(r.Before[key], r.After[key]))
	}
}

// changeSign stands for what becomes of a resource.
func changeSign(actions []string) (string, colour) {
	switch strings.Join(actions, " ") {
	case "create":
		return "+", good
	case "delete":
		return "-", bad
	case "update":
		return "~", odd
	case "delete create":
		return "-/+", odd
	case "create delete":
		return "+/-", odd
	case "read":
		return "<=", busy
	}
	return "·", odd
}

// memberChange is a member before and after.
func memberChange(before, after json.RawMessage) string {
	then := "(known after apply)"
	if after != nil {
		then = memberText(after)
	}
	switch {
	case isNothing(before):
		return then
	case string(after) == "null":
		return memberText(before) + " → (nothing)"
	}
	return memberText(before) + " → " + then
}

func isNothing(value json.RawMessage) bool { return value == nil || string(value) == "null" }

// longestMember is how much of a value is shown.
const longestMember = 200

func memberText(value json.RawMessage) string {
	text := []rune(plain(string(value)))
	if len(text) > longestMember {
		return string(text[:longestMember]) + "…"
	}
	return string(text)
}

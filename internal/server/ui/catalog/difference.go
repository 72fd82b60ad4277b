package catalog

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/remuda-dev/remuda"
)

// difference is what is different of one input between two versions.
type difference struct {
	Key  string
	What string   // "new", "gone" or "changed"
	Says []string // what changed
}

// differences compares the inputs of two versions.
func differences(before, after map[string]remuda.Input) []difference {
	var all []difference
	for _, key := range inputOrder(after) {
		old, was := before[key]
		if !was {
			all = append(all, difference{Key: key, What: "new", Says: []string{string(after[key].Type) + ", " + assigned(after[key].Assignment)}})
			continue
		}
		if says := changesOf(old, after[key]); len(says) > 0 {
			all = append(all, difference{Key: key, What: "changed", Says: says})
		}
	}
	for _, key := range inputOrder(before) {
		if _, is := after[key]; !is {
			all = append(all, difference{Key: key, What: "gone"})
		}
	}
	return all
}

func changesOf(a, b remuda.Input) (says []string) {
	say := func(what, before, after string) {
		if before != after {
			says = append(says, what+": "+cmp.Or(before, "none")+" → "+cmp.Or(after, "none"))
		}
	}
	say("type", string(a.Type), string(b.Type))
	say("given by", assigned(a.Assignment), assigned(b.Assignment))
	say("needed", mandatory(a), mandatory(b))
	say("default", presetOf(a.Default, a), presetOf(b.Default, b))
	say("value", presetOf(a.Argument, a), presetOf(b.Argument, b))
	say("choices", strings.Join(a.Choices, ", "), strings.Join(b.Choices, ", "))
	say("pattern", a.Pattern, b.Pattern)
	say("secret", yes(a.Sensitive), yes(b.Sensitive))
	say("locked", yes(a.Locked), yes(b.Locked))
	say("environment variable", yes(a.Environment), yes(b.Environment))
	return says
}

func mandatory(in remuda.Input) string { return yes(!in.Optional) }

func presetOf(v *remuda.Value, in remuda.Input) string {
	if v == nil {
		return ""
	}
	if v.Hash != "" {
		return "a secret value (" + v.Hash[:min(8, len(v.Hash))] + ")" // so that one sees that it is another one
	}
	return shown(*v, in)
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

// assigned says where a value comes from, in words.
func assigned(a remuda.Assignment) string {
	switch a {
	case remuda.AssignUser:
		return "who orders"
	case remuda.AssignOperator:
		return "the definition's owner"
	case remuda.AssignStatic:
		return "the version itself"
	case remuda.AssignOutput:
		return "a parent's output"
	case remuda.AssignWorkspace:
		return "the organization's name"
	case remuda.AssignProject:
		return "the project's name"
	case remuda.AssignPlatform:
		return "the platform"
	case remuda.AssignPlatformTenant:
		return "the platform's name for the tenant"
	case remuda.AssignTenant:
		return "the tenant's id"
	case remuda.AssignTenantBlock:
		return "the block's id"
	case remuda.AssignAuthor:
		return "who had the run queued"
	default:
		return strings.ReplaceAll(string(a), "_", " ")
	}
}

func sortedKeys[V any](of map[string]V) []string { return slices.Sorted(maps.Keys(of)) }

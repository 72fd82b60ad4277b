package catalog

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/remuda-dev/remuda"
)

// fact is one thing that a page says of a version.
type fact struct{ Name, Text string }

// known keeps the facts that say something.
func known(all ...fact) []fact {
	return slices.DeleteFunc(all, func(f fact) bool { return f.Text == "" })
}

// only is a text where it holds.
func only(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

// blueprintText says how a version is carried out.
func blueprintText(b remuda.Blueprint) []fact {
	switch {
	case b.OpenTofu != nil:
		o := b.OpenTofu
		return known(
			fact{"OpenTofu", o.Version}, fact{"Repository", o.Repository}, fact{"Folder", o.Path}, fact{"Ref", o.Ref},
			fact{"Module", only(len(o.Files) > 0, many(len(o.Files), "file")+" in the version itself")},
			fact{"State", only(o.OwnBackend, "in the module's own backend")},
			fact{"SSH key", only(o.SSHKey != nil, "a secret value")},
			fact{"Credentials for", hosts(o.Credentials)},
			fact{"Before it", only(o.PreRunScript != "", "a script of its own")},
			fact{"Its end", only(o.Async, "is reported by something else")},
		)
	case b.GitHub != nil:
		g := b.GitHub
		return known(
			fact{"Repository", g.Repository}, fact{"Branch", g.Branch}, fact{"Workflow that applies", g.ApplyWorkflow},
			fact{"Workflow that destroys", g.DestroyWorkflow}, fact{"Integration", g.Integration},
			fact{"Its end", only(g.Async, "is reported by the workflow")}, fact{"The run", only(g.OmitRun, "is not an input of the workflow")},
		)
	case b.GitLab != nil:
		g := b.GitLab
		return known(fact{"Project", g.Project}, fact{"Ref", g.Ref}, fact{"Integration", g.Integration})
	case b.AzureDevOps != nil:
		a := b.AzureDevOps
		return known(
			fact{"Project", a.Project}, fact{"Pipeline", a.Pipeline}, fact{"Ref", a.Ref}, fact{"Integration", a.Integration},
			fact{"Its end", only(a.Async, "is reported by the pipeline")},
		)
	}
	return nil
}

func hosts(credentials []remuda.GitCredential) string {
	names := make([]string, len(credentials))
	for i, c := range credentials {
		names[i] = c.Host
	}
	return strings.Join(names, ", ")
}

// behaviorText says what becomes of blocks of a version.
func behaviorText(v remuda.Version) []fact {
	deleting := "destroys what it made"
	if v.Deletion == remuda.DeletionPurge {
		deleting = "only forgets it"
	}
	return known(
		fact{"Deleting a block", deleting},
		fact{"Changes", only(v.Approval, "wait until somebody approves the plan")},
		fact{"Looks for drift", only(v.DriftEvery > 0, "every "+v.DriftEvery.String())},
		fact{"A run may take", only(v.Timeout > 0, v.Timeout.String())},
		fact{"A target has", only(v.OncePerTenant, "at most one block of it")},
		fact{"A run's token may", strings.Join(v.Permissions, ", ")},
	)
}

// inputNotes say what else there is to know of an input.
func inputNotes(in remuda.Input) (notes []string) {
	say := func(is bool, text string) {
		if is {
			notes = append(notes, text)
		}
	}
	say(len(in.Choices) > 0, "Choices: "+strings.Join(in.Choices, ", "))
	say(in.Pattern != "", "Pattern: "+in.Pattern)
	say(in.PatternError != "", "When it does not match: "+in.PatternError)
	say(in.Sensitive, "Secret")
	say(in.Locked, "Not changed by those who ordered")
	say(in.Environment, "An environment variable of the run")
	return notes
}

// valueText is what an input is without anybody giving it.
func valueText(in remuda.Input) string {
	switch {
	case in.Argument != nil:
		return shown(*in.Argument, in)
	case in.Default != nil:
		return shown(*in.Default, in) + ", by default"
	}
	return ""
}

func typeText(t remuda.ValueType) string { return strings.ReplaceAll(string(t), "_", " ") }

func outputOrder(outputs map[string]remuda.Output) []string {
	return slices.SortedFunc(slices.Values(sortedKeys(outputs)), func(a, b string) int {
		if outputs[a].Order != outputs[b].Order {
			return outputs[a].Order - outputs[b].Order
		}
		return strings.Compare(a, b)
	})
}

// accessText says who may order a definition.
func accessText(d remuda.Definition) string {
	switch {
	case d.Released == 0:
		return "its owner alone, until a version is released"
	case d.Access == remuda.AccessAll:
		return "every organization"
	case d.Access == remuda.AccessSome && len(d.Organizations) == 0:
		return "some organizations, yours among them"
	case d.Access == remuda.AccessSome:
		return "its owner and " + strings.Join(d.Organizations, ", ")
	default:
		return "its owner alone"
	}
}

// webAddress is an address that may be followed: nothing that somebody wrote runs a script.
func webAddress(text string) string {
	if u, err := url.Parse(text); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
		return text
	}
	return ""
}

// atLine names a line of a text.
func atLine(line int) string { return "line " + strconv.Itoa(line) }

package blocks

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/nearest"
)

// notPermitted is what a client is told, to the letter, that changes what is not its to change.
const notPermitted = "you don't have sufficient permissions"

// giver takes the inputs that a request gives to a block, and finds all that is wrong with them.
type giver struct {
	r         *Rules
	s         *scene
	operator  bool // the caller is of those who own the definition
	fresh     bool // the block is ordered just now
	wrong     problems
	forbidden problems
	changed   bool
}

// give takes values by key.
func (g *giver) give(values map[string]remuda.Value) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		g.one(key, values[key])
	}
}

func (g *giver) one(key string, v remuda.Value) {
	place := "body.inputs." + key
	in, known := g.s.version.Inputs[key]
	if !known {
		problem := fmt.Sprintf("version %d has no input %s", g.s.versionRow.Number, key)
		if meant, ok := nearest.Name(key, slices.Sorted(maps.Keys(g.s.version.Inputs))); ok {
			problem += "; did you mean " + meant + "?"
		}
		g.wrong.add(place, problem)
		return
	}
	if in.Assignment != remuda.AssignUser && in.Assignment != remuda.AssignOperator {
		g.wrong.add(place, key+" is not defined as a customer or platform-operator input")
		return
	}
	if none(v) {
		g.take(place, key, in)
		return
	}
	if in.Sensitive {
		g.secret(place, key, in, v)
		return
	}
	if v.Secret != nil || v.Hash != "" {
		g.wrong.add(place, "this input is not sensitive; give its value as value")
		return
	}
	value, problem := canonical(in, v.Value)
	if problem != "" {
		g.wrong.add(place, problem)
		return
	}
	if old, is := g.s.given[key]; is && string(old.Value) == string(value) {
		return
	}
	if g.allowed(place, key, in) {
		g.changed = true
		g.s.given[key] = remuda.Value{Value: value}
		delete(g.s.secrets, inputSecret(key))
	}
}

// take takes a value away; one that was never there is no matter.
func (g *giver) take(place, key string, in remuda.Input) {
	if none(g.s.given[key]) {
		return
	}
	if !in.Optional {
		if in.Default != nil {
			return // it has one as long as the version gives one
		}
		g.wrong.add(place, "this input is needed; give it a value")
		return
	}
	if g.allowed(place, key, in) {
		g.changed = true
		delete(g.s.given, key)
		delete(g.s.secrets, inputSecret(key))
	}
}

func (g *giver) secret(place, key string, in remuda.Input, v remuda.Value) {
	name := inputSecret(key)
	taken := map[string]string{}
	kept, problem := g.r.keep(g.s.block.ID, name, v, g.s.secrets, taken)
	if problem == "" {
		taken[name], problem = canonicalSecret(in, taken[name])
	}
	if problem != "" {
		g.wrong.add(place, problem)
		return
	}
	kept = remuda.Value{Hash: g.r.hash(g.s.block.ID, taken[name])}
	if g.s.given[key].Hash == kept.Hash || !g.allowed(place, key, in) {
		return
	}
	g.changed = true
	g.s.given[key], g.s.secrets[name] = kept, taken[name]
}

// allowed says whether the caller may give this input its value.
func (g *giver) allowed(place, key string, in remuda.Input) bool {
	switch {
	case g.operator:
		return true
	case in.Assignment == remuda.AssignOperator:
		g.forbidden.add(place, notPermitted+": input "+key+" is given by the definition's owner")
		return false
	case in.Locked && !g.fresh && !none(g.s.given[key]):
		g.forbidden.add(place, notPermitted+": input "+key+" is not changed by those who ordered the block")
		return false
	}
	return true
}

// presets fills in the defaults of inputs that have no value, and forgets values of inputs that the version has not.
func (g *giver) presets() {
	for key, in := range g.s.version.Inputs {
		if in.Default == nil || !none(g.s.given[key]) {
			continue
		}
		g.changed = true
		g.s.given[key] = *in.Default
		if text, is := g.s.presets[defaultSecret(key)]; is {
			g.s.given[key] = remuda.Value{Hash: g.r.hash(g.s.block.ID, text)}
			g.s.secrets[inputSecret(key)] = text
		}
	}
	for key := range g.s.given {
		if in, is := g.s.version.Inputs[key]; !is || in.Assignment != remuda.AssignUser && in.Assignment != remuda.AssignOperator {
			delete(g.s.given, key)
			delete(g.s.secrets, inputSecret(key))
		}
	}
}

// fit holds the values that a block has to another version, in which an input may be another.
func (g *giver) fit(given map[string]remuda.Value) {
	for _, key := range slices.Sorted(maps.Keys(g.s.given)) {
		in, is := g.s.version.Inputs[key]
		if _, anew := given[key]; !is || anew {
			continue
		}
		name, held := inputSecret(key), g.s.given[key]
		text, secret := g.s.secrets[name]
		raw := held.Value
		if secret {
			raw = asJSON(in.Type, text)
		}
		value, problem := canonical(in, raw)
		if problem != "" {
			g.wrong.add("body.inputs."+key, fmt.Sprintf("the value that the block has does not fit version %d: %s", g.s.versionRow.Number, problem))
			continue
		}
		g.hold(key, in.Sensitive, value)
	}
}

// hold keeps a value as sensitive as its input is.
func (g *giver) hold(key string, sensitive bool, value json.RawMessage) {
	name := inputSecret(key)
	if _, secret := g.s.secrets[name]; sensitive || secret { // what was given as a secret is not shown by another version
		g.s.secrets[name] = plainText(value)
		g.s.given[key] = remuda.Value{Hash: g.r.hash(g.s.block.ID, g.s.secrets[name])}
		return
	}
	g.s.given[key] = remuda.Value{Value: value}
}

// err is all that is wrong, in one answer.
func (g *giver) err(what string) error {
	if len(g.forbidden) > 0 {
		all := append(slices.Clone(g.forbidden), g.wrong...)
		return &remuda.Error{Kind: remuda.Forbidden, Detail: g.forbidden[0].Message, Fields: all}
	}
	return g.wrong.err(what)
}

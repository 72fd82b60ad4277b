package architecture

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// imports has what each package imports. Packages of this module are named as the go command takes them, "./runner" and
// "." for the root, so that they cannot be taken for the standard library's; all others by their import path.
type imports map[string][]string

// violations are the sentences that say what is wrong with a house, in a fixed order; none means that it stands.
// tree has what the code of each room of the module imports, tests what its tests import besides.
func violations(tree, tests imports) []string {
	var found []string
	for _, from := range slices.Sorted(maps.Keys(tree)) {
		found = append(found, roomViolations(from)...)
		for _, to := range tree[from] {
			if reason := arrowViolation(from, to); reason != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", from, to, reason))
			}
			if reason := libraryViolation(from, to); reason != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", from, to, reason))
			}
		}
	}
	// A test may put real things together, whatever their layers: that is what it is for. But nothing, and no test
	// either, reaches into a main package.
	for _, from := range slices.Sorted(maps.Keys(tests)) {
		if _, alsoCode := tree[from]; !alsoCode {
			found = append(found, roomViolations(from)...)
		}
		for _, to := range tests[from] {
			if isMain(to) && to != from {
				found = append(found, fmt.Sprintf("tests of %s import %s: nothing imports a main package", from, to))
			}
		}
	}
	return found
}

// roomViolations asks for the purpose of a package.
func roomViolations(name string) []string {
	var found []string
	known, ok := rooms[inTable(name)]
	switch {
	case !ok:
		found = append(found, fmt.Sprintf("%s is in no room: say its layer and its purpose in rooms_test.go", name))
	case known.purpose == "":
		found = append(found, fmt.Sprintf("%s has no purpose: say it in rooms_test.go", name))
	}
	if slices.Contains(nameless, path.Base(name)) {
		found = append(found, fmt.Sprintf("%s: the name does not say what lies inside", name))
	}
	return found
}

// arrowViolation says why from may not import to, or nothing.
func arrowViolation(from, to string) string {
	source, known := rooms[inTable(from)]
	if !known {
		return "" // Said once, by roomViolations.
	}
	if !ours(to) {
		return outsideViolation(source.layer, to)
	}
	target, known := rooms[inTable(to)]
	if !known {
		return ""
	}
	switch {
	case isMain(to):
		return "nothing imports a main package"
	case !slices.Contains(mayImport[source.layer], target.layer):
		return fmt.Sprintf("%s may not import %s", source.layer, target.layer)
	case source.layer == rules && target.layer == rules && !slices.Contains(allowedRules[inTable(from)], inTable(to)):
		return "among the rules only blocks and pipeline import another, and that is control"
	case source.layer == adapter && target.layer == adapter && !within(from, to) && !within(to, from) && !framed(from, to):
		return "adapters never import each other"
	}
	return ""
}

// framed says whether a part of the pages imports what all parts are put together from.
func framed(from, to string) bool {
	return within(from, "./internal/server/ui") && (to == "./internal/server/ui/page" || to == "./internal/server/ui/output")
}

// outsideViolation holds what a layer may import from outside of this module.
func outsideViolation(source layer, to string) string {
	switch source {
	case words, watchman:
		if !standard(to) {
			return fmt.Sprintf("%s import the standard library only", source)
		}
	case rules:
		if slices.ContainsFunc(unheard, func(library string) bool { return within(to, library) }) {
			return "a rule holds whoever asks"
		}
	}
	return ""
}

// libraryViolation says why a library may not be imported from here, or nothing.
func libraryViolation(from, to string) string {
	if to == "C" {
		return "there is no cgo here, so that everything compiles everywhere"
	}
	for _, rule := range onlyRules {
		if !within(to, rule.library) {
			continue
		}
		if !slices.ContainsFunc(rule.rooms, func(room string) bool { return within(inTable(from), room) }) {
			return fmt.Sprintf("only %s may, since %s", strings.Join(rule.rooms, ", "), rule.reason)
		}
	}
	return ""
}

// heavyViolations follows the imports of the light rooms to the end of the world. all has every package that can be
// reached from them, those of other modules included.
func heavyViolations(all imports) []string {
	var found []string
	for _, from := range light {
		start := "./" + from
		cameFrom := map[string]string{start: ""}
		for queue := []string{start}; len(queue) > 0; queue = queue[1:] {
			at := queue[0]
			if slices.ContainsFunc(heavy, func(library string) bool { return within(at, library) }) {
				found = append(found, fmt.Sprintf("%s carries a heavy library: %s", start, road(cameFrom, at)))
				break // The shortest road is enough to act on.
			}
			for _, next := range all[at] {
				if _, seen := cameFrom[next]; !seen {
					cameFrom[next] = at
					queue = append(queue, next)
				}
			}
		}
	}
	return found
}

// road tells how the search got to a package.
func road(cameFrom map[string]string, to string) string {
	steps := []string{to}
	for at := cameFrom[to]; at != ""; at = cameFrom[at] {
		steps = append(steps, at)
	}
	slices.Reverse(steps)
	return strings.Join(steps, " → ")
}

// inTable is how the tables call a package: by its path below the module, which is empty for the root.
func inTable(name string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, "."), "/")
}

// ours tells packages of this module from those of others.
func ours(name string) bool { return strings.HasPrefix(name, ".") }

// standard is true for packages of the standard library: no dot in their first element.
func standard(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return !strings.Contains(first, ".")
}

// isMain tells main packages from wiring that they share, which lies below internal.
func isMain(name string) bool {
	return rooms[inTable(name)].layer == wiring && !within(name, "./internal")
}

// within is true for a path and everything below it; major versions such as x/v2 lie below x.
func within(name, parent string) bool {
	return name == parent || strings.HasPrefix(name, parent+"/")
}

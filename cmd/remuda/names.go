package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/nearest"
)

// candidate is what a word may name.
type candidate struct{ id, name, about string }

// search finds candidates that have a text in their name; all of them, up to some hundred, for an empty one.
type search func(ctx context.Context, text string) ([]candidate, error)

// resolve gives the id of what a person calls by its id, its name, or the beginning of either that nothing else has.
func resolve(ctx context.Context, noun, word string, find search) (string, error) {
	if isID(word) {
		return word, nil
	}
	if word == "" {
		return "", wrong("which %s? Say its name or id", noun)
	}
	found, err := find(ctx, word)
	if err != nil {
		return "", err
	}
	if id, err := choose(noun, word, found); id != "" || err != nil {
		return id, err
	}
	all, err := find(ctx, "")
	if err != nil {
		return "", err
	}
	if id, err := choose(noun, word, all); id != "" || err != nil {
		return id, err
	}
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = one.name
	}
	if meant, ok := nearest.Name(word, names); ok {
		return "", remuda.Fail(remuda.NotFound, fmt.Sprintf("no %s is called %q; did you mean %q?", noun, word, meant))
	}
	return "", remuda.Fail(remuda.NotFound, fmt.Sprintf("no %s is called %q; 'remuda %s list' names those that you may see", noun, word, noun))
}

// isID tells an id from a name.
func isID(word string) bool {
	return len(word) == 36 && strings.Count(word, "-") == 4 && strings.Trim(strings.ToLower(word), "0123456789abcdef-") == ""
}

// choose gives the one that a word names, or nothing when it names none.
func choose(noun, word string, among []candidate) (string, error) {
	folded := strings.ToLower(word)
	for _, fits := range []func(candidate) bool{
		func(c candidate) bool { return c.name == word },
		func(c candidate) bool { return strings.HasPrefix(strings.ToLower(c.name), folded) },
		func(c candidate) bool { return strings.HasPrefix(c.id, folded) },
	} {
		var chosen []candidate
		for _, one := range among {
			if fits(one) {
				chosen = append(chosen, one)
			}
		}
		switch {
		case len(chosen) == 1:
			return chosen[0].id, nil
		case len(chosen) > 1:
			return "", ambiguous(noun, word, chosen)
		}
	}
	return "", nil
}

// mostNamed is how many are named where a word names several.
const mostNamed = 5

func ambiguous(noun, word string, chosen []candidate) error {
	var lines []string
	for i, one := range chosen {
		if i == mostNamed {
			lines = append(lines, fmt.Sprintf("and %d more", len(chosen)-i))
			break
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s  %s  %s", one.id, plain(one.name), plain(one.about))))
	}
	return wrong("%d %ss may be meant by %q; say the id of one:\n  %s", len(chosen), noun, word, strings.Join(lines, "\n  "))
}

// mostSearched is how many are looked at for a name: one page.
const mostSearched = 500

func definitionsOf(u *client.User) search {
	return func(ctx context.Context, text string) ([]candidate, error) {
		page, err := u.Definitions(ctx, client.DefinitionFilter{Search: text}, client.PageQuery{Limit: mostSearched})
		return candidates(page, err, func(d remuda.Definition) candidate { return candidate{d.ID, d.Name, "of " + d.Organization} })
	}
}

func blocksOf(u *client.User) search {
	return func(ctx context.Context, text string) ([]candidate, error) {
		page, err := u.Blocks(ctx, client.BlockFilter{Search: text}, client.PageQuery{Limit: mostSearched})
		return candidates(page, err, func(b remuda.Block) candidate {
			return candidate{b.ID, b.Name, b.DefinitionName + " of " + b.Organization}
		})
	}
}

func integrationsOf(u *client.User) search {
	return func(ctx context.Context, _ string) ([]candidate, error) {
		page, err := u.Integrations(ctx, "", client.PageQuery{Limit: mostSearched})
		return candidates(page, err, func(i remuda.Integration) candidate { return candidate{i.ID, i.Name, i.Type} })
	}
}

func candidates[T any](page remuda.Page[T], err error, of func(T) candidate) ([]candidate, error) {
	found := make([]candidate, len(page.Items))
	for i, item := range page.Items {
		found[i] = of(item)
	}
	return found, err
}

// namesOf completes by what a search finds.
func namesOf(of func(*client.User) search) names {
	return func(ctx context.Context, u *client.User) ([]completion, error) {
		found, err := of(u)(ctx, "")
		var all []completion
		for _, one := range found {
			all = append(all, completed(one.name, one.about))
		}
		return all, err
	}
}

package yaml_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda/internal/yaml"
)

const knownKeys = "name, resource_class, timeout, parallelism, priority, share, retry, secrets, environment, labels, " +
	"steps, inputs, extra, source, plain, shell"

func TestEveryMistakeIsNamedWithItsPlaceAndWhatToDo(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a key with a slip", "name: x\nstepz: []",
			`job.yml:2:1: unknown key "stepz"; did you mean "steps"?`},
		{"a key with a slip further down", "steps:\n  - run:\n      comand: make",
			`job.yml:3:7: steps[0].run: unknown key "comand"; did you mean "command"?`},
		{"a key with another sign", "Resource-Class: x",
			`job.yml:1:1: unknown key "Resource-Class"; did you mean "resource_class"?`},
		{"a key like no other", "kubernetes: x",
			`job.yml:1:1: unknown key "kubernetes"; the known keys are ` + knownKeys},
		{"a field that has no key", "hidden: x",
			`job.yml:1:1: unknown key "hidden"; the known keys are ` + knownKeys},
		{"a key twice", "name: a\ntimeout: 1m\nname: b",
			`job.yml:3:1: the key "name" is written twice, first on line 1; remove one of them`},
		{"a key twice where anything goes", "extra:\n  - {a: 1, a: 2}",
			`job.yml:2:12: extra[0]: the key "a" is written twice, first on line 2; remove one of them`},
		{"a key that is a list", "? [a]\n: b",
			`job.yml:1:3: a key is text; put it in quotes`},
		{"a key that is nothing", "~: b",
			`job.yml:1:1: a key is text; put it in quotes`},
		{"a bad duration", "name: x\n\ntimeout: ten",
			`job.yml:3:10: timeout: expected a duration such as 10m, got "ten"`},
		{"a duration that is a list", "timeout: [1m]",
			`job.yml:1:10: timeout: expected a single value, got a list`},
		{"a duration that is left out", "timeout:\nname: x",
			`job.yml:1:9: timeout: expected a value, got nothing`},
		{"a number for text", "name: 5",
			`job.yml:1:7: name: expected text, got 5; put it in quotes: "5"`},
		{"a boolean for text", "name: true",
			`job.yml:1:7: name: expected text, got true; put it in quotes: "true"`},
		{"nothing for text", "name:",
			`job.yml:1:6: name: expected text, got nothing; write "" for an empty one`},
		{"a list for text", "name: [x]",
			`job.yml:1:7: name: expected text, got a list`},
		{"a word for a boolean", "retry: yes",
			`job.yml:1:8: retry: expected true or false, got "yes"`},
		{"text for a whole number", "parallelism: four",
			`job.yml:1:14: parallelism: expected a whole number, got "four"`},
		{"a fraction for a whole number", "parallelism: 1.5",
			`job.yml:1:14: parallelism: expected a whole number, got 1.5`},
		{"too large a number", "parallelism: 300",
			`job.yml:1:14: parallelism: expected a whole number from 0 to 255, got 300`},
		{"too small a number", "parallelism: -1",
			`job.yml:1:14: parallelism: expected a whole number from 0 to 255, got -1`},
		{"far too large a number", "priority: 99999999999999999999",
			`job.yml:1:11: priority: expected a whole number, got 99999999999999999999`},
		{"text for a number", "share: half",
			`job.yml:1:8: share: expected a number, got "half"`},
		{"text in a map of numbers", "labels:\n  a: x",
			`job.yml:2:6: labels.a: expected a whole number, got "x"`},
		{"text for a list", "secrets: TOKEN",
			`job.yml:1:10: secrets: expected a list such as - TOKEN, got "TOKEN"`},
		{"a mapping for a list", "secrets:\n  TOKEN: x",
			`job.yml:2:3: secrets: expected a list, got a mapping`},
		{"a number in a list of text", "secrets: [A, 5]",
			`job.yml:1:14: secrets[1]: expected text, got 5; put it in quotes: "5"`},
		{"a list for a mapping", "environment:\n  - A=1",
			`job.yml:2:3: environment: expected a mapping such as key: value, got a list`},
		{"a list in the environment", "environment:\n  A: [1]",
			`job.yml:2:6: environment.A: expected text, got a list`},
		{"text for a struct", "source: here",
			`job.yml:1:9: source: expected a mapping such as key: value, got "here"`},
		{"text for the document", "hello",
			`job.yml:1:1: expected a mapping such as key: value, got "hello"`},
		{"a word that is no step", "steps: [checkuot]",
			`job.yml:1:9: steps[0]: expected checkout or a mapping with run, got "checkuot"`},
		{"several problems of one value", "steps:\n  - run: {}",
			"job.yml:2:5: steps[0]: run needs a command\njob.yml:2:5: steps[0]: as said"},
		{"no number of JSON", "inputs: {a: .nan}",
			`job.yml:1:13: inputs.a: expected a finite number, got .nan`},
		{"a long value", "retry: " + strings.Repeat("ö", 50),
			`job.yml:1:8: retry: expected true or false, got "` + strings.Repeat("ö", 40) + `…"`},
		{"keys that are hard to read", "extra: {'a.b': {'': [!x 1]}}",
			`job.yml:1:22: extra."a.b".""[0]: the tag "!x" means nothing here; remove it`},
		{"a tag", "name: !!binary aGk=",
			`job.yml:1:7: name: the tag "!!binary" means nothing here; remove it`},
		{"a wrong tag", "name: !!int x",
			`job.yml:1:7: name: expected text, got x; put it in quotes: "x"`},

		{"a second document", "name: x\n---\nname: y",
			"job.yml:2:1: a second document begins here; write one document, without a line ---"},
		{"a tab", "name:\n\tx",
			"job.yml:2:1: cannot be read as YAML: found character that cannot start any token; indent with spaces, never with tabs, and put a text that begins with such a sign in quotes"},
		{"a colon in text", "name: a: b",
			`job.yml:1:8: cannot be read as YAML: mapping values are not allowed in this context; put a text that contains ": " in quotes, and indent with care`},
		{"an open quote", "name: \"a",
			"job.yml:1:9: cannot be read as YAML: found unexpected end of stream; close the quotes"},
		{"an open bracket", "secrets: [a, b",
			"job.yml:2:1: cannot be read as YAML: did not find expected ',' or ']'; close the bracket or the brace, and part the elements with commas"},
		{"a wrong indentation", "steps:\n    - checkout\n  - checkout",
			"job.yml:3:3: cannot be read as YAML: did not find expected key; the keys of one mapping begin in one column"},
		{"an unknown anchor", "name: *x",
			"job.yml:1:7: cannot be read as YAML: unknown anchor 'x' referenced; write &name before the value that *name stands for"},
		{"an anchor that would fill the screen", "name: *" + strings.Repeat("x", 2000),
			"job.yml:1:7: cannot be read as YAML: unknown anchor '" + strings.Repeat("x", 284) + "…; write &name before the value that *name stands for"},
		{"no UTF-8", "name: x\nplain: a\xffb",
			"job.yml:2:9: this is not UTF-8; save the file as UTF-8 text"},
		{"a control character", "name: \x1b[1m",
			"job.yml:1:7: a file of text has no control character U+001B; remove it, or write it as an escape in double quotes"},
		{"UTF-16", "\xff\xfen\x00",
			"job.yml:1:1: this is not UTF-8; save the file as UTF-8 text"},

		{"a merge of text", "environment:\n  <<: x",
			`job.yml:2:7: environment.<<: expected a mapping to merge, such as *name, got "x"`},
		{"a cycle", "extra: &a [*a]",
			"job.yml:1:12: extra[0]: *a stands inside of what it stands for; remove it"},
		{"a mistake in what is merged", "extra: &a {comand: x}\nsource:\n  <<: *a",
			`job.yml:1:12: source: unknown key "comand"; the known keys are shell`},
		{"too deep brackets", "extra: " + strings.Repeat("[", 200),
			"job.yml:1:108: cannot be read as YAML: nested deeper than 100 levels; write a flatter file"},
		{"too deep lists", strings.Repeat("- ", 200),
			"job.yml:1:201: cannot be read as YAML: nested deeper than 100 levels; write a flatter file"},
		{"too large a file", "name: " + strings.Repeat("x", yaml.Largest),
			fmt.Sprintf("job.yml:1:1: the file is too large: it has %d bytes, at most %d are read", yaml.Largest+6, yaml.Largest)},
	} {
		var into job
		err := yaml.Decode("job.yml", []byte(c.text), &into)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.name, err, c.want)
		}
	}
}

func TestAliasesCannotBlowAFileUp(t *testing.T) {
	var bomb, chain strings.Builder
	bomb.WriteString("a0: &a0 lol\n")
	chain.WriteString("a0: &a0 x\n")
	for i := 1; i <= 30; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	for i := 1; i <= 150; i++ {
		fmt.Fprintf(&chain, "a%d: &a%d [*a%d]\n", i, i, i-1)
	}
	merge := "a: &a {" + strings.Repeat("k", 1000) + ": x}\nb:\n  <<: [" + strings.Repeat("*a,", 10_000) + "]\n"
	long := "a: &a \"" + strings.Repeat("x", 500_000) + "\"\nb: [*a, *a, *a]\n"
	for name, text := range map[string]string{"bomb": bomb.String(), "merge": merge, "text": long} {
		var into any
		if err := yaml.Decode("x.yml", []byte(text), &into); err == nil || !strings.Contains(err.Error(), "the aliases of this file amount to too much; write the values out") {
			t.Errorf("%s: got %.200v", name, err)
		}
	}
	var into any
	if err := yaml.Decode("x.yml", []byte(chain.String()), &into); err == nil || !strings.Contains(err.Error(), "nested deeper than 100 levels") {
		t.Errorf("chain: got %.200v", err)
	}
}

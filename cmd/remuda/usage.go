package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/remuda-dev/remuda/internal/nearest"
)

// sayingWhich tells which words a command wants when it got too few or too many.
func sayingWhich(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		err := check(c, args)
		if err == nil {
			return nil
		}
		words := strings.Fields(c.Use)[1:]
		switch {
		case len(words) == 0 && c.HasAvailableSubCommands():
			return noWord(c, args)
		case len(words) == 0:
			return fmt.Errorf("%s takes no words, got %q", c.CommandPath(), strings.Join(args, " "))
		case len(args) < len(words):
			return fmt.Errorf("%s needs %s", c.CommandPath(), strings.Join(words[len(args):], " and "))
		}
		return fmt.Errorf("%s takes %s alone, got %q, too", c.CommandPath(), strings.Join(words, " and "), strings.Join(args[len(words):], " "))
	}
}

// noWord is for a command that only has others: a word is one of them, written wrong.
func noWord(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, one := range c.Commands() {
		if one.IsAvailableCommand() {
			known = append(append(known, one.Name()), one.Aliases...)
		}
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], c.CommandPath(), perhaps("", args[0], known))
}

// perhaps names what was probably meant.
func perhaps(prefix, word string, known []string) string {
	if meant, found := nearest.Name(word, known); found {
		return fmt.Sprintf("; did you mean %q?", prefix+meant)
	}
	return ""
}

// flagError says in our words what is wrong with a flag.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && c.HasAvailableSubCommands() && c.Flags().NArg() > 0 {
		return noWord(c, c.Flags().Args()) // whose flag it would be
	}
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		return fmt.Errorf("unknown flag --%s%s", unknown.GetSpecifiedName(), perhaps("--", unknown.GetSpecifiedName(), known))
	}
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	flag, said := invalid.GetFlag(), invalid.GetValue()
	var number *strconv.NumError
	switch {
	case flag.Value.Type() == "bool":
		return wrong("--%s: expected true or false, got %q", flag.Name, said)
	case errors.As(err, &number) && errors.Is(number.Err, strconv.ErrRange):
		return wrong("--%s: %s is too large or too small", flag.Name, said)
	case errors.As(err, &number), strings.HasPrefix(flag.Value.Type(), "int"):
		return wrong("--%s: expected a whole number, got %q", flag.Name, said)
	case flag.Value.Type() == "string" && errors.Unwrap(invalid) != nil && strings.Contains(flag.Name, "token"):
		return wrong("--%s: it cannot be read", flag.Name) // never with the value
	}
	return wrong("--%s: %w", flag.Name, errors.Unwrap(invalid))
}

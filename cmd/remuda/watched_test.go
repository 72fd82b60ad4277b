package main

import (
	"fmt"
	"os"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// watched are tests after which nothing may run on.
type watched struct{ tests testscript.TestingM }

// Run is their exit code.
func (w watched) Run() int {
	code := w.tests.Run()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

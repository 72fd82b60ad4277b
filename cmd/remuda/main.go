// Command remuda is all that a person types: it runs jobs, submits them, watches them, and is the control plane and
// the machine runner themselves.
package main

import (
	"context"
	"os"
)

// version is set when a release is linked.
var version = "dev"

func main() {
	os.Exit(mainCode())
}

// mainCode is main without its exit, so that what is deferred runs before it.
func mainCode() int {
	p := &program{
		args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		env: os.LookupEnv, environ: os.Environ(), whole: true,
	}
	// The fallback for a missing remuda-agent is started once for each task: it takes the shortest way.
	if len(p.args) > 0 && p.args[0] == agentWord && (len(p.args) == 1 || p.args[1] == "--version") {
		return p.agent(p.args[1:])
	}
	if len(p.args) == 1 && p.args[0] == fetchWord {
		return p.fetch()
	}
	return p.run(context.Background())
}

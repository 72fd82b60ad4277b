// Command remuda-agent carries out one task for a runner: see internal/taskagent.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/internal/machinerunner"
	"github.com/remuda-dev/remuda/internal/taskagent"
)

// version is set when a release is built.
var version = "dev"

func main() {
	if len(os.Args) > 1 && os.Args[1] == machinerunner.Word {
		os.Exit(runner(os.Args[2:]))
	}
	if len(os.Args) > 1 || isTerminal(os.Stdin) {
		os.Exit(explain(os.Args[1:]))
	}
	// These would end an agent whose runner has ended. Not signal.Ignore: the steps' processes would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, syscall.SIGHUP)
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	os.Exit(taskagent.Main(ctx, os.Stdin, os.Stderr))
}

// runner is a machine runner that 'remuda runner' hands over to this process.
func runner(arguments []string) int {
	arrived := make(chan os.Signal, 4)
	signal.Notify(arrived, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	return machinerunner.Main(context.Background(), version, arguments, machinerunner.Process{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Arrived: arrived,
	})
}

// explain answers a person.
func explain(arguments []string) int {
	switch {
	case len(arguments) == 1 && arguments[0] == "--version":
		fmt.Println("remuda-agent", version)
		return agent.ExitDone
	case len(arguments) == 1 && (arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help"):
		fmt.Print(taskagent.Usage)
		return agent.ExitDone
	default:
		fmt.Fprint(os.Stderr, taskagent.Usage)
		return agent.ExitUsage
	}
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && info.Mode()&os.ModeDevice != 0
}

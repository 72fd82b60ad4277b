// Command bench measures the figures that docs/performance.md promises, with real processes on loopback: a control
// plane on SQLite, a machine runner, its agents. It builds what it measures, prints a table, and stops by itself.
//
// Absolute times depend on the machine; beside each stands what the same machine does without Remuda, measured in the
// same run.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one line of the table.
type figure struct {
	what, measured, goal, beside string
}

// sizes say how much is measured.
type sizes struct {
	latencies, trues, claims, cancels, lines int
	flood                                    int64 // bytes
	idle                                     time.Duration
}

func main() {
	quick := flag.Bool("quick", false, "a tenth of everything: does it run at all?")
	only := flag.String("only", "", "measure only the figures whose names begin so: disk, idle, latency, true, cancel, output, claims")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *quick, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, quick bool, only string) error {
	n := sizes{latencies: 500, trues: 1000, claims: 20000, cancels: 30, lines: 300, flood: 1 << 30, idle: 20 * time.Second}
	if quick {
		n = sizes{latencies: 50, trues: 100, claims: 2000, cancels: 5, lines: 40, flood: 128 << 20, idle: 2 * time.Second}
	}
	here, err := openSite(ctx)
	if err != nil {
		return err
	}
	defer here.close()
	table := tabwriter.NewWriter(os.Stdout, 2, 4, 2, ' ', 0)
	fmt.Fprintln(table, "figure\tmeasured\tgoal\tbeside it")
	for _, measure := range []struct {
		name string
		take func(context.Context, *site, sizes) ([]figure, error)
	}{
		{"disk", disk}, {"idle", idle}, {"latency", latency}, {"true", trues}, {"cancel", cancels},
		{"output", outputs}, {"claims", claims},
	} {
		if !strings.HasPrefix(measure.name, only) {
			continue
		}
		figures, err := measure.take(ctx, here, n)
		if err != nil {
			return fmt.Errorf("measure %s: %w\n%s", measure.name, err, here.log())
		}
		for _, f := range figures {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.what, f.measured, f.goal, f.beside)
		}
	}
	return table.Flush()
}

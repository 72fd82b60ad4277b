// Command bench measures the figures that docs/performance.md promises, with real processes on loopback: a control
// plane on SQLite, a machine runner, its agents. It builds what it measures, prints each figure when it has it, and stops by itself.
//
// Absolute times depend on the machine; beside each stands what the same machine does without Remuda, measured in the
// same run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// figure is one line of the table.
type figure struct {
	what, measured, goal, beside string
}

// sizes say how much is measured.
type sizes struct {
	latencies, trues, claims, cancels, lines, herd, queued, finished int
	flood                                                            int64 // bytes
	rates                                                            []int // submissions a second
	loaded                                                           time.Duration
	idle                                                             time.Duration
	hold                                                             time.Duration // of a herd's syncs
}

// measures are all figures, in the order in which they are taken. Those that concern a database are taken on both.
func measures() []measure {
	return []measure{
		{"disk", disk, onSQLite},
		{"idle", idle, onSQLite},
		{"latency", latency, onSQLite | onPostgres},
		{"true", trues, onSQLite},
		{"cancel", cancels, onSQLite},
		{"tofu", tofus, onSQLite},
		{"output", outputs, onSQLite},
		{"claims", claims, onSQLite | onPostgres},
		{"river", river, onPostgres},
		{"load", load, onSQLite | onPostgres},
		{"herd", herds, onSQLite},
		{"queue", queue, onSQLite | onPostgres},
	}
}

type measure struct {
	name string
	take func(context.Context, *site, sizes) ([]figure, error)
	on   databases
}

type databases int

const (
	onSQLite databases = 1 << iota
	onPostgres
)

// settings are what was typed.
type settings struct {
	quick             bool
	only, on, figures string
}

// asked says whether this figure is to be taken.
func (s settings) asked(m measure) bool {
	return slices.ContainsFunc(strings.Split(s.only, ","), func(start string) bool { return strings.HasPrefix(m.name, start) })
}

func main() {
	var s settings
	names := make([]string, 0, len(measures()))
	for _, m := range measures() {
		names = append(names, m.name)
	}
	flag.BoolVar(&s.quick, "quick", false, "a tenth of everything: does it run at all?")
	flag.StringVar(&s.only, "only", "", "take only the figures whose names begin so, several with commas between: "+strings.Join(names, ", "))
	flag.StringVar(&s.on, "on", "", "take only those on this database: sqlite, postgres")
	flag.StringVar(&s.figures, "figures", "", "write figures that are drawn as CSV into this folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	n := sizes{
		latencies: 500, trues: 1000, claims: 20000, cancels: 30, lines: 300, flood: 1 << 30,
		rates: []int{10, 50, 100, 200, 400, 800}, loaded: 10 * time.Second, herd: 10000, queued: 1_000_000, finished: 10_000_000, idle: 20 * time.Second, hold: oneHold,
	}
	if s.quick {
		n = sizes{
			latencies: 50, trues: 100, claims: 2000, cancels: 5, lines: 40, flood: 128 << 20,
			rates: []int{10, 100}, loaded: 2 * time.Second, herd: 500, queued: 20_000, finished: 20_000, idle: 2 * time.Second, hold: 2 * time.Second,
		}
	}
	table := lines{os.Stdout}
	table.print("figure", "measured", "goal", "beside it")
	var failed []error
	if !strings.HasPrefix("postgres", s.on) || s.on == "" {
		failed = append(failed, takeAll(ctx, s, n, onSQLite, nil, table))
	}
	if strings.HasPrefix("postgres", s.on) {
		server, err := startPostgres(ctx)
		if err != nil {
			table.print("PostgreSQL", "not measured: "+err.Error(), "", "")
			return errors.Join(failed...)
		}
		defer server.stop()
		failed = append(failed, takeAll(ctx, s, n, onPostgres, server, table))
	}
	return errors.Join(failed...)
}

// lines are a table whose lines are seen as soon as they are known: all of them take many minutes.
type lines struct{ to io.Writer }

func (l lines) print(what, measured, goal, beside string) {
	fmt.Fprintf(l.to, "%-66s  %-28s  %-24s  %s\n", what, measured, goal, beside)
}

// takeAll takes the figures of one database.
func takeAll(ctx context.Context, s settings, n sizes, on databases, server *postgresServer, table lines) error {
	here, err := openSite(ctx, server)
	if err != nil {
		return err
	}
	defer here.close()
	here.figures = s.figures
	var failed []error
	for _, m := range measures() {
		if !s.asked(m) || m.on&on == 0 {
			continue
		}
		figures, err := m.take(ctx, here, n)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // the others are worth having all the same
			table.print(m.name, "not measured", "", "")
			failed = append(failed, fmt.Errorf("measure %s on %s: %w\n%s", m.name, here.database(), err, here.log()))
		}
		for _, f := range figures {
			what := f.what
			if m.on == onSQLite|onPostgres {
				what += ", " + here.database()
			}
			table.print(what, f.measured, f.goal, f.beside)
		}
	}
	return errors.Join(failed...)
}

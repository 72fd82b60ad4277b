package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// queue is how long the store takes to find and take the next task among many that are queued, many that may not run
// and many that have ended, beside what it takes among a thousand. It is the benchmark of internal/store at full size.
func queue(ctx context.Context, s *site, n sizes) ([]figure, error) {
	name := "sqlite"
	if s.postgres != "" {
		name = "postgres"
		n.finished = min(n.finished, n.queued) // It takes much longer to insert them one by one.
	}
	command := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkClaim$/^"+name+"$", "-benchtime", "200x", "-timeout", "60m", "./internal/store")
	command.Env = append(os.Environ(), "CGO_ENABLED=0", fmt.Sprintf("REMUDA_BENCH_QUEUED=%d", n.queued), fmt.Sprintf("REMUDA_BENCH_FINISHED=%d", n.finished))
	said, err := command.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	took := map[string]time.Duration{}
	for lines := bufio.NewScanner(bytes.NewReader(said)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		parts := strings.Split(strings.Join(fields[:min(1, len(fields))], ""), "/")
		if len(parts) != 4 || len(fields) < 3 || !strings.HasPrefix(parts[3], "take") {
			continue
		}
		nanoseconds, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", lines.Text(), err)
		}
		took[strings.ReplaceAll(parts[2], "_", " ")] = time.Duration(nanoseconds)
	}
	among := took["a thousand"]
	if among == 0 {
		return nil, fmt.Errorf("the benchmark says nothing of a thousand:\n%s", said)
	}
	figures := []figure{{"claim among a thousand queued", microseconds(among), "", "taken and given back, in one transaction"}}
	cases := make([]string, 0, len(took))
	for name := range took {
		if name != "a thousand" {
			cases = append(cases, name)
		}
	}
	slices.Sort(cases)
	for _, name := range cases {
		what := fmt.Sprintf("claim among %d queued, %s", n.queued, name)
		if strings.HasPrefix(name, "beside") {
			what = fmt.Sprintf("claim among a thousand queued, %s: %d", name, n.finished)
		}
		figures = append(figures, figure{what, fmt.Sprintf("%s, %.1f ×", microseconds(took[name]), float64(took[name])/float64(among)), "≤ 3 ×", ""})
	}
	return figures, nil
}

func microseconds(d time.Duration) string {
	return fmt.Sprintf("%.0f µs", float64(d.Nanoseconds())/1e3)
}

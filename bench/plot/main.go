// Command plot draws what `go run ./bench -figures DIR` wrote about waiting under load: for each database, how long a
// task waits for a free runner, against how many are submitted a second. It has a module of its own, since nothing of
// the product draws.
package main

import (
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

func main() {
	figures := flag.String("figures", ".", "the folder with load-*.csv")
	out := flag.String("o", "latency.svg", "the picture: .svg or .png")
	flag.Parse()
	if err := draw(*figures, *out); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func draw(figures, out string) error {
	files, err := filepath.Glob(filepath.Join(figures, "load-*.csv"))
	if err != nil || len(files) == 0 {
		return errors.Join(fmt.Errorf("%s has no load-*.csv; measure first", figures), err)
	}
	p := plot.New()
	p.Title.Text = "How long a task waits for a free runner"
	p.X.Label.Text = "submitted a second"
	p.Y.Label.Text = "submit to claim, ms"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.X.Min, p.Y.Min = 10, 1
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	var lines []any
	for _, file := range files {
		database, p50, p99, err := read(file)
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		lines = append(lines, database+", half of them", p50, database+", 99 of 100", p99)
	}
	if err := plotutil.AddLinePoints(p, lines...); err != nil {
		return err
	}
	return p.Save(18*vg.Centimeter, 11*vg.Centimeter, out)
}

// read gives the points of one database.
func read(file string) (database string, p50, p99 plotter.XYs, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", nil, nil, err
	}
	rows, err := csv.NewReader(f).ReadAll()
	if err = errors.Join(err, f.Close()); err != nil {
		return "", nil, nil, err
	}
	for _, row := range rows[1:] {
		var numbers [3]float64
		for i := range numbers {
			if numbers[i], err = strconv.ParseFloat(row[i+1], 64); err != nil {
				return "", nil, nil, err
			}
		}
		database = row[0]
		p50 = append(p50, plotter.XY{X: numbers[0], Y: numbers[1]})
		p99 = append(p99, plotter.XY{X: numbers[0], Y: numbers[2]})
	}
	return database, p50, p99, nil
}

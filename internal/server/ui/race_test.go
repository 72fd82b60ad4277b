//go:build race

package ui_test

import "time"

// firstPaint is when something of a page has to be painted; the race detector makes the control plane ten times as slow.
const firstPaint = 2 * time.Second

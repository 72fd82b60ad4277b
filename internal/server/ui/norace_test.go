//go:build !race

package ui_test

import "time"

// firstPaint is when something of a page has to be painted.
const firstPaint = 200 * time.Millisecond

// Package ui is what people see in a browser. Every package below it has the pages of one part of the product; page is
// the frame around them all.
package ui

import (
	"github.com/remuda-dev/remuda/internal/server/ui/account"
	"github.com/remuda-dev/remuda/internal/server/ui/block"
	"github.com/remuda-dev/remuda/internal/server/ui/catalog"
	"github.com/remuda-dev/remuda/internal/server/ui/output"
	"github.com/remuda-dev/remuda/internal/server/ui/overview"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
	"github.com/remuda-dev/remuda/internal/server/ui/pool"
	"github.com/remuda-dev/remuda/internal/server/ui/task"
)

// Options is what pages are made of.
type Options = page.Options

// New makes all pages.
func New(o Options) (*page.Site, error) {
	site, err := page.New(o)
	if err != nil {
		return nil, err
	}
	overview.Add(site)
	task.Add(site)
	output.Add(site)
	pool.Add(site)
	if o.Blocks != nil {
		catalog.Add(site)
		block.Add(site)
	}
	account.Add(site)
	return site, nil
}

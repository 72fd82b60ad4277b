package fetch

import (
	"context"

	"github.com/remuda-dev/remuda/internal/toolshed"
)

// lock does nothing here: what is fetched twice is whole both times.
func lock(context.Context, string, toolshed.Program) (unlock func(), err error) {
	return func() {}, nil
}

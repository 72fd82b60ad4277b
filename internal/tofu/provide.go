package tofu

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda/internal/toolshed"
)

// keepingTakes bounds for how long a run waits until the machine has its providers.
const keepingTakes = 5 * time.Minute

// provide has the machine get the providers that the module needs, where it does not have them yet, and waits for that:
// twenty runs that come at once then download each once, and not twenty times. Then it tells tofu where they are.
func (r *run) provide(ctx context.Context) error {
	if r.providers.Shared == "" {
		return r.writeSettings()
	}
	needs, err := r.needs(ctx)
	if err != nil {
		return err
	}
	if len(needs) > 0 {
		keeping, cancel := context.WithTimeout(ctx, keepingTakes)
		defer cancel()
		if err := r.shed.Keep(keeping, needs); err != nil && ctx.Err() == nil {
			r.task.Log.Warn("the run downloads its providers itself", "error", err)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.writeSettings()
}

// needs are the providers that the module's lock file names, and those that it and the modules it calls ask for beside
// them. Where there is a lock file, what called modules need stands in it.
func (r *run) needs(ctx context.Context) ([]toolshed.Need, error) {
	locks, err := readLocks(filepath.Join(r.folder(), lockFile))
	if err != nil {
		return nil, err
	}
	var needs []toolshed.Need
	named := map[string]bool{}
	for _, l := range locks {
		if named[l.Source] = true; l.Version != "" {
			needs = append(needs, l.Need())
		}
	}
	modules := []module{r.module}
	if r.module.calls && len(locks) == 0 {
		called, err := r.called(ctx)
		if err != nil {
			return nil, err
		}
		modules = append(modules, called...)
	}
	asked := map[string][]string{}
	for _, m := range modules {
		for source, versions := range m.providers.needs(r.order.program.Product) {
			if !named[source] {
				asked[source] = append(asked[source], versions...)
			}
		}
	}
	for _, source := range slices.Sorted(maps.Keys(asked)) {
		versions := slices.Sorted(slices.Values(asked[source]))
		needs = append(needs, toolshed.Need{Source: source, Versions: strings.Join(slices.Compact(versions), ", ")})
	}
	return needs, nil
}

// called are the modules that the module calls, and those that these call: tofu fetches them, and init does not do it
// again. What cannot be fetched init will complain about.
func (r *run) called(ctx context.Context) ([]module, error) {
	if err := r.writeSettings(); err != nil {
		return nil, err
	}
	if _, err := r.fetching(ctx, "get"); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(r.folder(), ".terraform", "modules", "modules.json"))
	if err != nil {
		return nil, nil
	}
	var list struct {
		Modules []struct {
			Key string `json:"Key"`
			Dir string `json:"Dir"` // from the root module's
		} `json:"Modules"`
	}
	if json.Unmarshal(text, &list) != nil {
		return nil, nil
	}
	var found []module
	for _, m := range list.Modules {
		if m.Key == "" || filepath.IsAbs(m.Dir) {
			continue // the root, which is known
		}
		if scanned, err := scan(filepath.Join(r.folder(), m.Dir), r.order.program); err == nil {
			found = append(found, scanned)
		}
	}
	return found, nil
}

// keepProviders has the machine keep what init downloaded nonetheless, while the run goes on: those that it has are
// links.
func (r *run) keepProviders(ctx context.Context) {
	if r.providers.Shared == "" {
		return
	}
	chosen, err := readLocks(filepath.Join(r.folder(), lockFile))
	if err != nil {
		return
	}
	var fresh []toolshed.Need
	for _, l := range chosen {
		unpacked := filepath.Join(r.folder(), ".terraform", "providers", filepath.FromSlash(l.Source), l.Version, toolshed.Platform())
		if info, err := os.Lstat(unpacked); err == nil && info.IsDir() {
			fresh = append(fresh, l.Need())
		}
	}
	if len(fresh) == 0 {
		return
	}
	r.keeping.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, keepingTakes)
		defer cancel()
		if err := r.shed.Keep(ctx, fresh); err != nil && ctx.Err() == nil {
			r.task.Log.Warn("the next run downloads its providers again", "error", err)
		}
	})
}

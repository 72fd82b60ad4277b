package machinerunner

import "errors"

// becomes is whether a process can become another one here: it cannot, and one that waited for another would rest
// beside it.
const becomes = false

// Become does not go here; see Apart.
func (Handover) Become(string, []string) error { return errors.ErrUnsupported }

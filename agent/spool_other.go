//go:build !linux

package agent

// spool takes what a step writes.
type spool = piped

// makePipes has nothing to do where pipes have no names.
func makePipes(Folder, int) error { return nil }

func openSpool(folder Folder, n int, tail *tail, budget *budget, fault func(error)) (*spool, error) {
	return openPiped(folder, n, tail, budget, fault)
}

package machine

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// defaultPath is the PATH of agents and steps when nothing is said.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// userOfPrefix is whom a command prefix makes the agent's user, as far as that can be seen in it: sudo, doas and
// runuser with -u.
func userOfPrefix(prefix []string) string {
	if len(prefix) == 0 {
		return ""
	}
	switch filepath.Base(prefix[0]) {
	case "sudo", "doas", "runuser":
	default:
		return ""
	}
	for i, word := range prefix[1:] {
		flags, isFlag := strings.CutPrefix(word, "-")
		if name, ok := strings.CutPrefix(word, "--user="); ok {
			return name
		}
		if !isFlag || strings.HasPrefix(flags, "-") {
			continue
		}
		if before, name, ok := strings.Cut(flags, "u"); ok && !strings.ContainsAny(before, "gpCRTDUh") {
			if name == "" && i+2 < len(prefix) {
				name = prefix[i+2]
			}
			return name
		}
	}
	return ""
}

// reachableAgent is where the agent's binary lies so that its user can execute it: where it is, or, when that is behind
// a door that is closed to that user, in a folder of ours.
func (e *Executor) reachableAgent() (string, error) {
	original := e.config.Agent[0]
	if _, err := os.Stat(original); err != nil {
		return "", fmt.Errorf("the agent's binary: %w", err)
	}
	if e.account.canExecute(original) == nil {
		return original, nil
	}
	dir := filepath.Join(e.config.Dir, "bin")
	if err := makeAll(dir, 0o711); err != nil {
		return "", fmt.Errorf("make a folder for the agent's binary: %w", err)
	}
	copied := filepath.Join(dir, filepath.Base(original))
	if err := copyBinary(original, copied); err != nil {
		return "", fmt.Errorf("put the agent's binary where its user reaches it: %w", err)
	}
	return copied, e.account.canExecute(copied)
}

// copyBinary replaces to by rename: an agent of an earlier runner may be executing what lies there.
func copyBinary(from, to string) error {
	read, err := os.Open(from)
	if err != nil {
		return err
	}
	defer read.Close()
	write, err := os.OpenFile(to+".partial", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(write, read); err != nil {
		_ = write.Close()
		return err
	}
	if err := write.Close(); err != nil {
		return err
	}
	if err := os.Chmod(to+".partial", 0o755); err != nil { // Whatever our umask.
		return err
	}
	return os.Rename(to+".partial", to)
}

// lookPath finds a command as a shell with this PATH would.
func lookPath(name, path string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		return name, nil
	}
	for _, dir := range filepath.SplitList(path) {
		found := filepath.Join(dir, name)
		if info, err := os.Stat(found); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return found, nil
		}
	}
	return "", fmt.Errorf("find %s in %s: %w", name, path, fs.ErrNotExist)
}

package job

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/internal/git"
)

// variables are environment variables by name.
type variables map[string]string

func (v variables) set(more map[string]string) { maps.Copy(v, more) }

// list is v as processes take it. A value with a NUL cannot be told to a process at all, and is left out: only a
// secret can have come so far with one.
func (v variables) list() []string {
	list := make([]string, 0, len(v))
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if !strings.ContainsRune(v[name], 0) && !strings.ContainsAny(name, "=\x00") && name != "" {
			list = append(list, name+"="+v[name])
		}
	}
	return list
}

// usualPath is the PATH of steps when the machine's operator gives none.
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// base is what every step finds in its environment. Nothing comes from the agent's own.
func base(task *agent.Task) variables {
	who := strconv.Itoa(os.Getuid())
	if me, err := user.Current(); err == nil {
		who = me.Username
	}
	claim, of := task.Claim, task.Claim.Task
	repository := of.Source.Repository
	if o, err := git.ParseOrigin(repository); err == nil {
		repository = o.Address // without a password
	}
	v := variables{
		"PATH":    usualPath,
		"SHELL":   "/bin/sh", // without one, each bash looks its user up
		"LANG":    "C.UTF-8",
		"TERM":    "xterm-256color",
		"USER":    who,
		"LOGNAME": who,
	}
	v.set(task.Environment)
	v.set(variables{
		"HOME":   task.Folder.Home(),
		"TMPDIR": task.Folder.Tmp(),
		"CI":     "true",
		"REMUDA": "true",

		"REMUDA_TASK_ID":           of.ID,
		"REMUDA_TASK_NAME":         of.Name,
		"REMUDA_JOB_ID":            of.JobID,
		"REMUDA_TASK_INDEX":        strconv.Itoa(of.Index),
		"REMUDA_TASK_TOTAL":        strconv.Itoa(of.Total),
		"REMUDA_ATTEMPT":           strconv.Itoa(claim.Attempt),
		"REMUDA_ORGANIZATION":      of.Organization,
		"REMUDA_PROJECT":           of.Project,
		"REMUDA_RESOURCE_CLASS":    of.ResourceClass,
		"REMUDA_SOURCE_REPOSITORY": repository,
		"REMUDA_SOURCE_REF":        of.Source.Ref,
	})
	return v
}

// checkEnvironment refuses names and values that no process can be given.
func checkEnvironment(environment map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		if !isName(name) {
			return fmt.Errorf("%q is no name of a variable: use letters, digits and _", name)
		}
		if strings.ContainsRune(environment[name], 0) {
			return fmt.Errorf("the value of %s has a NUL byte", name)
		}
	}
	return nil
}

func isName(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// additionsLimit is how much a step may leave to those after it: less would fit into a process's environment.
const additionsLimit = 4 << 20

// readAdditions reads what a step wrote to its $REMUDA_ENV.
func readAdditions(path string) (variables, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // it never started, or it took it away
	}
	if err != nil || !info.Mode().IsRegular() {
		return nil, errors.New("$REMUDA_ENV is no file any more")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("$REMUDA_ENV: %w", rootOf(err))
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, additionsLimit+1))
	if err != nil {
		return nil, fmt.Errorf("$REMUDA_ENV: %w", rootOf(err))
	}
	if len(text) > additionsLimit {
		return nil, fmt.Errorf("$REMUDA_ENV is larger than %d MiB", additionsLimit>>20)
	}
	return parseAdditions(string(text))
}

// parseAdditions reads lines KEY=value, whose value is taken as it is, and values of several lines:
//
//	KEY<<EOF
//	first line
//	second line
//	EOF
//
// where any word may stand for EOF. Empty lines mean nothing. A problem names the line and never quotes a value,
// which may be a secret.
func parseAdditions(text string) (variables, error) {
	found := variables{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, single := strings.Cut(line, "=")
		if key, word, ok := strings.Cut(line, "<<"); ok && (!single || len(key) < len(name)) {
			name, word = key, strings.TrimSpace(word)
			length := slices.Index(lines[i+1:], word)
			switch {
			case word == "":
				return nil, fmt.Errorf("line %d of $REMUDA_ENV: after << comes the word that ends the value", i+1)
			case length < 0:
				return nil, fmt.Errorf("line %d of $REMUDA_ENV: the value does not end, there is no line %q after it", i+1, word)
			}
			value = strings.Join(lines[i+1:i+1+length], "\n")
			if err := addition(found, i+1, name, value); err != nil {
				return nil, err
			}
			i += 1 + length
			continue
		}
		if !single {
			return nil, fmt.Errorf("line %d of $REMUDA_ENV is neither KEY=value nor KEY<<WORD", i+1)
		}
		if err := addition(found, i+1, name, value); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func addition(found variables, line int, name, value string) error {
	if !isName(name) {
		return fmt.Errorf("line %d of $REMUDA_ENV: what is before = or << is no name of a variable: use letters, digits and _", line)
	}
	if strings.ContainsRune(value, 0) {
		return fmt.Errorf("line %d of $REMUDA_ENV: the value of %s has a NUL byte", line, name)
	}
	found[name] = value
	return nil
}

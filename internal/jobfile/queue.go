package jobfile

import (
	"errors"
	"regexp"
	"unicode/utf8"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/yaml"
)

// The bounds of what a job says of its place in the queue.
const (
	longestGroup     = 200
	mostAtOnce       = 10000
	mostCapabilities = 20
)

var (
	groupName      = regexp.MustCompile(`^\S(.*\S)?$`)
	capabilityName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,63}$`)
)

// concurrency is the job's group.
type concurrency struct {
	Group  string `yaml:"group"`
	Limit  int    `yaml:"limit"`
	Policy policy `yaml:"policy"`
}

// policy is read with the nearest of its three words.
type policy remuda.ConcurrencyPolicy

// UnmarshalText reads one of the words.
func (p *policy) UnmarshalText(text []byte) error {
	known := []string{string(remuda.ConcurrencyQueue), string(remuda.ConcurrencyReplace), string(remuda.ConcurrencyReject)}
	for _, word := range known {
		if string(text) == word {
			*p = policy(word)
			return nil
		}
	}
	return errors.New("expected queue, replace or reject, got " + quoted(string(text)) + orMeant(string(text), known, ""))
}

// group is what the file says of it; nothing when it does not.
func (f *file) group() *remuda.Concurrency {
	if f.Concurrency == nil {
		return nil
	}
	return &remuda.Concurrency{Group: f.Concurrency.Group, Limit: f.Concurrency.Limit, Policy: remuda.ConcurrencyPolicy(f.Concurrency.Policy)}
}

func (f *file) checkQueue(n *yaml.Node) error {
	var found []error
	if written := f.find(n, "capabilities"); written != nil && written.Kind == yaml.Sequence {
		if len(f.Capabilities) > mostCapabilities {
			found = append(found, written.Errorf("it has %d capabilities; %d are allowed", len(f.Capabilities), mostCapabilities))
		}
		for i, name := range f.Capabilities {
			if !capabilityName.MatchString(name) {
				found = append(found, written.Content[i].Errorf("%q cannot be a capability: one word of letters, digits and ._:/+-, such as docker", name))
			}
		}
	}
	written := f.find(n, "concurrency")
	if written == nil || f.Concurrency == nil {
		return errors.Join(found...)
	}
	group := written.Find("group")
	switch name := f.Concurrency.Group; {
	case group == nil:
		found = append(found, written.Errorf("it needs group, a name such as deploy-prod"))
	case !groupName.MatchString(name):
		found = append(found, group.Errorf("expected a name such as deploy-prod, without spaces at its ends, got %q", name))
	case utf8.RuneCountInString(name) > longestGroup:
		found = append(found, group.Errorf("it has %d characters; %d are allowed", utf8.RuneCountInString(name), longestGroup))
	}
	return errors.Join(append(found, within(written.Find("limit"), f.Concurrency.Limit, 1, mostAtOnce))...)
}

// Package jobfile turns the job file that a person writes into a submission, or says where it is wrong: file, line,
// column, what to do, and the known name that was probably meant.
package jobfile

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/yaml"
)

// The bounds are the native API's; saying them here gives them a line and a column.
const (
	longestName  = 200
	mostSteps    = 500
	mostTasks    = 256
	mostAttempts = 10
	mostPriority = 100
)

// Parse reads a job file. The name of the file opens each problem. Values of the secrets that the file names come from
// env, which says whether a variable is set; with a nil env they are not looked up and the submission has none.
func Parse(name string, data []byte, env func(string) (string, bool)) (remuda.Submission, error) {
	f := file{env: env}
	if err := yaml.Decode(name, data, &f); err != nil {
		return remuda.Submission{}, err
	}
	if !f.read {
		return remuda.Submission{}, yaml.Problems{{File: name, Line: 1, Column: 1,
			Message: "the file is empty; a job needs at least steps, such as steps: [run: echo hello]"}}
	}
	return f.submission(), nil
}

// file reads itself, so that rules about several members can name the place that breaks them.
type file struct {
	members
	env     func(string) (string, bool)
	secrets map[string]remuda.Secret
	read    bool
	unread  map[string]bool // members that were refused already
}

// members are what a job file may say.
type members struct {
	Name             string            `yaml:"name"`
	Organization     string            `yaml:"organization"`
	ResourceClass    string            `yaml:"resource_class"`
	Project          string            `yaml:"project"`
	WorkingDirectory string            `yaml:"working_directory"`
	Environment      map[string]string `yaml:"environment"`
	Shell            string            `yaml:"shell"`
	Source           source            `yaml:"source"`
	Steps            []step            `yaml:"steps"`
	Timeout          duration          `yaml:"timeout"`
	QueueTimeout     duration          `yaml:"queue_timeout"`
	LostAfter        duration          `yaml:"lost_after"`
	CancelGrace      duration          `yaml:"cancel_grace"`
	MaxAttempts      int               `yaml:"max_attempts"`
	RetryInterrupted bool              `yaml:"retry_interrupted"`
	Priority         int               `yaml:"priority"`
	Parallelism      int               `yaml:"parallelism"`
	Concurrency      *concurrency      `yaml:"concurrency"`
	Capabilities     []string          `yaml:"capabilities"`
	Secrets          []string          `yaml:"secrets"`
}

type source struct {
	Repository string `yaml:"repository"`
	Ref        string `yaml:"ref"`
}

func (f *file) submission() remuda.Submission {
	job := &remuda.Job{WorkingDirectory: f.WorkingDirectory, Environment: f.Environment, Shell: f.Shell}
	for _, s := range f.Steps {
		job.Steps = append(job.Steps, s.JobStep)
	}
	return remuda.Submission{
		Name: f.Name, Organization: f.Organization, Project: f.Project, ResourceClass: f.ResourceClass,
		Source: remuda.Source{Repository: f.Source.Repository, Ref: f.Source.Ref},
		Job:    job, Secrets: f.secrets,
		Timeout: remuda.Duration(f.Timeout), QueueTimeout: remuda.Duration(f.QueueTimeout),
		LostAfter: remuda.Duration(f.LostAfter), CancelGrace: remuda.Duration(f.CancelGrace),
		MaxAttempts: f.MaxAttempts, RetryInterrupted: f.RetryInterrupted, Priority: f.Priority, Parallelism: f.Parallelism,
		Concurrency: f.group(), Capabilities: f.Capabilities,
	}
}

// UnmarshalYAMLNode reads the members, then holds the rules between them.
func (f *file) UnmarshalYAMLNode(n *yaml.Node) error {
	f.read = true
	err := n.Decode(&f.members)
	f.unread = membersOf(err)
	found := []error{err, f.checkNames(n), f.checkNumbers(n), f.checkSource(n), f.checkQueue(n)}
	if !f.unread["secrets"] {
		found = append(found, f.checkSecrets(n))
	}
	// A key that is not known may be any of those that steps need.
	if !f.unread["steps"] && !f.unread["source"] && !f.unread["secrets"] && !f.unread[""] {
		found = append(found, f.checkSteps(n))
	}
	return errors.Join(slices.DeleteFunc(found, func(one error) bool { return one == nil })...)
}

// membersOf are the top-level members that problems are about; "" is the file itself.
func membersOf(err error) map[string]bool {
	about := map[string]bool{}
	var problems yaml.Problems
	if errors.As(err, &problems) {
		for _, problem := range problems {
			about[topMember(problem.Path)] = true
		}
	}
	return about
}

// find gives what was written for a member, unless that was refused already.
func (f *file) find(n *yaml.Node, member string) *yaml.Node {
	if f.unread[member] {
		return nil
	}
	return n.Find(member)
}

func topMember(path string) string {
	if end := strings.IndexAny(path, ".["); end >= 0 {
		return path[:end]
	}
	return path
}

var (
	className    = regexp.MustCompile(`^[^/\s]+/[^/\s]+$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func (f *file) checkNames(n *yaml.Node) error {
	var found []error
	if utf8.RuneCountInString(f.Name) > longestName {
		found = append(found, f.find(n, "name").Errorf("it has %d characters; %d are allowed", utf8.RuneCountInString(f.Name), longestName))
	}
	if class := f.find(n, "resource_class"); class != nil && !className.MatchString(f.ResourceClass) {
		found = append(found, class.Errorf("expected a resource class as namespace/name, such as acme/linux, got %q", f.ResourceClass))
	}
	found = append(found, checkShell(n), checkEnvironment(n))
	return errors.Join(found...)
}

// checkShell: an empty shell would be taken for the default, which is not what was said.
func checkShell(n *yaml.Node) error {
	if shell := n.Find("shell"); shell != nil && shell.Kind == yaml.Scalar && strings.TrimSpace(shell.Value) == "" {
		return shell.Errorf("expected a shell and its options, such as bash -eo pipefail; leave it out for the default")
	}
	return nil
}

// checkEnvironment refuses names that a shell could not use.
func checkEnvironment(n *yaml.Node) error {
	environment := n.Find("environment")
	if environment == nil || environment.Kind != yaml.Mapping {
		return nil
	}
	var found []error
	for i := 0; i+1 < len(environment.Content); i += 2 {
		key, value := environment.Content[i], environment.Content[i+1]
		if !variableName.MatchString(key.Value) {
			found = append(found, key.Errorf("%q cannot be the name of a variable: letters, digits and _, no digit first", key.Value))
		}
		if strings.ContainsRune(value.Value, 0) {
			found = append(found, value.Errorf("the value of a variable cannot hold a zero byte"))
		}
	}
	return errors.Join(found...)
}

func (f *file) checkNumbers(n *yaml.Node) error {
	return errors.Join(
		within(f.find(n, "parallelism"), f.Parallelism, 1, mostTasks),
		within(f.find(n, "max_attempts"), f.MaxAttempts, 1, mostAttempts),
		within(f.find(n, "priority"), f.Priority, -mostPriority, mostPriority),
	)
}

// within holds a number that was written to its bounds.
func within(n *yaml.Node, value, least, most int) error {
	if n == nil || least <= value && value <= most {
		return nil
	}
	return n.Errorf("expected a number from %d to %d, got %d", least, most, value)
}

func (f *file) checkSource(n *yaml.Node) error {
	written := f.find(n, "source")
	if written == nil {
		return nil
	}
	repository, ref := written.Find("repository"), written.Find("ref")
	if f.Source.Repository == "" {
		return written.Errorf("it needs repository, such as https://github.com/acme/app.git")
	}
	// git would take it for an option.
	if strings.HasPrefix(f.Source.Repository, "-") {
		return repository.Errorf("a repository cannot begin with a dash")
	}
	if strings.HasPrefix(f.Source.Ref, "-") {
		return ref.Errorf("a ref cannot begin with a dash")
	}
	if (remuda.Source{Repository: f.Source.Repository}).HasPassword() {
		return repository.Errorf("a password in the address would be shown to everyone who may see the task; put it into a secret and name that in checkout's token")
	}
	return nil
}

func (f *file) checkSecrets(n *yaml.Node) error {
	written := n.Find("secrets")
	if written == nil || written.Kind != yaml.Sequence {
		return nil
	}
	var found []error
	f.secrets = make(map[string]remuda.Secret, len(f.Secrets))
	for i, name := range f.Secrets {
		at := written.Content[i]
		if !variableName.MatchString(name) {
			found = append(found, at.Errorf("%q cannot be the name of a secret: it becomes a variable, so letters, digits and _, no digit first", name))
			continue
		}
		if slices.Index(f.Secrets, name) != i {
			found = append(found, at.Errorf("the secret %s is named twice", name))
			continue
		}
		if f.env == nil {
			continue
		}
		value, set := f.env(name)
		if !set {
			found = append(found, at.Errorf("the secret %s takes its value from your environment, where it is not set; set it, or remove it here", name))
			continue
		}
		if len(value) < remuda.ShortestSecret {
			found = append(found, at.Errorf("the value of the secret %s in your environment has fewer than %d bytes, which are too few to hide it in output", name, remuda.ShortestSecret))
			continue
		}
		f.secrets[name] = remuda.NewSecret(value)
	}
	return errors.Join(found...)
}

func (f *file) checkSteps(n *yaml.Node) error {
	written := n.Find("steps")
	if len(f.Steps) == 0 {
		at := n
		if written != nil {
			at = written
		}
		return at.Errorf("a job needs at least one step, such as steps: [run: echo hello]")
	}
	if len(f.Steps) > mostSteps {
		return written.Errorf("it has %d steps; %d are allowed", len(f.Steps), mostSteps)
	}
	var found []error
	for i, s := range f.Steps {
		if s.Checkout != nil {
			found = append(found, f.checkCheckout(written.Content[i], s.Checkout))
		}
	}
	return errors.Join(found...)
}

// checkCheckout holds the rules between a checkout and the rest of the file.
func (f *file) checkCheckout(n *yaml.Node, c *remuda.Checkout) error {
	if f.Source.Repository == "" {
		return n.Errorf("checkout needs to know what; say so at the top of the file, such as source: {repository: https://github.com/acme/app.git, ref: main}")
	}
	members := n.Find("checkout")
	return errors.Join(f.listed(members, "token", c.Token), f.listed(members, "ssh_key", c.SSHKey))
}

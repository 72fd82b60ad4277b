package jobfile

import (
	"errors"
	"regexp"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/nearest"
	"github.com/remuda-dev/remuda/internal/yaml"
)

// step is one of: the word checkout, a mapping of checkout, a mapping of run.
type step struct{ remuda.JobStep }

// UnmarshalYAMLNode reads any of the forms.
func (s *step) UnmarshalYAMLNode(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.Scalar && n.Value == "checkout":
		s.Checkout = &remuda.Checkout{}
		return nil
	case n.Kind == yaml.Scalar:
		return n.Errorf("%q is no step%s", n.Value, orMeant(n.Value, []string{"checkout", "run"}, "; write run: and then the command"))
	case n.Kind == yaml.Sequence || len(n.Content) == 0:
		return n.Errorf("expected a step, such as run: echo hello")
	}
	var both struct {
		Run      *run      `yaml:"run"`
		Checkout *checkout `yaml:"checkout"`
	}
	if err := n.Decode(&both); err != nil {
		return err
	}
	if len(n.Content) > 2 {
		return n.Content[2].Errorf("a step is one thing; begin the next one with a dash of its own")
	}
	switch {
	case both.Run != nil:
		s.Run = &remuda.Run{
			Name: both.Run.Name, Command: both.Run.Command, Shell: both.Run.Shell, Environment: both.Run.Environment,
			WorkingDirectory: both.Run.WorkingDirectory, Background: both.Run.Background, When: remuda.When(both.Run.When),
			NoOutputTimeout: remuda.Duration(both.Run.NoOutputTimeout), Timeout: remuda.Duration(both.Run.Timeout),
		}
	case both.Checkout != nil:
		s.Checkout = (*remuda.Checkout)(both.Checkout)
	case n.Find("checkout") != nil:
		s.Checkout = &remuda.Checkout{} // "checkout:" with nothing after it
	default:
		return n.Errorf("run needs a command, such as run: echo hello")
	}
	return nil
}

// run is written as its command alone, or as a mapping.
type run runMembers

type runMembers struct {
	Name             string            `yaml:"name"`
	Command          string            `yaml:"command"`
	Shell            string            `yaml:"shell"`
	Environment      map[string]string `yaml:"environment"`
	WorkingDirectory string            `yaml:"working_directory"`
	Background       bool              `yaml:"background"`
	When             when              `yaml:"when"`
	NoOutputTimeout  duration          `yaml:"no_output_timeout"`
	Timeout          duration          `yaml:"timeout"`
}

// UnmarshalYAMLNode reads either form.
func (r *run) UnmarshalYAMLNode(n *yaml.Node) error {
	if n.Kind != yaml.Mapping {
		if err := n.Decode(&r.Command); err != nil {
			return err
		}
		return r.checkCommand(n)
	}
	if err := n.Decode((*runMembers)(r)); err != nil {
		return err
	}
	command := n.Find("command")
	if command == nil {
		command = n
	}
	return errors.Join(r.checkCommand(command), checkShell(n), checkEnvironment(n))
}

func (r *run) checkCommand(at *yaml.Node) error {
	if strings.TrimSpace(r.Command) == "" {
		return at.Errorf("run needs a command, such as echo hello")
	}
	if strings.ContainsRune(r.Command, 0) {
		return at.Errorf("a command cannot hold a zero byte")
	}
	return nil
}

type checkout remuda.Checkout

// UnmarshalYAMLNode reads the members, and refuses what they say against each other.
func (c *checkout) UnmarshalYAMLNode(n *yaml.Node) error {
	var members struct {
		Name       string `yaml:"name"`
		Path       string `yaml:"path"`
		Username   string `yaml:"username"`
		Token      string `yaml:"token"`
		SSHKey     string `yaml:"ssh_key"`
		KnownHosts string `yaml:"known_hosts"`
		Depth      int    `yaml:"depth"`
	}
	if err := n.Decode(&members); err != nil {
		return err
	}
	*c = checkout(members)
	if c.Depth < 0 {
		return n.Find("depth").Errorf("expected how many commits of history, or 0 for all, got %d", c.Depth)
	}
	if c.Token != "" && c.SSHKey != "" {
		return n.Find("ssh_key").Errorf("a checkout goes over HTTPS with token or over SSH with ssh_key; remove one")
	}
	return nil
}

// listed holds that a secret which a checkout names is one that the task has.
func (f *file) listed(n *yaml.Node, member, name string) error {
	if n == nil || n.Find(member) == nil {
		return nil
	}
	for _, known := range f.Secrets {
		if name == known {
			return nil
		}
	}
	return n.Find(member).Errorf("it names the secret %q, which is not listed%s", name,
		orMeant(name, f.Secrets, "; add it at the top of the file: secrets: ["+name+"]"))
}

// when is read with the nearest of its three words.
type when remuda.When

// UnmarshalText reads one of the words.
func (w *when) UnmarshalText(text []byte) error {
	known := []string{string(remuda.OnSuccess), string(remuda.OnFail), string(remuda.Always)}
	for _, word := range known {
		if string(text) == word {
			*w = when(word)
			return nil
		}
	}
	return errors.New("expected on_success, on_fail or always, got " + quoted(string(text)) + orMeant(string(text), known, ""))
}

// duration is stricter than remuda.Duration: what is written is one form, without sign, so that the schema can say it.
type duration remuda.Duration

var durationForm = regexp.MustCompile(`^([0-9]{1,4}d)?([0-9]{1,6}(\.[0-9]{1,9})?h)?([0-9]{1,6}(\.[0-9]{1,9})?m)?([0-9]{1,6}(\.[0-9]{1,9})?s)?([0-9]{1,6}ms)?$`)

// UnmarshalText reads 90s, 10m, 1h30m or 2d. Zero is refused: it would be taken for the default.
func (d *duration) UnmarshalText(text []byte) error {
	if !durationForm.Match(text) || len(text) == 0 {
		return errors.New("expected a duration such as 90s, 10m, 5h or 2d, got " + quoted(string(text)))
	}
	parsed, err := remuda.ParseDuration(string(text))
	if err != nil {
		return err
	}
	if !strings.ContainsAny(string(text), "123456789") {
		return errors.New("expected more than nothing; leave it out for the default")
	}
	*d = duration(parsed)
	return nil
}

// orMeant names the known word that was probably meant, or else says other.
func orMeant(word string, known []string, other string) string {
	if meant, found := nearest.Name(word, known); found {
		return "; did you mean " + quoted(meant) + "?"
	}
	return other
}

func quoted(text string) string {
	if len(text) > 60 {
		text = strings.ToValidUTF8(text[:60], "") + "…"
	}
	return `"` + text + `"`
}

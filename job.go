package remuda

// Job is what implementation "job" carries out: steps in a shell, one after the other.
type Job struct {
	WorkingDirectory string            `json:"working_directory,omitempty" maxLength:"4096" doc:"Where steps start; the task's own folder when empty, relative to it otherwise"`
	Environment      map[string]string `json:"environment,omitempty" doc:"Variables of every step"`
	Shell            string            `json:"shell,omitempty" maxLength:"1000" doc:"Shell and its options; 'bash -eo pipefail', or 'sh -e' where there is no bash"`
	Steps            []JobStep         `json:"steps" minItems:"1" maxItems:"500"`
}

// JobStep is exactly one of its members.
type JobStep struct {
	Run      *Run      `json:"run,omitempty" doc:"A command in a shell"`
	Checkout *Checkout `json:"checkout,omitempty" doc:"Puts the task's source into a folder"`
}

// When says on which fate of the steps before it a step runs.
type When string

// The conditions of a step; OnSuccess when nothing is said.
const (
	OnSuccess When = "on_success"
	OnFail    When = "on_fail"
	Always    When = "always"
)

// Run is a step that runs a command in a shell.
type Run struct {
	Name             string            `json:"name,omitempty" maxLength:"500" doc:"What people call it; the command's first line when empty"`
	Command          string            `json:"command" minLength:"1" maxLength:"1048576"`
	Shell            string            `json:"shell,omitempty" maxLength:"1000"`
	Environment      map[string]string `json:"environment,omitempty"`
	WorkingDirectory string            `json:"working_directory,omitempty" maxLength:"4096"`
	Background       bool              `json:"background,omitempty" doc:"The next step does not wait for it; it is ended after the last one"`
	When             When              `json:"when,omitempty" enum:"on_success,on_fail,always"`
	NoOutputTimeout  Duration          `json:"no_output_timeout,omitempty" doc:"It fails after so long without output; 10m when empty"`
	Timeout          Duration          `json:"timeout,omitempty" doc:"It fails after so long; none when empty"`
}

// Checkout is a step that clones the task's source with the machine's git.
type Checkout struct {
	Name       string `json:"name,omitempty" maxLength:"500"`
	Path       string `json:"path,omitempty" maxLength:"4096" doc:"Where to; the job's working directory when empty"`
	Username   string `json:"username,omitempty" maxLength:"200" doc:"For HTTPS with a token; 'x-access-token' when empty"`
	Token      string `json:"token,omitempty" maxLength:"200" doc:"Name of the secret that holds the password or token for HTTPS"`
	SSHKey     string `json:"ssh_key,omitempty" maxLength:"200" doc:"Name of the secret that holds a private key for SSH"`
	KnownHosts string `json:"known_hosts,omitempty" maxLength:"65536" doc:"Lines as in known_hosts; the machine's own when empty. An unknown host is refused"`
	Depth      int    `json:"depth,omitempty" minimum:"0" doc:"How many commits of history; all when 0"`
}

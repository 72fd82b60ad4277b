package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/jobfile"
)

// runFlags are what 'remuda run' was told beside the file.
type runFlags struct {
	local, detach                           bool
	file                                    string
	name, class, project, organization, key string
	environment, secrets, capabilities      []string
	group, policy                           string
	limit                                   int
	timeout                                 remuda.Duration
	parallelism, priority                   int
	words                                   []string // after --
	dir                                     string
	inputs                                  []string // of a block
	inputFile                               string
}

func (p *program) runCommand() *cobra.Command {
	var flags runFlags
	var f *format
	var l *connection
	var c *cobra.Command
	c = command(page{
		use: "run [FILE] [-- COMMAND...]", short: "Run a job and show its output",
		long: "Run a job from a file, or one command, and show its output until it ends.\n\n" +
			"With --local nothing else is needed: a control plane in a temporary folder and a runner, both in this process, " +
			"carry the job out on this machine, in a folder of its own. Otherwise it is submitted to the control plane that " +
			"--url, REMUDA_URL or 'remuda login' name.\n\n" +
			"A folder with an OpenTofu module and a block.yml is a building block: with --local it is planned, applied, and its outputs " +
			"are printed. With --dir the control plane's data folder, and so the block's state, is there the next time.\n\n" +
			"The first ^C cancels the job and waits for its end, the second leaves at once.",
		example: "remuda run --local examples/hello.yml\nremuda run --local --dir data examples/block --input name=horses\nremuda run -f build.yml --secret DEPLOY_KEY\nremuda run --resource-class acme/linux -- make test\nremuda run --detach -o json -f nightly.yml",
		exits:   "0 the job succeeded (or, with --detach, was submitted), 1 a step or the job failed, 2 a wrong file or flag, 130 interrupted",
		signals: true,
	}, cobra.ArbitraryArgs, func(ctx context.Context, args []string) error {
		switch {
		case *f != formatTable && !flags.detach:
			return wrong("--output %s is for --detach: without it, what the job prints is shown as it comes", *f)
		case flags.local && flags.detach:
			return wrong("--local and --detach: a local job lasts no longer than this command; choose one of them")
		}
		if dir := moduleFolder(flags, args); dir != "" {
			return p.runModule(ctx, c, flags, dir)
		}
		if flags.dir != "" && !flags.local || len(flags.inputs) > 0 || flags.inputFile != "" {
			return wrong("--dir is for --local, and --input for a folder with a module")
		}
		submission, err := p.submission(c, flags, args)
		if err != nil {
			return err
		}
		if flags.local {
			if l.settings.typed() {
				return wrong("--local needs no control plane: leave out --url and its like")
			}
			return p.runLocal(ctx, flags.dir, submission)
		}
		u, err := l.user()
		if err != nil {
			return err
		}
		if submission.ResourceClass == "" {
			submission.ResourceClass = l.context.ResourceClass
		}
		if submission.ResourceClass == "" {
			return wrong("which resource class? Say resource_class in the file, or --resource-class; 'remuda resource-class list' names them")
		}
		return p.submit(ctx, u, submission, flags, *f)
	})
	fs := c.Flags()
	fs.BoolVar(&flags.local, "local", false, "run it here, without any server")
	fs.StringVar(&flags.dir, "dir", "", "with --local: data folder that lasts; a temporary one when left out")
	fs.StringVarP(&flags.file, "file", "f", "", "job FILE; - for standard input")
	fs.BoolVarP(&flags.detach, "detach", "d", false, "submit only, do not wait")
	fs.StringVar(&flags.name, "name", "", "what people call the job")
	p.classFlag(c, &flags.class, "class of runners, instead of the file's")
	fs.StringVar(&flags.project, "project", "", "project that it counts for, instead of the file's")
	p.completingFlag(c, "project", projectNames)
	p.organizationFlag(c, &flags.organization)
	fs.StringArrayVarP(&flags.inputs, "input", "i", nil, "value of a block's input, KEY=VALUE; repeat it for several")
	fs.StringVar(&flags.inputFile, "input-file", "", "YAML or JSON file with values of a block's inputs by key")
	fs.StringArrayVarP(&flags.environment, "env", "e", nil, "variable of every step, NAME=VALUE, or NAME to take yours; repeat it for several")
	fs.StringArrayVar(&flags.secrets, "secret", nil, "name of a variable of yours to hand over as a secret; repeat it for several")
	durationFlag(fs, &flags.timeout, "timeout", "how long it may run, such as 90s or 2h")
	fs.IntVar(&flags.parallelism, "parallelism", 0, "how many tasks it becomes")
	fs.IntVar(&flags.priority, "priority", 0, "-100 to 100; higher goes first")
	fs.StringVar(&flags.group, "concurrency-group", "", "group of the project of whose tasks only so many run at once")
	fs.IntVar(&flags.limit, "concurrency-limit", 0, "how many; 1 when nobody says")
	fs.StringVar(&flags.policy, "concurrency-policy", "", "what becomes of it while older jobs of the group have not ended: queue, replace or reject")
	_ = c.RegisterFlagCompletionFunc("concurrency-policy", cobra.FixedCompletions(policies(), cobra.ShellCompDirectiveNoFileComp))
	fs.StringArrayVar(&flags.capabilities, "capability", nil, "what a runner must have to take it, beside the file's; repeat it for several")
	fs.StringVar(&flags.key, "idempotency-key", "", "submitted twice with the same KEY, it runs once")
	l = p.connection(c)
	f = p.output(c)
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return []cobra.Completion{"yml", "yaml"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return c
}

// submission is what file, flags and words ask for.
func (p *program) submission(c *cobra.Command, flags runFlags, args []string) (remuda.Submission, error) {
	if dash := c.ArgsLenAtDash(); dash >= 0 {
		args, flags.words = args[:dash], args[dash:]
	}
	if len(args) > 1 || len(args) == 1 && flags.file != "" {
		return remuda.Submission{}, wrong("one job at a time; a command goes after --, such as remuda run -- %s", strings.Join(args, " "))
	}
	if len(args) == 1 {
		flags.file = args[0]
	}
	s, err := p.readJob(flags)
	if err != nil {
		return s, failure{exitUsage, err}
	}
	return s, p.applyFlags(&s, flags)
}

func (p *program) readJob(flags runFlags) (remuda.Submission, error) {
	switch {
	case flags.file != "" && len(flags.words) > 0:
		return remuda.Submission{}, errors.New("a job file or a command after --, not both")
	case len(flags.words) > 0:
		run := &remuda.Run{Command: shellWords(flags.words)}
		name := filepath.Base(strings.Fields(flags.words[0] + " command")[0])
		return remuda.Submission{Name: name, Job: &remuda.Job{Steps: []remuda.JobStep{{Run: run}}}}, nil
	case flags.file == "":
		return remuda.Submission{}, errors.New("what shall run? Name a job file, or a command after --; see 'remuda run --help'")
	case flags.file == "-":
		data, err := io.ReadAll(io.LimitReader(p.stdin, 16<<20))
		if err != nil {
			return remuda.Submission{}, fmt.Errorf("read the job from standard input: %w", err)
		}
		return jobfile.Parse("stdin", data, p.env)
	}
	data, err := os.ReadFile(flags.file)
	if err != nil {
		return remuda.Submission{}, err
	}
	s, err := jobfile.Parse(flags.file, data, p.env)
	if err == nil && s.Name == "" {
		s.Name = strings.TrimSuffix(filepath.Base(flags.file), filepath.Ext(flags.file))
	}
	return s, err
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// applyFlags lets what was typed win over what the file says.
func (p *program) applyFlags(s *remuda.Submission, flags runFlags) error {
	override(&s.Name, flags.name)
	override(&s.ResourceClass, flags.class)
	override(&s.Project, flags.project)
	override(&s.Organization, flags.organization)
	override(&s.Timeout, flags.timeout)
	override(&s.Parallelism, flags.parallelism)
	override(&s.Priority, flags.priority)
	s.Capabilities = append(s.Capabilities, flags.capabilities...)
	if err := applyGroup(s, flags); err != nil {
		return err
	}
	for _, pair := range flags.environment {
		name, value, given := strings.Cut(pair, "=")
		if !variableName.MatchString(name) {
			return wrong("--env %s: expected NAME=VALUE, or NAME alone", pair)
		}
		if !given {
			mine, set := p.env(name)
			if !set {
				return wrong("--env %s: it is not set here", name)
			}
			value = mine
		}
		if s.Job.Environment == nil {
			s.Job.Environment = map[string]string{}
		}
		s.Job.Environment[name] = value
	}
	for _, name := range flags.secrets {
		value, set := p.env(name)
		if !variableName.MatchString(name) || !set {
			return wrong("--secret %s: expected the name of a variable that is set here; values are never typed", name)
		}
		if len(value) < remuda.ShortestSecret {
			return wrong("--secret %s: its value has fewer than %d bytes, which are too few to hide it in output", name, remuda.ShortestSecret)
		}
		if s.Secrets == nil {
			s.Secrets = map[string]remuda.Secret{}
		}
		s.Secrets[name] = remuda.NewSecret(value)
	}
	return nil
}

// policies are the words of --concurrency-policy.
func policies() []string {
	return []string{string(remuda.ConcurrencyQueue), string(remuda.ConcurrencyReplace), string(remuda.ConcurrencyReject)}
}

// applyGroup lets what was typed of the group win over what the file says.
func applyGroup(s *remuda.Submission, flags runFlags) error {
	if flags.policy != "" && !slices.Contains(policies(), flags.policy) {
		return wrong("--concurrency-policy %s: it is one of %s", flags.policy, strings.Join(policies(), ", "))
	}
	if flags.limit < 0 {
		return wrong("--concurrency-limit %d: expected how many", flags.limit)
	}
	if s.Concurrency == nil {
		if flags.group == "" {
			if flags.limit != 0 || flags.policy != "" {
				return wrong("which group? Say --concurrency-group, or concurrency in the file")
			}
			return nil
		}
		s.Concurrency = &remuda.Concurrency{}
	}
	override(&s.Concurrency.Group, flags.group)
	override(&s.Concurrency.Limit, flags.limit)
	override(&s.Concurrency.Policy, remuda.ConcurrencyPolicy(flags.policy))
	return nil
}

func override[T comparable](into *T, said T) {
	var nothing T
	if said != nothing {
		*into = said
	}
}

// shellWords makes one command of words. A single word may be a whole script; several are quoted to stay as they are.
func shellWords(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = word
		if word == "" || strings.ContainsAny(word, " \t\n'\"\\$`!*?[](){}<>|&;#~^=%") {
			quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// submit hands a job to the control plane and, unless detached, shows it.
func (p *program) submit(ctx context.Context, u *client.User, s remuda.Submission, flags runFlags, f format) error {
	job, err := u.Submit(ctx, s, flags.key)
	if err != nil {
		return err
	}
	if flags.detach && f != formatTable {
		return p.encode(f, job)
	}
	for _, t := range job.Tasks {
		about := fmt.Sprintf("%s  %s  task %s", plain(nameOf(t)), t.ResourceClass, t.ID)
		if flags.detach {
			fmt.Fprintln(p.stdout, t.ID)
			fmt.Fprintln(p.stderr, p.faint(p.stderr, about))
			continue
		}
		fmt.Fprintln(p.stdout, p.faint(p.stdout, "● "+about))
	}
	if flags.detach {
		return nil
	}
	return p.watch(ctx, u, job.Tasks)
}

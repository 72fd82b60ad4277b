package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/seal"
)

// Ranch is an installation in the middle of a working day: something of everything that pages show.
type Ranch struct {
	Failed, Running, Queued string // tasks
	Runner                  string // one that is busy
	Definition              string // of databases
	Network, Database, Zone string // blocks: one that is there, one whose plan waits for approval, one that lacks an input
	Plan                    string // the run whose plan waits
}

// Furnish makes a Ranch.
func (s *Site) Furnish(t testing.TB) Ranch {
	t.Helper()
	f := &furnisher{t: t, s: s, held: map[string][]string{}}
	for _, name := range []string{"acme", "platform"} {
		f.try(s.Admin.CreateOrganization(t.Context(), remuda.Organization{Name: name}))
		f.try(s.Admin.ClaimNamespace(t.Context(), name, name))
	}
	for name, description := range map[string]string{
		"acme/linux": "Builds and tests, Debian 12", "acme/arm": "Raspberry Pis in the cellar", "acme/gpu": "Two A100 under the stairs", "platform/tofu": "Runs of building blocks",
	} {
		f.try(s.Admin.CreateResourceClass(t.Context(), remuda.ResourceClass{Name: name, Description: description}))
	}
	first := f.runner("linux-1", "acme/linux", 2, true)
	second := f.runner("linux-2", "acme/linux", 2, true)
	f.runner("gpu-1", "acme/gpu", 1, false)
	builder := f.runner("tofu-1", "platform/tofu", 4, true)

	var r Ranch
	r.Runner = second
	for n := range 12 {
		f.submit(fmt.Sprintf("unit tests %d", n+1), "acme/linux", "app", "go test ./...")
		f.play(first, func(c remuda.Claim) remuda.Result { return f.report(c, passing, n%5 != 4) })
	}
	r.Failed = f.submit("end to end", "acme/linux", "shop", "npm ci", "npx playwright test")
	f.play(first, func(c remuda.Claim) remuda.Result { return f.report(c, failing, false) })
	f.submit("release", "acme/linux", "shop", "make release")
	r.Running = f.submit("nightly build", "acme/linux", "app", "make clean", "make all", "make package")
	for range 2 {
		f.start(second, passing)
	}
	f.submit("flaky test hunt", "acme/linux", "app", "go test -count=1000 ./...")
	f.submit("soak test", "acme/linux", "app", "make soak")
	for range 2 {
		f.start(first, passing)
	}
	f.submit("weekly report", "acme/linux", "shop", "make report")
	r.Queued = f.submit("flash image", "acme/arm", "firmware", "make image")
	f.submit("train", "acme/gpu", "models", "python train.py")
	f.blocks(&r, builder)
	f.giveSigns()
	return r
}

// Output of a run of tests that passes, and of one that does not, with the colours of a terminal.
const (
	passing = "\x1b[36m==>\x1b[0m go test ./...\n\x1b[32mok\x1b[0m  \texample.org/app/cart\t0.412s\n\x1b[32mok\x1b[0m  \texample.org/app/checkout\t1.038s\n\x1b[33mwarn\x1b[0m\tcoverage of payment is 61.2 %\n\x1b[32mok\x1b[0m  \texample.org/app/payment\t2.204s\n"
	failing = "\x1b[1mRunning 3 tests using 2 workers\x1b[0m\n  \x1b[32m✓\x1b[0m  1 cart.spec.ts › adds a horse to the cart \x1b[2m(1.2s)\x1b[0m\n  \x1b[32m✓\x1b[0m  2 cart.spec.ts › removes it again \x1b[2m(0.8s)\x1b[0m\n  \x1b[31m✗\x1b[0m  3 checkout.spec.ts › pays by invoice \x1b[2m(30.0s)\x1b[0m\n\n    \x1b[31mError: expected \x1b[1m\"paid\"\x1b[22m, received \x1b[1m\"pending\"\x1b[22m\x1b[0m\n        at checkout.spec.ts:41:18\n\n  1 failed\n  2 passed \x1b[2m(33.4s)\x1b[0m\n"
)

type furnisher struct {
	t    testing.TB
	s    *Site
	held map[string][]string // claims, by their runners
	fit  []string            // runners that give signs
}

func (f *furnisher) try(_ any, err error) {
	f.t.Helper()
	must(f.t, err)
}

// runner registers one, which is heard of once.
func (f *furnisher) runner(name, class string, slots int, fit bool) string {
	f.t.Helper()
	token := f.s.Token(f.t, remuda.Token{Kind: remuda.ClassToken, Nickname: name, ResourceClass: class})
	key, err := seal.NewKey()
	must(f.t, err)
	made, err := f.s.Plane.Register(f.t.Context(), remuda.Registration{
		Name: name, Hostname: name + ".example.org", OS: "linux", Arch: "amd64", Version: "0.0.1", Slots: slots,
		Capabilities: []string{"job", "opentofu"}, PublicKey: key.Public(), Tokens: []remuda.Secret{remuda.NewSecret(token.Token)},
	}, "192.0.2.7")
	must(f.t, err)
	if fit {
		f.fit = append(f.fit, made.ID)
	} else {
		_, err = f.s.Plane.AsRunner(made.ID).Sync(f.t.Context(), remuda.Sync{Holding: []string{nobodys}, Quarantined: true, Reason: "3 tasks in a row could not be started: no space left on device"})
		must(f.t, err)
	}
	return made.ID
}

// nobodys is a claim that a sync is answered for at once.
const nobodys = "00000000-0000-7000-8000-000000000000"

func (f *furnisher) submit(name, class, project string, commands ...string) string {
	f.t.Helper()
	job := &remuda.Job{}
	for _, command := range commands {
		job.Steps = append(job.Steps, remuda.JobStep{Run: &remuda.Run{Command: command}})
	}
	made, err := f.s.Admin.Submit(f.t.Context(), remuda.Submission{
		Name: name, Organization: "acme", Project: project, ResourceClass: class, Job: job,
		Source: remuda.Source{Repository: "https://git.example.org/acme/" + project, Ref: "main"},
	}, "")
	must(f.t, err)
	return made.Tasks[0].ID
}

// claim gives a runner one task.
func (f *furnisher) claim(runner string) remuda.Claim {
	f.t.Helper()
	answer, err := f.s.Plane.AsRunner(runner).Sync(f.t.Context(), remuda.Sync{Ready: true, Most: 1, Holding: append(f.held[runner], nobodys)})
	must(f.t, err)
	if len(answer.Claims) == 0 {
		f.t.Fatal("nothing to claim")
	}
	return answer.Claims[len(answer.Claims)-1]
}

func (f *furnisher) play(runner string, carryOut func(remuda.Claim) remuda.Result) {
	f.t.Helper()
	claim := f.claim(runner)
	must(f.t, f.s.Plane.AsRunner(runner).Finish(f.t.Context(), claim.ID, carryOut(claim)))
}

// steps are those of a claim, one after the other.
func (f *furnisher) steps(c remuda.Claim) (steps []remuda.Step) {
	var payload struct {
		Steps []remuda.JobStep `json:"steps"`
	}
	_ = json.Unmarshal(c.Payload, &payload) // of runs of blocks it has none
	for n, step := range payload.Steps {
		steps = append(steps, remuda.Step{Number: n, Name: step.Run.Command, State: remuda.StepPending})
	}
	if len(steps) == 0 {
		for n, name := range []string{"init", "plan"} {
			steps = append(steps, remuda.Step{Number: n, Name: name, State: remuda.StepPending})
		}
	}
	return steps
}

// begin has all steps but the last succeed, and the last write something.
func (f *furnisher) begin(c remuda.Claim, text string) []remuda.Step {
	f.t.Helper()
	door, steps := f.s.Plane.AsTask(c.ID), f.steps(c)
	f.try(door.Begin(f.t.Context(), remuda.Begin{Steps: steps}))
	now := time.Now()
	zero := 0
	for n := range steps {
		from, to := now.Add(time.Duration(n)*150*time.Millisecond), now.Add(time.Duration(n+1)*150*time.Millisecond)
		steps[n].State, steps[n].StartedAt = remuda.StepRunning, &from
		if n < len(steps)-1 {
			steps[n].State, steps[n].EndedAt, steps[n].ExitCode = remuda.StepSucceeded, &to, &zero
		}
	}
	must(f.t, door.Steps(f.t.Context(), steps))
	f.try(door.Append(f.t.Context(), remuda.Chunk{Step: len(steps) - 1, Source: int64(len(text)), Data: []byte(text)}))
	return steps
}

func (f *furnisher) start(runner, text string) {
	f.t.Helper()
	claim := f.claim(runner)
	f.held[runner] = append(f.held[runner], claim.ID)
	f.begin(claim, text)
}

// giveSigns has the runners say that they are there, until the test ends.
func (f *furnisher) giveSigns() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	f.t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		for {
			for _, runner := range f.fit {
				said := remuda.Sync{Ready: true, Most: 1, Holding: append(slices.Clone(f.held[runner]), nobodys)}
				if answer, err := f.s.Plane.AsRunner(runner).Sync(ctx, said); err == nil {
					for _, claim := range answer.Claims {
						f.held[runner] = append(f.held[runner], claim.ID)
					}
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(5 * time.Second):
			}
		}
	}()
}

// report carries a claim out.
func (f *furnisher) report(c remuda.Claim, text string, succeeds bool) remuda.Result {
	f.t.Helper()
	steps := f.begin(c, text)
	door, last, code := f.s.Plane.AsTask(c.ID), &steps[len(steps)-1], 0
	end := last.StartedAt.Add(700 * time.Millisecond)
	last.State, last.EndedAt = remuda.StepSucceeded, &end
	result := remuda.Result{State: remuda.Succeeded}
	if !succeeds {
		code, last.State = 1, remuda.StepFailed
		result = remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: fmt.Sprintf("step %d (%s) ended with exit code 1", last.Number+1, last.Name)}
	}
	last.ExitCode = &code
	must(f.t, door.Steps(f.t.Context(), steps))
	f.try(door.CloseStream(f.t.Context(), last.Number, remuda.StreamClose{Length: int64(len(text))}))
	return result
}

func value(v any) remuda.Value {
	text, _ := json.Marshal(v) // texts and numbers
	return remuda.Value{Value: text}
}

// blocks makes definitions, and a block in each state that matters.
func (f *furnisher) blocks(r *Ranch, runner string) {
	f.t.Helper()
	network := f.definition("Network", "A subnet with its routes.", false, map[string]remuda.Input{
		"range": {Name: "Address range", Type: remuda.TypeString, Assignment: remuda.AssignUser, Pattern: `10\.[0-9.]+/[0-9]+`, PatternError: "A range below 10.0.0.0/8, such as 10.7.0.0/16."},
	}, map[string]remuda.Output{"subnet": {Type: remuda.TypeString}})
	from := value(network + ".subnet")
	size := value("small")
	r.Definition = f.definition("PostgreSQL database", "A database with backups, reachable from its network alone.", true, map[string]remuda.Input{
		"name":     {Name: "Name", Type: remuda.TypeString, Assignment: remuda.AssignUser, Description: "Of the database, in lower case.", Pattern: "[a-z][a-z0-9_]*", PatternError: "Lower case letters, digits and '_'.", Order: 1},
		"size":     {Name: "Size", Type: remuda.TypeSingleSelect, Assignment: remuda.AssignUser, Choices: []string{"small", "medium", "large"}, Default: &size, Order: 2},
		"backups":  {Name: "Days of backups", Type: remuda.TypeInteger, Assignment: remuda.AssignUser, Optional: true, Order: 3},
		"public":   {Name: "Reachable from the internet", Type: remuda.TypeBoolean, Assignment: remuda.AssignUser, Optional: true, Order: 4},
		"password": {Name: "Password of the owner", Type: remuda.TypeString, Assignment: remuda.AssignUser, Sensitive: true, Order: 5},
		"subnet":   {Type: remuda.TypeString, Assignment: remuda.AssignOutput, Argument: &from},
	}, map[string]remuda.Output{"address": {Type: remuda.TypeString}, "connection": {Type: remuda.TypeString, Sensitive: true}}, network)
	zone := f.definition("DNS zone", "A zone below example.org.", false, map[string]remuda.Input{
		"zone": {Name: "Zone", Type: remuda.TypeString, Assignment: remuda.AssignUser},
	}, nil)

	r.Network = f.order(remuda.Block{Name: "shop network", Definition: network, Inputs: map[string]remuda.Value{"range": value("10.7.0.0/16")}})
	f.settle(runner, r.Network, remuda.BlockSucceeded, remuda.RunReport{
		Plan:    &remuda.PlanSummary{Add: 2, Resources: []remuda.ResourceChange{{Address: "example_subnet.main", Type: "example_subnet", Actions: []string{"create"}}, {Address: "example_route.out", Type: "example_route", Actions: []string{"create"}}}},
		Outputs: map[string]remuda.RunOutput{"subnet": {Type: remuda.TypeString, Value: json.RawMessage(`"subnet-0a7"`)}},
	})
	r.Database = f.order(remuda.Block{Name: "shop database", Definition: r.Definition, Parents: []string{r.Network}, Inputs: map[string]remuda.Value{
		"name": value("shop"), "size": value("medium"), "backups": value(14), "password": value("correct horse"),
	}})
	f.settle(runner, r.Database, remuda.BlockWaitsForApproval, remuda.RunReport{Plan: &remuda.PlanSummary{Add: 1, Change: 1, Destroy: 1, Resources: []remuda.ResourceChange{
		{Address: "example_database.main", Type: "example_database", Actions: []string{"create"}, After: map[string]json.RawMessage{"name": json.RawMessage(`"shop"`), "size": json.RawMessage(`"medium"`), "subnet": json.RawMessage(`"subnet-0a7"`)}},
		{Address: "example_policy.backups", Type: "example_policy", Actions: []string{"update"}, Before: map[string]json.RawMessage{"days": json.RawMessage(`7`)}, After: map[string]json.RawMessage{"days": json.RawMessage(`14`)}},
		{Address: "example_record.old", Type: "example_record", Actions: []string{"delete"}, Before: map[string]json.RawMessage{"name": json.RawMessage(`"db-old.example.org"`)}},
	}}})
	r.Zone = f.order(remuda.Block{Name: "shop zone", Definition: zone})
	runs, err := f.s.Builder.Runs(f.t.Context(), blocks.RunFilter{Block: r.Database}, blocks.Span{})
	must(f.t, err)
	if at := slices.IndexFunc(runs.Items, func(run remuda.BlockRun) bool { return run.Approval == remuda.ApprovalWaiting }); at >= 0 {
		r.Plan = runs.Items[at].ID
	}
}

func (f *furnisher) definition(name, description string, approval bool, inputs map[string]remuda.Input, outputs map[string]remuda.Output, dependencies ...string) string {
	f.t.Helper()
	made, err := f.s.Builder.CreateDefinition(f.t.Context(), remuda.Definition{Organization: "platform", Name: name, Description: description, Access: remuda.AccessAll, RunTransparency: true})
	must(f.t, err)
	f.try(f.s.Builder.ChangeVersion(f.t.Context(), made.ID, 1, remuda.Version{
		ResourceClass: "platform/tofu", Inputs: inputs, Outputs: outputs, Dependencies: dependencies, Approval: approval,
		Implementation: remuda.Blueprint{Type: remuda.BlueprintOpenTofu, OpenTofu: &remuda.OpenTofuBlueprint{Version: "1.10.10", Repository: "https://git.example.org/platform/modules", Ref: "v1"}},
	}))
	f.try(f.s.Builder.ReleaseVersion(f.t.Context(), made.ID, 1))
	return made.ID
}

func (f *furnisher) order(b remuda.Block) string {
	f.t.Helper()
	b.Organization, b.Project = "acme", "shop"
	made, err := f.s.Builder.OrderBlock(f.t.Context(), b, "")
	must(f.t, err)
	return made.ID
}

// settle carries out a block's run, and waits until that is known of the block.
func (f *furnisher) settle(runner, block string, want remuda.BlockStatus, report remuda.RunReport) {
	f.t.Helper()
	changes := true
	report.Changes = &changes
	claim := f.claim(runner)
	door := f.s.Blocks.AsRun(claim.ID)
	f.plan(runner, claim, func() {
		if want == remuda.BlockWaitsForApproval {
			must(f.t, door.SavePlan(f.t.Context(), []byte("a plan")))
		}
		must(f.t, door.Report(f.t.Context(), report))
	})
	for end := time.Now().Add(patience); ; {
		now, err := f.s.Builder.Block(f.t.Context(), block)
		must(f.t, err)
		if now.Status == want {
			return
		}
		if time.Now().After(end) {
			f.t.Fatalf("block %s is %s, not %s: %s", now.Name, now.Status, want, now.Detail)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// plan carries out the claim of a run that was given already; during it, its agent says what it has to.
func (f *furnisher) plan(runner string, claim remuda.Claim, during func()) {
	f.t.Helper()
	steps := f.begin(claim, "\x1b[1mInitializing the backend...\x1b[0m\n\x1b[32mOpenTofu has been successfully initialized!\x1b[0m\n")
	during()
	door := f.s.Plane.AsTask(claim.ID)
	for n := range steps {
		end := steps[n].StartedAt.Add(400 * time.Millisecond)
		steps[n].State, steps[n].EndedAt = remuda.StepSucceeded, &end
	}
	must(f.t, door.Steps(f.t.Context(), steps))
	must(f.t, f.s.Plane.AsRunner(runner).Finish(f.t.Context(), claim.ID, remuda.Result{State: remuda.Succeeded}))
}

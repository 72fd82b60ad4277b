package job_test

import (
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent/agenttest"
	"github.com/remuda-dev/remuda/internal/job"
)

func TestMain(m *testing.M) {
	if agenttest.IsAgent(os.Args) {
		ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		os.Exit(agenttest.Main(ctx, os.Stdin, os.Stderr, job.New()))
	}
	goleak.VerifyTestMain(m)
}

func TestAJobIsAnImplementation(t *testing.T) {
	agenttest.Run(t, agenttest.Suite{
		Implementation: job.Name,
		Says:           func(text string) remuda.Payload { return shell(`echo '` + text + `'`) },
		Fails:          func() remuda.Payload { return shell("exit 3") },
		Refused:        func() remuda.Payload { return remuda.Payload(`{"steps": [{"levitate": {}}]}`) },
		Touches:        func(file string) remuda.Payload { return shell("touch " + file) },
		Hangs: func(file, text string) remuda.Payload {
			return shell("sleep 1000 & echo $! > " + file + "; echo " + text + "; wait")
		},
		Defies: func(file, text string) remuda.Payload {
			return shell("trap '' TERM; sleep 1000 & echo $! > " + file + "; echo " + text + "; wait")
		},
		LeavesBehind: func(file string) remuda.Payload {
			return shell("setsid nohup sh -c 'echo $$ > " + file + "; exec sleep 1000' & until [ -s " + file + " ]; do :; done")
		},
		Counts: func(group, file string) remuda.Payload {
			return shell("echo $$ > " + group + "; i=0; while :; do i=$((i+1)); echo $i; echo $i >> " + file + "; done")
		},
	})
}

// shell is a job of commands, one a step.
func shell(commands ...string) remuda.Payload {
	steps := make([]remuda.JobStep, len(commands))
	for n, command := range commands {
		steps[n].Run = &remuda.Run{Command: command}
	}
	return payload(remuda.Job{Steps: steps})
}

func payload(j remuda.Job) remuda.Payload {
	text, err := json.Marshal(j)
	if err != nil {
		panic(err)
	}
	return text
}

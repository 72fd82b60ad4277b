package pool

import (
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

func TestWhyARunnerTakesNothingIsSaidInWords(t *testing.T) {
	for state, words := range map[remuda.RunnerState]string{
		remuda.RunnerPaused: "until it is resumed", remuda.RunnerDraining: "finishes what it has", remuda.RunnerQuarantined: "takes nothing new: the disk is full. It tries",
		remuda.RunnerSilent: "no sign for 30 seconds", remuda.RunnerLost: "start it again", remuda.RunnerIdle: "It takes nothing new: the disk is full.",
		remuda.RunnerBusy: "It takes nothing new: the disk is full.",
	} {
		if said := standing(remuda.Runner{State: state, Reason: "the disk is full"}); !strings.Contains(said, words) {
			t.Errorf("%s: %q", state, said)
		}
	}
	for _, state := range []remuda.RunnerState{remuda.RunnerIdle, remuda.RunnerBusy} {
		if said := standing(remuda.Runner{State: state}); said != "" {
			t.Errorf("one that takes tasks: %q", said)
		}
	}
}

func TestTheConfigurationOfARunnerFitsHowTheControlPlaneIsReached(t *testing.T) {
	for address, insecure := range map[string]bool{
		"https://remuda.example.com": false, "http://remuda.example.com:8080": true, "http://10.0.0.7": true,
		"http://127.0.0.1:8080": false, "http://localhost:8080": false, "http://[::1]:8080": false,
	} {
		i := installing{Address: address, Nickname: "say \"moo\":\n<&> #1", Slots: 3, Token: remuda.Token{Token: "rmd_cls_x"}}
		want := "api:\n  url: " + address + "\n  auth_token: rmd_cls_x\n"
		if insecure {
			want += "  insecure: true\n"
		}
		want += "runner:\n  name: \"say \\\"moo\\\":\\n<&> #1\"\n  slots: 3\n"
		if said := i.config(); said != want {
			t.Errorf("%s:\n%s", address, said)
		}
		if strings.Contains(i.login(), "--insecure") != insecure {
			t.Errorf("%s: %s", address, i.login())
		}
	}
}

func TestHowLongTasksWaitIsToldInWholeMinutes(t *testing.T) {
	for want, s := range map[string]remuda.Scaling{
		"none waits": {}, "less than a minute": {Queued: 1, OldestAge: 59}, "1m": {Queued: 1, OldestAge: 119}, "2h": {Queued: 1, OldestAge: 7250},
	} {
		if said := waited(s); said != want {
			t.Errorf("%+v: %q, want %q", s, said, want)
		}
	}
}

package machine

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestThePrefixTellsWhoseTheAgentIs(t *testing.T) {
	for prefix, want := range map[string]string{
		"":                            "",
		"nice -n 10":                  "",
		"sudo -niHu ci --":            "ci",
		"sudo -n -i -H -u ci --":      "ci",
		"/usr/bin/sudo -uci -n":       "ci",
		"sudo --user=ci -n --":        "ci",
		"sudo -n --":                  "",
		"sudo -g users -u ci":         "ci",
		"doas -u ci":                  "ci",
		"runuser -u ci --":            "ci",
		"env -u DISPLAY":              "",
		"sudo -u":                     "",
		"sudo --non-interactive -uci": "ci",
	} {
		if got := userOfPrefix(strings.Fields(prefix)); got != want {
			t.Errorf("%q makes it %q, want %q", prefix, got, want)
		}
	}
}

func TestTasksRunAsRootOnlyWhereItSaysRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	log := slog.New(slog.DiscardHandler)
	for _, test := range []struct {
		config  Config
		root    bool
		refused string // part of the error
	}{
		{config: Config{}},
		{config: Config{User: "nobody"}},
		{config: Config{User: "root"}, root: true},
		{config: Config{User: "absent-user"}, refused: "unknown user"},
		{config: Config{CommandPrefix: []string{"sudo", "-u", "nobody"}}},
		{config: Config{CommandPrefix: []string{"sudo", "-u", "nobody"}, User: "root"}, refused: "leave one of them out"},
	} {
		got, err := agentAccount(test.config, log)
		switch {
		case test.refused != "":
			if err == nil || !strings.Contains(err.Error(), test.refused) {
				t.Errorf("%+v: %v", test.config, err)
			}
		case err != nil || (got.uid == 0) != test.root:
			t.Errorf("%+v: user %d, %v", test.config, got.uid, err)
		}
	}
}

func TestAFolderThatTasksCannotReachIsRefusedByName(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("tasks reach what the runner reaches, unless it is root")
	}
	closed := filepath.Join(openDir(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := New(Config{Dir: filepath.Join(closed, "runner"), Agent: []string{agentBinary}}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "may not pass through "+closed) {
		t.Errorf("opened: %v", err)
	}
}

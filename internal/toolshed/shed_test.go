package toolshed_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/toolshed"
)

func TestAVersionBefore16IsTerraforms(t *testing.T) {
	for version, want := range map[string]string{
		"0.15.5": "Terraform 0.15.5", "1.5.7": "Terraform 1.5.7", "1.6.0": "OpenTofu 1.6.0", "1.10.10": "OpenTofu 1.10.10", "2.0.0-rc1": "OpenTofu 2.0.0-rc1",
	} {
		if p, err := toolshed.ProgramOf(version); err != nil || p.String() != want {
			t.Errorf("%s is %s (%v)", version, p, err)
		}
	}
	for _, version := range []string{"", "1", "1.10", "v1.10.10", "latest", "~> 1.10", "1.10.10/../..", "01.10.0", "1.10.10 ", "1.10.10-x"} {
		if p, err := toolshed.ProgramOf(version); !errors.Is(err, remuda.Invalid) {
			t.Errorf("%q is %s (%v)", version, p, err)
		}
	}
}

func TestTheOperatorsOwnBinaryIsTaken(t *testing.T) {
	for _, name := range []string{"tofu-1.10.10", "opentofu-1.10.10/tofu"} {
		folder := t.TempDir()
		binary := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(binary, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		// Where not everybody may pass, root's tasks get a copy.
		if err := os.Chmod(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		shed, err := toolshed.Open(toolshed.Config{Dir: filepath.Join(t.TempDir(), "shed"), Ready: folder}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		path, _, err := shed.Program(t.Context(), toolshed.Program{Product: toolshed.OpenTofu, Version: "1.10.10"})
		if err != nil {
			t.Fatal(err)
		}
		if copied := !strings.HasPrefix(path, folder); copied != (os.Geteuid() == 0) {
			t.Errorf("it is at %s", path)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "#!/bin/sh\n" {
			t.Errorf("it is %q (%v)", text, err)
		}
		if _, _, err := shed.Program(t.Context(), toolshed.Program{Product: toolshed.OpenTofu, Version: "1.10.9"}); !errors.Is(err, remuda.Unavailable) {
			t.Errorf("another version: %v", err)
		}
	}
}

func TestSettingsForProvidersAskInOrder(t *testing.T) {
	for _, test := range []struct {
		installation toolshed.Installation
		exclude      []string
		want         []string
		without      string
	}{
		{toolshed.Installation{Shared: "/shared"}, nil, []string{`path = "/shared"`, "direct {}"}, "network_mirror"},
		{toolshed.Installation{Shared: "/shared", Folder: "/fol${x}der"}, []string{"a/b/c"}, []string{`path = "/shared"`, `exclude = ["a/b/c"]`, `path = "/fol$${x}der"`}, "direct"},
		{toolshed.Installation{Shared: "/shared", Mirror: "https://mirror.example.com/"}, nil, []string{"/shared", `url = "https://mirror.example.com/"`}, "direct"},
	} {
		got := string(test.installation.Settings(test.exclude))
		from := 0
		for _, want := range test.want {
			at := strings.Index(got[from:], want)
			if at < 0 {
				t.Errorf("%q does not follow in:\n%s", want, got)
				break
			}
			from += at
		}
		if strings.Contains(got, test.without) || !strings.Contains(got, "disable_checkpoint = true") {
			t.Errorf("the settings are:\n%s", got)
		}
	}
}

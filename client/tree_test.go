package client

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

func TestSecretsLeaveInTheirPlacesAndNowhereElse(t *testing.T) {
	secret := func(text string) *remuda.Value {
		kept := remuda.NewSecret(text)
		return &remuda.Value{Secret: &kept}
	}
	body, err := versionBody(remuda.Version{
		ID: "id", Number: 3, State: remuda.VersionDraft, Blocks: 2,
		Inputs: map[string]remuda.Input{
			"a": {Argument: secret("secret-of-a"), Default: secret("default-of-a")},
			"b": {Default: &remuda.Value{Value: json.RawMessage(`12345678901234567890`)}},
			"c": {Default: &remuda.Value{Hash: "known"}},
		},
		Implementation: remuda.Blueprint{
			OpenTofu: &remuda.OpenTofuBlueprint{SSHKey: secret("ssh-key"), Credentials: []remuda.GitCredential{{Host: "a"}, {Host: "b", Token: secret("git-token")}}},
			GitLab:   &remuda.GitLabBlueprint{Token: secret("gitlab-token")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"argument":{"secret":"secret-of-a"}`, `"default":{"secret":"default-of-a"}`, `"ssh_key":{"secret":"ssh-key"}`,
		`"host":"b","token":{"secret":"git-token"}`, `"gitlab":{"integration":"","project":"","ref":"","token":{"secret":"gitlab-token"}}`,
		`{"value":12345678901234567890}`, `{"hash":"known"}`,
	} {
		if strings.Count(string(text), want) != 1 {
			t.Errorf("%s is not there once: %s", want, text)
		}
	}
	for _, never := range []string{"[secret]", `"number"`, `"state"`, `"blocks"`, `"created_at"`, `"id":`} {
		if strings.Contains(string(text), never) {
			t.Errorf("%s is sent: %s", never, text)
		}
	}
}

func TestAWordWithoutSecretsIsSentAsItIs(t *testing.T) {
	body, err := integrationBody(remuda.Integration{ID: "id", Name: "GitHub", Type: "github", URL: "https://api.github.com"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"GitHub","organization":"","type":"github","url":"https://api.github.com"}`; string(text) != want {
		t.Errorf("sent is %s, want %s", text, want)
	}
}

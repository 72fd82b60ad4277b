package meshstackplane

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/seal"
)

// cancelGrace is what OpenTofu has to end what it is at and write its state.
const cancelGrace = remuda.Duration(time.Minute)

// secretKey is the name of the repository's key among a claim's secrets.
const secretKey = "implementation/ssh_key"

// claimID names one attempt of a run: the token is another one for each.
func claimID(run givenRun) string {
	sum := sha256.Sum256([]byte(run.Spec.RunToken))
	return run.Metadata.UUID + "-" + hex.EncodeToString(sum[:4])
}

// isUUID holds the run's id to letters, digits and hyphens: it becomes the name of a folder.
func isUUID(id string) bool {
	return id != "" && len(id) <= 64 && strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") == ""
}

// claimOf makes of a run what a runner and its agent carry out. An error is a sentence for whoever ordered the block:
// the run cannot be carried out here.
func claimOf(run givenRun, key *seal.RSAKey, runner *seal.Key, pool string) (remuda.Claim, error) {
	s := run.Spec
	claim := remuda.Claim{
		ID: claimID(run), Attempt: 1, Token: s.RunToken, CancelGrace: cancelGrace, ClaimedAt: time.Now(),
		Task: remuda.ClaimTask{
			ID: run.Metadata.UUID, JobID: run.Metadata.UUID, Name: s.BuildingBlock.Spec.DisplayName,
			Organization: s.BuildingBlockDefinition.Spec.WorkspaceIdentifier, Project: s.BuildingBlock.Spec.WorkspaceIdentifier,
			SubmittedBy: s.Trigger.Author.Identifier, ResourceClass: pool, Implementation: remuda.BlueprintOpenTofu, Total: 1,
			Source: remuda.Source{
				Repository: s.BuildingBlockDefinition.Spec.Implementation.RepositoryURL, Ref: s.BuildingBlockDefinition.Spec.Implementation.RefName,
			},
		},
	}
	opened := opening{key: key, secrets: map[string]string{}}
	order, err := opened.order(run)
	if err != nil {
		return claim, err
	}
	if claim.Payload, err = json.Marshal(order); err != nil {
		return claim, errors.New("the run cannot be written down") // The encoder's own words may quote a value.
	}
	if len(opened.secrets) == 0 {
		return claim, nil
	}
	text, err := json.Marshal(opened.secrets)
	if err != nil {
		return claim, errors.New("the run's secrets cannot be written down")
	}
	claim.Sealed, err = seal.To(runner.Public(), []byte(claim.ID), text)
	return claim, err
}

// opening reads a run whose secrets it opens.
type opening struct {
	key     *seal.RSAKey // nil where there is none
	secrets map[string]string
}

func (o opening) order(run givenRun) (remuda.RunOrder, error) {
	s := run.Spec
	block, definition := s.BuildingBlock.Spec, s.BuildingBlockDefinition.Spec
	order := remuda.RunOrder{
		Run: run.Metadata.UUID, Number: s.RunNumber, Behavior: remuda.Behavior(s.Behavior), Trigger: remuda.RunTrigger(s.Trigger.Reason),
		Author: remuda.RunAuthor{Kind: s.Trigger.Author.Type, Name: s.Trigger.Author.Identifier, DisplayName: s.Trigger.Author.DisplayName},
		Block: remuda.RunOrderBlock{
			ID: s.BuildingBlock.UUID, Name: block.DisplayName, Organization: block.WorkspaceIdentifier,
			Project: block.ProjectIdentifier, Platform: block.FullPlatformIdentifier,
		},
		Definition: remuda.RunOrderVersion{ID: s.BuildingBlockDefinition.UUID, Organization: definition.WorkspaceIdentifier, Version: definition.Version},
		Plan:       run.Links["planArtifact"].Href != "",
	}
	for _, p := range block.ParentBuildingBlocks {
		order.Parents = append(order.Parents, remuda.RunParent{Block: p.BuildingBlockUUID, Definition: p.DefinitionUUID})
	}
	for _, in := range block.Inputs {
		input, err := o.input(in)
		if err != nil {
			return order, fmt.Errorf("the input %q: %w", in.Key, err)
		}
		order.Inputs = append(order.Inputs, input)
	}
	var err error
	order.Implementation, err = o.blueprint(definition.Implementation)
	return order, err
}

func (o opening) input(in givenInput) (remuda.RunInput, error) {
	input := remuda.RunInput{Key: in.Key, Type: remuda.ValueType(strings.ToLower(in.Type)), Value: in.Value, Environment: in.IsEnvironment}
	if !in.IsSensitive || len(in.Value) == 0 || string(in.Value) == "null" {
		return input, nil
	}
	var text string
	if json.Unmarshal(in.Value, &text) != nil {
		return input, errors.New("it is a secret, and its value is not sealed text")
	}
	input.Value, input.Secret = nil, "inputs/"+in.Key
	return input, o.open(input.Secret, text)
}

func (o opening) open(name, text string) error {
	if o.key == nil {
		return errors.New("it is a secret, and this runner has no private key to open it with: its operator gives --meshstack-private-key-file")
	}
	plain, err := o.key.Open(text)
	if err != nil {
		return errors.New("it is a secret that is not sealed to this runner's private key: the runner's publicKey in meshStack has to be of the same pair")
	}
	o.secrets[name] = string(plain)
	return nil
}

func (o opening) blueprint(given givenImplementation) (remuda.Blueprint, error) {
	if given.Type != "TERRAFORM" {
		return remuda.Blueprint{}, fmt.Errorf("this runner carries out OpenTofu and Terraform alone, not %s", given.Type)
	}
	tofu := &remuda.OpenTofuBlueprint{
		Version: given.TerraformVersion, Repository: given.RepositoryURL, Path: strings.Trim(given.RepositoryPath, "/"), Ref: given.RefName,
		OwnBackend: !given.UseMeshHTTPBackendFallback, PreRunScript: given.PreRunScript, Async: given.Async,
	}
	if h := given.KnownHost; h != nil && h.Host != "" {
		tofu.KnownHost = &remuda.KnownHost{Host: h.Host, KeyType: h.KeyType, Key: h.KeyValue}
	}
	if given.SSHPrivateKey != "" {
		if err := o.open(secretKey, given.SSHPrivateKey); err != nil {
			return remuda.Blueprint{}, fmt.Errorf("the repository's key: %w", err)
		}
		tofu.SSHKey = &remuda.Value{Hash: secretKey}
	}
	return remuda.Blueprint{Type: remuda.BlueprintOpenTofu, OpenTofu: tofu}, nil
}

// roads are where a run is reported and its state lies.
type roads struct {
	Register string `json:"register"`
	Update   string `json:"update"`
	State    string `json:"state"`
	Plan     string `json:"plan,omitempty"`
}

// roadsOf takes them from the run's links, as far as a token may travel there.
func (a *api) roadsOf(run givenRun) (roads, error) {
	self := a.base.String() + runsPath + "/" + url.PathEscape(run.Metadata.UUID)
	to := func(link, otherwise string) (string, error) {
		href := strings.ReplaceAll(run.Links[link].Href, "{sourceId}", sourceID)
		if href == "" {
			return otherwise, nil
		}
		parsed, err := a.base.Parse(href)
		if err != nil {
			return "", fmt.Errorf("the run's link %s is no address", link)
		}
		return parsed.String(), a.mayTell(parsed)
	}
	var r roads
	var errs [4]error
	var base string
	r.Register, errs[0] = to("registerSource", self+"/status/source")
	r.Update, errs[1] = to("updateSource", self+"/status/source/"+sourceID)
	base, errs[2] = to("meshstackBaseUrl", a.base.String())
	r.Plan, errs[3] = to("planArtifact", "")
	block := run.Spec.BuildingBlock
	r.State = strings.TrimRight(base, "/") + "/api/terraform/state/workspace/" + url.PathEscape(block.Spec.WorkspaceIdentifier) +
		"/buildingBlock/" + url.PathEscape(block.UUID)
	return r, errors.Join(errs[:]...)
}

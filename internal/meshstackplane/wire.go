package meshstackplane

import "encoding/json"

// The objects of meshStack's run protocol, as far as a runner has to do with them. Members that are not named here are
// ignored.

// kindRun is the media type of runs.
const kindRun = "application/vnd.meshcloud.api.meshbuildingblockrun.v1.hal+json"

// kindRunner is the media type of a pool's entry.
const kindRunner = "application/vnd.meshcloud.api.meshbuildingblockrunner.v1-preview.hal+json"

const (
	objects  = "/api/meshobjects"
	runsPath = objects + "/meshbuildingblockruns"
)

type givenRun struct {
	Metadata struct {
		UUID string `json:"uuid"`
	} `json:"metadata"`
	Spec  givenSpec            `json:"spec"`
	Links map[string]givenLink `json:"_links"`
}

type givenLink struct {
	Href string `json:"href"`
}

type givenSpec struct {
	RunNumber int    `json:"runNumber"`
	Behavior  string `json:"behavior"`
	RunToken  string `json:"runToken"`
	Trigger   struct {
		Reason string `json:"reason"`
		Author struct {
			Identifier  string `json:"identifier"`
			Type        string `json:"type"`
			DisplayName string `json:"displayName"`
		} `json:"author"`
	} `json:"trigger"`
	BuildingBlock struct {
		UUID string `json:"uuid"`
		Spec struct {
			DisplayName            string        `json:"displayName"`
			WorkspaceIdentifier    string        `json:"workspaceIdentifier"`
			ProjectIdentifier      string        `json:"projectIdentifier"`
			FullPlatformIdentifier string        `json:"fullPlatformIdentifier"`
			Inputs                 []givenInput  `json:"inputs"`
			ParentBuildingBlocks   []givenParent `json:"parentBuildingBlocks"`
		} `json:"spec"`
	} `json:"buildingBlock"`
	BuildingBlockDefinition struct {
		UUID string `json:"uuid"`
		Spec struct {
			WorkspaceIdentifier string              `json:"workspaceIdentifier"`
			Version             int                 `json:"version"`
			Implementation      givenImplementation `json:"implementation"`
		} `json:"spec"`
	} `json:"buildingBlockDefinition"`
}

type givenInput struct {
	Key           string          `json:"key"`
	Value         json.RawMessage `json:"value"`
	Type          string          `json:"type"`
	IsSensitive   bool            `json:"isSensitive"`
	IsEnvironment bool            `json:"isEnvironment"`
}

type givenParent struct {
	BuildingBlockUUID string `json:"buildingBlockUuid"`
	DefinitionUUID    string `json:"definitionUuid"`
}

type givenImplementation struct {
	Type             string `json:"type"`
	TerraformVersion string `json:"terraformVersion"`
	RepositoryURL    string `json:"repositoryUrl"`
	RepositoryPath   string `json:"repositoryPath"`
	RefName          string `json:"refName"`
	SSHPrivateKey    string `json:"sshPrivateKey"`
	KnownHost        *struct {
		Host     string `json:"host"`
		KeyType  string `json:"keyType"`
		KeyValue string `json:"keyValue"`
	} `json:"knownHost"`
	Async                      bool   `json:"async"`
	UseMeshHTTPBackendFallback bool   `json:"useMeshHttpBackendFallback"`
	PreRunScript               string `json:"preRunScript"`
}

// registration makes a source of a run's status known.
type registration struct {
	Source struct {
		ID string `json:"id"`
	} `json:"source"`
	Steps []registeredStep `json:"steps"`
}

type registeredStep struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	Status      string `json:"status"`
}

// report is all that a source knows of its run.
type report struct {
	BlockRunID      string         `json:"blockRunId"`
	Source          string         `json:"source"`
	Type            string         `json:"type"`
	Status          string         `json:"status"`
	CreatedOn       string         `json:"createdOn"`
	Summary         string         `json:"summary,omitempty"`
	Steps           []reportedStep `json:"steps"`
	Artifact        []byte         `json:"artifact,omitempty"`
	ChangesDetected *bool          `json:"changesDetected,omitempty"`
}

type reportedStep struct {
	ID            string                    `json:"id"`
	DisplayName   string                    `json:"displayName"`
	Status        string                    `json:"status"`
	UserMessage   string                    `json:"userMessage,omitempty"`
	SystemMessage string                    `json:"systemMessage,omitempty"`
	Outputs       map[string]reportedOutput `json:"outputs,omitempty"`
}

type reportedOutput struct {
	Value       json.RawMessage `json:"value"`
	Type        string          `json:"type"`
	IsSensitive bool            `json:"isSensitive"`
}

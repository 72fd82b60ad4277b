package remuda

import (
	"slices"
	"strings"
)

// What an API key may do is said in words, each a noun and a verb. A word alone is about what belongs to the key's own
// organization. With AdmPrefix it is about that of every organization, with ManagedPrefix about blocks of the
// definitions that the key's organization owns, whoever ordered them.
const (
	PermitBlockList   = "BUILDINGBLOCK_LIST"
	PermitBlockSave   = "BUILDINGBLOCK_SAVE"
	PermitBlockDelete = "BUILDINGBLOCK_DELETE"

	PermitDefinitionList   = "BUILDINGBLOCKDEFINITION_LIST"
	PermitDefinitionSave   = "BUILDINGBLOCKDEFINITION_SAVE"
	PermitDefinitionDelete = "BUILDINGBLOCKDEFINITION_DELETE"

	PermitRunList = "BUILDINGBLOCKRUN_LIST"
	PermitRunSave = "BUILDINGBLOCKRUN_SAVE"

	PermitRunnerList   = "BUILDINGBLOCKRUNNER_LIST"
	PermitRunnerSave   = "BUILDINGBLOCKRUNNER_SAVE"
	PermitRunnerDelete = "BUILDINGBLOCKRUNNER_DELETE"

	PermitIntegrationList   = "INTEGRATION_LIST"
	PermitIntegrationSave   = "INTEGRATION_SAVE"
	PermitIntegrationDelete = "INTEGRATION_DELETE"

	PermitKeyList   = "APIKEY_LIST"
	PermitKeySave   = "APIKEY_SAVE"
	PermitKeyDelete = "APIKEY_DELETE"

	PermitOrganizationList   = "WORKSPACE_LIST"
	PermitOrganizationSave   = "WORKSPACE_SAVE"
	PermitOrganizationDelete = "WORKSPACE_DELETE"

	PermitProjectList   = "PROJECT_LIST"
	PermitProjectSave   = "PROJECT_SAVE"
	PermitProjectDelete = "PROJECT_DELETE"

	PermitTenantList   = "TENANT_LIST"
	PermitTenantSave   = "TENANT_SAVE"
	PermitTenantDelete = "TENANT_DELETE"

	ManagedPrefix = "MANAGED_"
	AdmPrefix     = "ADM_"

	PermitManagedBlockList = ManagedPrefix + PermitBlockList
	PermitManagedBlockSave = ManagedPrefix + PermitBlockSave
)

// Permissions are all the words there are, in order.
func Permissions() []string {
	own := []string{
		PermitBlockList, PermitBlockSave, PermitBlockDelete, PermitDefinitionList, PermitDefinitionSave, PermitDefinitionDelete,
		PermitRunList, PermitRunSave, PermitRunnerList, PermitRunnerSave, PermitRunnerDelete,
		PermitIntegrationList, PermitIntegrationSave, PermitIntegrationDelete, PermitKeyList, PermitKeySave, PermitKeyDelete,
		PermitOrganizationList, PermitOrganizationSave, PermitOrganizationDelete,
		PermitProjectList, PermitProjectSave, PermitProjectDelete, PermitTenantList, PermitTenantSave, PermitTenantDelete,
	}
	all := append(slices.Clone(own), PermitManagedBlockList, PermitManagedBlockSave)
	for _, word := range own {
		all = append(all, AdmPrefix+word)
	}
	slices.Sort(all)
	return all
}

// Everywhere is the word that permits what a word permits, for things of every organization.
func Everywhere(permission string) string {
	return AdmPrefix + strings.TrimPrefix(strings.TrimPrefix(permission, AdmPrefix), ManagedPrefix)
}

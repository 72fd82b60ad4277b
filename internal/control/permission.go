package control

import (
	"slices"
	"strings"

	"github.com/remuda-dev/remuda"
)

// May says whether a user has a permission for what belongs to an organization; of a managed word, to the owner of the
// definition. An API key has exactly its words; a role has those that follow from it.
func (u User) May(permission, organizationID string) bool {
	if u.Admin {
		return true
	}
	if u.Permissions != nil && slices.Contains(u.Permissions, remuda.Everywhere(permission)) {
		return true
	}
	if organizationID == "" || organizationID != u.OrganizationID || strings.HasPrefix(permission, remuda.AdmPrefix) {
		return false
	}
	if u.Permissions != nil {
		return slices.Contains(u.Permissions, permission)
	}
	return rank(u.Role) >= rank(roleFor(permission))
}

// roleFor is the smallest role that has a permission in its own organization.
func roleFor(permission string) remuda.Role {
	switch {
	case permission == remuda.PermitKeyList:
		return remuda.RoleAdmin // who may do what is not for everybody
	case strings.HasSuffix(permission, "_LIST"):
		return remuda.RoleViewer
	case permission == remuda.PermitBlockSave, permission == remuda.PermitBlockDelete, permission == remuda.PermitRunSave:
		return remuda.RoleMember
	default:
		return remuda.RoleAdmin
	}
}

// Sees is the organization of which a user may list things, by its id: empty for every one. One who may list none is
// refused.
func (u User) Sees(permission string) (organizationID string, err error) {
	switch {
	case u.May(permission, "") || u.May(remuda.Everywhere(permission), ""):
		return "", nil
	case u.May(permission, u.OrganizationID):
		return u.OrganizationID, nil
	default:
		return "", Lacks(u, permission)
	}
}

// Lacks says to a user which permission it would need.
func Lacks(u User, permission string) error {
	if u.Permissions != nil {
		return remuda.Fail(remuda.Forbidden, "this needs the permission "+permission+", which the API key "+u.Name+" does not have")
	}
	if strings.HasPrefix(permission, remuda.AdmPrefix) {
		return remuda.Fail(remuda.Forbidden, "this needs the permission "+permission+", which the instance's administrator has")
	}
	return remuda.Fail(remuda.Forbidden, "this needs the permission "+permission+", which the role "+string(roleFor(permission))+" has in "+
		u.Organization+"; the token has the role "+string(u.Role))
}

// The verbs of permissions.
const (
	listVerb   = "_LIST"
	saveVerb   = "_SAVE"
	deleteVerb = "_DELETE"
)

// permitted is the word that lets an API key do something with a noun; empty when none does. Tasks that are no runs of
// building blocks, and events, are nobody's but people's.
func permitted(noun, verb string) string {
	switch noun {
	case "organization", "namespace":
		return "WORKSPACE" + verb
	case "project":
		return "PROJECT" + verb
	case "resource class", "runner":
		return "BUILDINGBLOCKRUNNER" + verb
	case "token":
		return "APIKEY" + verb
	default:
		return ""
	}
}

// keyMay is may for API keys.
func (d UserDoor) keyMay(organizationID string, role remuda.Role, noun, name string) error {
	verb := saveVerb
	switch {
	case role == remuda.RoleViewer:
		verb = listVerb
	case d.deletes:
		verb = deleteVerb
	}
	word := permitted(noun, verb)
	switch {
	case word != "" && d.user.May(word, organizationID):
		return nil
	case organizationID != d.user.OrganizationID && !d.user.May(remuda.Everywhere(permitted(noun, listVerb)), ""):
		return absent(noun, name)
	case word == "":
		return notForKeys(noun)
	default:
		return Lacks(d.user, word)
	}
}

func notForKeys(noun string) error {
	return remuda.Fail(remuda.Forbidden, "API keys have nothing to do with "+noun+"s; use an organization token")
}

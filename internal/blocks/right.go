package blocks

import (
	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// absent says the same of what is not there and of what the caller may not see.
func absent(noun, id string) error {
	return remuda.Fail(remuda.NotFound, "there is no "+noun+" "+id+" that you may see")
}

// author is the caller as runs name it.
func (d UserDoor) author() remuda.RunAuthor {
	kind := "User"
	if d.user.Permissions != nil {
		kind = "ApiKey"
	}
	return remuda.RunAuthor{Kind: kind, Name: d.user.Name}
}

// system is who has runs queued that nobody asked for.
func system() remuda.RunAuthor { return remuda.RunAuthor{Kind: "System", Name: "remuda"} }

// seesBlock is for those who ordered a block, and those of whose definition it is.
func (d UserDoor) seesBlock(b BlockView) bool {
	return d.user.May(remuda.PermitBlockList, b.OrganizationID) || d.user.May(remuda.PermitManagedBlockList, b.OwnerID)
}

// manages is for the owner of the block's definition: its operators.
func (d UserDoor) manages(ownerID string) bool {
	return d.user.May(remuda.PermitManagedBlockSave, ownerID)
}

// seesRuns says whether the caller sees what a block's runs plan, do and print.
func (d UserDoor) seesRuns(organizationID, ownerID string, transparent bool) bool {
	if d.user.May(remuda.PermitManagedBlockList, ownerID) {
		return true
	}
	return (transparent || organizationID == ownerID) && d.user.May(remuda.PermitRunList, organizationID)
}

// mayChange is for those who ordered a block and for its operators.
func (d UserDoor) mayChange(b BlockView) error {
	if d.user.May(remuda.PermitBlockSave, b.OrganizationID) || d.manages(b.OwnerID) {
		return nil
	}
	if b.OrganizationID == d.user.OrganizationID || b.OwnerID != d.user.OrganizationID {
		return control.Lacks(d.user, remuda.PermitBlockSave)
	}
	return control.Lacks(d.user, remuda.PermitManagedBlockSave)
}

// maySteer is for those who may approve, reject and abort a block's runs: whoever may change the block and sees them.
func (d UserDoor) maySteer(r RunView) error {
	switch {
	case d.manages(r.OwnerID):
		return nil
	case !d.user.May(remuda.PermitBlockSave, r.OrganizationID):
		return control.Lacks(d.user, remuda.PermitBlockSave)
	case !d.seesRuns(r.OrganizationID, r.OwnerID, r.Transparent):
		return remuda.Fail(remuda.Forbidden, "the runs of this block are its definition's owner's alone")
	}
	return nil
}

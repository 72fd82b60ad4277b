package server

import (
	"context"

	"github.com/remuda-dev/remuda"
)

type listEntriesInput struct {
	byBlockUser
	Organization string `query:"organization" maxLength:"64" doc:"Only those of this organization"`
	Paging
}

func listEntries(ctx context.Context, in *listEntriesInput) (remuda.Page[remuda.BlockRunnerEntry], error) {
	return listedBlocks(in.blocks.RunnerEntries(ctx, in.Organization, in.span()))
}

// newEntry is what its owner says of a resource class that another system's runners serve.
type newEntry struct {
	DisplayName    string       `json:"display_name" minLength:"1" maxLength:"200" doc:"What people call it; its class is named after it" example:"Our runners"`
	Organization   string       `json:"organization,omitempty" maxLength:"64" doc:"Its owner; the caller's own organization when empty"`
	PublicKey      string       `json:"public_key,omitempty" maxLength:"20000" doc:"PEM: secrets are sealed to it for runners that have no key of their own"`
	Implementation string       `json:"implementation" minLength:"1" maxLength:"50" doc:"What its runners carry out, in that format's words" example:"TERRAFORM"`
	Restricted     bool         `json:"restricted,omitempty" doc:"Whether its owner alone may use it"`
	SelfHosted     bool         `json:"self_hosted,omitempty" doc:"Whether its owner hosts the runners"`
	Extra          remuda.Extra `json:"extra,omitempty" doc:"What that format says beyond this, kept as it came"`
}

func (e newEntry) whole() remuda.BlockRunnerEntry {
	return remuda.BlockRunnerEntry{
		DisplayName: e.DisplayName, Organization: e.Organization, PublicKey: e.PublicKey, Implementation: e.Implementation,
		Restricted: e.Restricted, SelfHosted: e.SelfHosted, Extra: e.Extra,
	}
}

type createEntryInput struct {
	byBlockUser
	Body newEntry
}

func createEntry(ctx context.Context, in *createEntryInput) (remuda.BlockRunnerEntry, error) {
	return in.blocks.CreateRunnerEntry(ctx, in.Body.whole())
}

// EntryID is how paths name a runner entry.
type EntryID struct {
	Entry string `path:"entry" doc:"The entry's id, which is its class's"`
}

type entryInput struct {
	byBlockUser
	EntryID
}

func showEntry(ctx context.Context, in *entryInput) (remuda.BlockRunnerEntry, error) {
	return in.blocks.RunnerEntry(ctx, in.Entry)
}

type changeEntryInput struct {
	byBlockUser
	EntryID
	Body newEntry
}

func changeEntry(ctx context.Context, in *changeEntryInput) (remuda.BlockRunnerEntry, error) {
	return in.blocks.ChangeRunnerEntry(ctx, in.Entry, in.Body.whole())
}

func deleteEntry(ctx context.Context, in *entryInput) (nothing, error) {
	return nothing{}, in.blocks.DeleteRunnerEntry(ctx, in.Entry)
}

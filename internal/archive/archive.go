// Package archive is the form of a backup: a tar file compressed with Zstandard, which every system has tools for.
//
//	remuda-backup.json           Head: what wrote it, when, and in which format
//	key.age                      the key's part, closed with age; absent when it is kept apart
//	output/…                     what the bucket holds, object by object
//	tables/NAME/000001.jsonl     rows: a first line that names the columns, then one JSON array a row
//	manifest.json                Manifest: every member's size and SHA-256, every table's rows
//
// Rows are in one form for every database. An integer is a number, a boolean true or false, a text a string, bytes a
// string in base64 (RFC 4648), and what is absent null.
package archive

import (
	"time"

	"github.com/remuda-dev/remuda"
)

// Format is the newest form that this version reads and the one that it writes.
const Format = 1

// The names of the members.
const (
	headName     = "remuda-backup.json"
	manifestName = "manifest.json"
	KeyName      = "key.age"
	OutputFolder = "output/"
	tableFolder  = "tables/"
)

// Where the key's part of a backup is.
const (
	KeySealed = "sealed" // in the archive, closed
	KeyApart  = "apart"  // in a file of its own
)

// Head is the first member: what must be known before anything else is read.
type Head struct {
	Format  int       `json:"format"`
	Version string    `json:"version"` // of the remuda that wrote it
	Schema  int64     `json:"schema"`  // of the tables
	Created time.Time `json:"created"` // the moment that it shows
	Key     string    `json:"key"`
	KeyID   string    `json:"key_id"` // tells whose key opens the secrets
}

// Manifest is the last member: a backup without it is not whole.
type Manifest struct {
	Members []MemberSum `json:"members"`
	Tables  []TableSum  `json:"tables"`
	Output  OutputSum   `json:"output"`
}

// MemberSum is what a member must be.
type MemberSum struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// TableSum is what a table must hold.
type TableSum struct {
	Name string `json:"name"`
	Digest
}

// OutputSum is how much of the bucket is in it.
type OutputSum struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// Gone counts those that were deleted while the backup was written.
	Gone int64 `json:"gone"`
}

// damaged is an archive that is not as it was written.
func damaged(detail string, cause error) error {
	return &remuda.Error{Kind: remuda.Invalid, Detail: "the backup " + detail + "; nothing was restored, take another copy of it", Cause: cause}
}

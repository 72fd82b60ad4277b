// Package fetch gets OpenTofu and Terraform from their vendors, or from mirrors of these: it checks the signature of
// what it gets, and keeps it for the machine.
//
// It is the whole of a command that a runner starts when a version is missing, since the libraries that check
// signatures are larger than the runner itself.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sethvargo/go-retry"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/toolshed"
)

// Main reads a toolshed.Request, carries it out, and writes a toolshed.Answer. An error means that neither was possible.
func Main(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var request toolshed.Request
	if err := json.NewDecoder(stdin).Decode(&request); err != nil {
		return fmt.Errorf("read what to fetch: %w", err)
	}
	answer := toolshed.Answer{}
	if err := Program(ctx, request); err != nil {
		answer = toolshed.Answer{Kind: remuda.Unavailable, Detail: err.Error()}
		var known *remuda.Error
		if errors.As(err, &known) {
			answer = toolshed.Answer{Kind: known.Kind, Detail: known.Detail}
		}
	}
	return json.NewEncoder(stdout).Encode(answer)
}

// tries is how often a download that breaks is begun anew.
const tries = 3

// Program fetches a program into the request's folder, unless it is there.
func Program(ctx context.Context, request toolshed.Request) error {
	// What is fetched twice would be whole both times; a turn spares the download.
	end, err := toolshed.Turn(ctx, request.Dir, string(request.Program.Product)+"-"+request.Program.Version)
	if err != nil {
		return err
	}
	defer end()
	if _, found := toolshed.Kept(request.Dir, request.Program); found {
		return nil
	}
	download := openTofu
	source := request.Sources.OpenTofu
	if request.Program.Product == toolshed.Terraform {
		download, source = terraform, request.Sources.Terraform
	}
	var binary []byte
	again := retry.WithMaxRetries(tries-1, retry.NewExponential(500*time.Millisecond))
	err = retry.Do(ctx, again, func(ctx context.Context) error {
		var err error
		binary, err = download(ctx, request.Program, source)
		if errors.Is(err, remuda.NotFound) || errors.Is(err, remuda.Invalid) {
			return err
		}
		return retry.RetryableError(err)
	})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(binary)
	return toolshed.Keep(request.Dir, request.Program, binary, hex.EncodeToString(sum[:]))
}

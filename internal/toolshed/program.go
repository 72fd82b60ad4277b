// Package toolshed is where a machine keeps OpenTofu, Terraform and providers: fetched once for each version, and read by
// all tasks, of which none can write there.
//
// The runner has the Shed. It fetches by a command of its own (package fetch), so that neither runner nor agent carries
// what checks signatures. An agent asks for what it needs through its claim's socket (Client), and gets a path.
package toolshed

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/remuda-dev/remuda"
)

// Product is which of the two programs.
type Product string

// The products. A program's file has the product's command as its name.
const (
	OpenTofu  Product = "opentofu"
	Terraform Product = "terraform"
)

// Command is what the program is called.
func (p Product) Command() string {
	if p == OpenTofu {
		return "tofu"
	}
	return "terraform"
}

// Program is a product of exactly one version.
type Program struct {
	Product Product `json:"product"`
	Version string  `json:"version"`
}

// String is how people call it.
func (p Program) String() string {
	if p.Product == OpenTofu {
		return "OpenTofu " + p.Version
	}
	return "Terraform " + p.Version
}

// ProgramOf is the program of a version. OpenTofu began as the successor of Terraform 1.5, with 1.6.0; later versions of
// Terraform are under a licence that keeps them from here.
func ProgramOf(version string) (Program, error) {
	// Semantic versions, with a pre-release and without anything else: a version becomes part of a path and an address.
	form := regexp.MustCompile(`^(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})(-(alpha|beta|rc)\.?[0-9]{1,8})?$`)
	parts := form.FindStringSubmatch(version)
	if parts == nil {
		return Program{}, remuda.Fail(remuda.Invalid, fmt.Sprintf("%q is no exact version of OpenTofu, such as 1.10.10", version))
	}
	p := Program{Product: OpenTofu, Version: version}
	if p.Before(1, 6) {
		p.Product = Terraform
	}
	return p, nil
}

// Before is whether it is of an earlier minor version.
func (p Program) Before(major, minor int) bool {
	var ours [2]int
	rest := p.Version
	for i := range ours {
		length := 0
		for length < len(rest) && rest[length] != '.' {
			length++
		}
		ours[i], _ = strconv.Atoi(rest[:length])
		rest = rest[min(length+1, len(rest)):]
	}
	return ours[0] < major || ours[0] == major && ours[1] < minor
}

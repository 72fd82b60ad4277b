package tofu

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/remuda-dev/remuda/internal/toolshed"
)

func TestTheProvidersOfAModuleAreKnownFromWhatItSays(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.tf": `
terraform {
  required_providers {
    random = "~> 3.0"
    cloud = {
      source                = "Acme/cloud"
      version               = ">= 1.0, < 2.0"
      configuration_aliases = [cloud.east]
    }
    hidden = { source = "registry.example.com/acme/hidden" }
    terraform = { source = "terraform.io/builtin/terraform" }
  }
}
provider "random" { version = "!= 3.1.0" }
resource "random_pet" "it" {}
resource "thing_made" "it" { provider = cloud.east }
resource "terraform_data" "it" {}
data "http" "it" { url = "https://example.com" }
`,
		"more.tf.json":  `{"resource": {"null_resource": {"it": {}}}, "terraform": {"required_providers": {"null": {"source": "hashicorp/null", "version": "3.2.1"}}}}`,
		"broken.tf":     `resource "tls_private_key" "it" {`,
		"notes.tf.text": `resource "aws_instance" "it" {}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for product, host := range map[toolshed.Product]string{toolshed.OpenTofu: "registry.opentofu.org", toolshed.Terraform: "registry.terraform.io"} {
		found, err := scan(dir, toolshed.Program{Product: product, Version: "1.5.7"})
		if err != nil {
			t.Fatal(err)
		}
		got := found.providers.needs(product)
		want := map[string][]string{
			host + "/hashicorp/random":         {"!= 3.1.0", "~> 3.0"},
			host + "/acme/cloud":               {">= 1.0, < 2.0"},
			host + "/hashicorp/http":           nil,
			host + "/hashicorp/null":           {"3.2.1"},
			"registry.example.com/acme/hidden": nil,
		}
		delete(got, host+"/hashicorp/tls") // a broken file may say something nonetheless
		for source, versions := range want {
			if has, is := got[source]; !is || !slices.Equal(slices.Sorted(slices.Values(has)), versions) {
				t.Errorf("%s: %v, want %v", source, has, versions)
			}
		}
		if len(got) != len(want) {
			t.Errorf("the needs are %v", got)
		}
	}
}

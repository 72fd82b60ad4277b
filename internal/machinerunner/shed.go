package machinerunner

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/remuda-dev/remuda/internal/toolshed"
)

// Tofu is where a machine gets OpenTofu and Terraform from, for runs of building blocks.
type Tofu struct {
	Mirror          string `yaml:"mirror" flag:"tofu-mirror" help:"address of a mirror of OpenTofu's releases, with api.json and VERSION/ARTIFACT below it; OpenTofu's own place when left out"`
	KeyFile         string `yaml:"key_file" flag:"tofu-key" help:"file with the public key that signs the releases of OpenTofu there; OpenTofu's own when left out"`
	TerraformMirror string `yaml:"terraform_mirror" flag:"terraform-mirror" help:"address of a mirror of releases.hashicorp.com, for versions before OpenTofu's 1.6"`
	TerraformKey    string `yaml:"terraform_key_file" flag:"terraform-key" help:"file with the public key that signs the releases of Terraform there; HashiCorp's when left out"`
	Binaries        string `yaml:"binary_dir" flag:"tofu-binary-dir" help:"folder with binaries such as tofu-1.10.10 or terraform-1.5.7, looked at first; when no mirror is set beside it, nothing is fetched"`
	ProviderDir     string `yaml:"provider_dir" flag:"tofu-provider-dir" help:"folder with providers, as OpenTofu's filesystem_mirror has them; when no provider mirror is set beside it, no registry is asked"`
	ProviderMirror  string `yaml:"provider_mirror" flag:"tofu-provider-mirror" help:"address of a mirror of providers, as OpenTofu's network_mirror has it; registries are not asked then"`
	Cache           string `yaml:"cache_dir" flag:"tofu-cache-dir" help:"folder for what is fetched, which runners may share; /var/cache/remuda/tofu for root and remuda/tofu in the user's cache for others when left out"`
}

// shed is where the machine's tasks find OpenTofu.
func (t Tofu) shed(fetch []string, log *slog.Logger) (*toolshed.Shed, error) {
	config := toolshed.Config{Dir: t.Cache, Fetch: fetch}
	if t.Binaries != "" && t.Mirror == "" && t.TerraformMirror == "" {
		config.Fetch = nil
	}
	if config.Dir == "" {
		config.Dir = usualCache()
	}
	var err error
	if config.Dir, err = filepath.Abs(config.Dir); err != nil {
		return nil, err
	}
	if t.Binaries != "" {
		if config.Ready, err = filepath.Abs(t.Binaries); err != nil {
			return nil, err
		}
		if info, err := os.Stat(config.Ready); err != nil || !info.IsDir() {
			return nil, wrong("there is no folder %s with binaries of OpenTofu", config.Ready)
		}
	}
	if t.ProviderDir != "" {
		if config.Providers.Folder, err = filepath.Abs(t.ProviderDir); err != nil {
			return nil, err
		}
	}
	config.Providers.Mirror = t.ProviderMirror
	config.Sources.OpenTofu.Mirror, config.Sources.Terraform.Mirror = t.Mirror, t.TerraformMirror
	if config.Sources.OpenTofu.Key, err = readKey(t.KeyFile); err != nil {
		return nil, err
	}
	if config.Sources.Terraform.Key, err = readKey(t.TerraformKey); err != nil {
		return nil, err
	}
	return toolshed.Open(config, log)
}

func readKey(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", wrong("read a public key: %w", err)
	}
	return string(text), nil
}

// usualCache is where every user's runners keep what they fetched.
func usualCache() string {
	if os.Geteuid() == 0 {
		return "/var/cache/remuda/tofu"
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "remuda", "tofu")
}

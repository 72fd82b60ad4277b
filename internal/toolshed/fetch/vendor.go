package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hc-install/product"
	"github.com/hashicorp/hc-install/releases"
	"github.com/opentofu/tofudl"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/toolshed"
)

// openTofu downloads a version of OpenTofu. Its archive is in a list of checksums that is signed.
func openTofu(ctx context.Context, p toolshed.Program, from toolshed.Source) ([]byte, error) {
	options := []tofudl.ConfigOpt{tofudl.ConfigHTTPClient(web())}
	if from.Mirror != "" {
		base := strings.TrimSuffix(from.Mirror, "/")
		options = append(options, tofudl.ConfigAPIURL(base+"/api.json"), tofudl.ConfigDownloadMirrorURLTemplate(base+"/{{ .Version }}/{{ .Artifact }}"))
	}
	if from.Key != "" {
		options = append(options, tofudl.ConfigGPGKey(from.Key))
	}
	loader, err := tofudl.New(options...)
	if err != nil {
		return nil, fmt.Errorf("the key or the mirror of OpenTofu: %w", err)
	}
	binary, err := loader.Download(ctx, tofudl.DownloadOptVersion(tofudl.Version(p.Version)))
	var unknown *tofudl.NoSuchVersionError
	var elsewhere *tofudl.UnsupportedPlatformOrArchitectureError
	switch {
	case errors.As(err, &unknown):
		return nil, remuda.Fail(remuda.NotFound, fmt.Sprintf("there is no %s", p))
	case errors.As(err, &elsewhere):
		return nil, remuda.Fail(remuda.NotFound, fmt.Sprintf("there is no %s for this machine's system and processor", p))
	case err != nil:
		return nil, err
	}
	return binary, nil
}

// terraform downloads a version of Terraform, which is signed likewise.
func terraform(ctx context.Context, p toolshed.Program, from toolshed.Source) ([]byte, error) {
	exact, err := version.NewVersion(p.Version)
	if err != nil {
		return nil, remuda.Fail(remuda.Invalid, fmt.Sprintf("%q is no version", p.Version))
	}
	folder, err := os.MkdirTemp("", "terraform-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	install := &releases.ExactVersion{
		Product:          product.Terraform,
		Version:          exact,
		InstallDir:       folder,
		Timeout:          patience,
		ApiBaseURL:       strings.TrimSuffix(from.Mirror, "/"),
		ArmoredPublicKey: from.Key,
		HTTPClient:       web(),
	}
	path, err := install.Install(ctx)
	if err != nil && strings.Contains(err.Error(), "404") { // The library says it in words alone.
		return nil, remuda.Fail(remuda.NotFound, fmt.Sprintf("there is no %s", p))
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// patience is for how long a download may take, and longest how large it may be.
const (
	patience = 10 * time.Minute
	longest  = 1 << 30
)

// web is how the vendors are spoken to: through the runner's own proxy, if it has one.
func web() *http.Client {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   20 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		DisableKeepAlives:     true,
	}
	return &http.Client{Transport: bounded{transport}, Timeout: patience}
}

// bounded bounds what an answer may make us read into memory.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(answer.Body, longest), answer.Body}
	return answer, nil
}

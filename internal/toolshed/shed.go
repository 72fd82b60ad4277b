package toolshed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
)

// Config is what a machine's operator decides.
type Config struct {
	// Dir is where fetched things are kept, absolute. Tasks read there; nobody but the runner may write. Runners of one
	// machine may share it.
	Dir string
	// Ready is a folder of binaries that are there already, searched first: opentofu-1.10.10/tofu or tofu-1.10.10,
	// terraform-1.5.7/terraform or terraform-1.5.7. None when empty.
	Ready string
	// Fetch is the command that carries out a Request; nothing is fetched when it is empty.
	Fetch []string
	// Sources are where it fetches from.
	Sources Sources
	// Providers is where tofu gets providers from, but for its Shared, which is the shed's own.
	Providers Installation
}

// Sources are where programs come from, and whose signature they bear.
type Sources struct {
	OpenTofu  Source `json:"opentofu,omitzero"`
	Terraform Source `json:"terraform,omitzero"`
}

// Source is one vendor's place, or a mirror of it.
type Source struct {
	// Mirror is its address. For OpenTofu api.json and VERSION/ARTIFACT lie below it; for Terraform what lies below
	// releases.hashicorp.com. The vendor's own place when empty.
	Mirror string `json:"mirror,omitempty"`
	// Key is the armored public key that signs its releases; the vendor's when empty.
	Key string `json:"key,omitempty"`
}

// Request is what the fetching command reads from standard input as JSON.
type Request struct {
	Program Program `json:"program"`
	Dir     string  `json:"dir"`
	Sources Sources `json:"sources,omitzero"`
}

// Answer is what it prints: nothing when the program lies where Kept finds it, else what went wrong.
type Answer struct {
	Kind   remuda.Kind `json:"kind,omitempty"`
	Detail string      `json:"detail,omitempty"`
}

// Shed keeps programs for the tasks of a runner.
type Shed struct {
	config Config
	log    *slog.Logger

	mu      sync.Mutex
	flights map[Program]*flight
	looks   map[asked]look // for providers
}

// flight is a program that is being fetched.
type flight struct {
	done chan struct{} // closed when it has ended
	err  error         // how; only when done is closed
}

// Open opens the shed. Its folder is made when something is fetched.
func Open(config Config, log *slog.Logger) (*Shed, error) {
	for _, dir := range []string{config.Dir, config.Ready} {
		if dir != "" && !filepath.IsAbs(dir) {
			return nil, fmt.Errorf("the folder %q for OpenTofu is not absolute", dir)
		}
	}
	return &Shed{config: config, log: log, flights: map[Program]*flight{}, looks: map[asked]look{}}, nil
}

// makeAll makes a folder and those above it that are absent. Whatever our umask, tasks of other users read there.
func makeAll(dir string) error {
	err := os.Mkdir(dir, 0o755) //nolint:gosec // programs are no secrets
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if err := makeAll(filepath.Dir(dir)); err != nil {
			return err
		}
		return makeAll(dir)
	case err != nil:
		return fmt.Errorf("make the folder for OpenTofu: %w", err)
	}
	return os.Chmod(dir, 0o755) //nolint:gosec // likewise
}

// Program is the path of a program, fetched first where it is missing. Those who ask for one that is being fetched wait
// for that, and share how it ends.
func (s *Shed) Program(ctx context.Context, p Program) (path string, fetched bool, err error) {
	for {
		if path, found := s.find(p); found {
			return path, fetched, nil
		}
		if fetched {
			return "", false, fmt.Errorf("%s was fetched, and is not in %s", p, s.config.Dir)
		}
		f, ours := s.join(p)
		if ours {
			f.err = s.fetch(ctx, p)
			s.leave(p, f)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return "", false, ctx.Err()
		}
		if f.err != nil && (ours || !errors.Is(f.err, context.Canceled)) {
			return "", false, f.err
		}
		fetched = f.err == nil // Else whoever fetched it was cancelled, and we take over.
	}
}

// join gives the flight of a program, and whether it is ours to carry out.
func (s *Shed) join(p Program) (f *flight, ours bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, under := s.flights[p]; under {
		return f, false
	}
	f = &flight{done: make(chan struct{})}
	s.flights[p] = f
	return f, true
}

func (s *Shed) leave(p Program, f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flights, p)
	close(f.done)
}

// find looks for a program that is here, where tasks reach it.
func (s *Shed) find(p Program) (string, bool) {
	if path, found := s.ready(p); found && reachable(path) {
		return path, true
	}
	return Kept(s.config.Dir, p)
}

// ready is the operator's own binary of a program.
func (s *Shed) ready(p Program) (string, bool) {
	if s.config.Ready == "" {
		return "", false
	}
	command := p.Product.Command()
	for _, path := range []string{
		filepath.Join(s.config.Ready, string(p.Product)+"-"+p.Version, command+executableSuffix),
		filepath.Join(s.config.Ready, command+"-"+p.Version+executableSuffix),
	} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, true
		}
	}
	return "", false
}

// reachable is whether tasks can execute what lies there, who are other users when we are root.
func reachable(path string) bool {
	path, err := filepath.EvalSymlinks(path)
	if err != nil || os.Geteuid() != 0 {
		return err == nil
	}
	wanted := fs.FileMode(0o005)
	for at := path; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil || info.Mode()&wanted != wanted {
			return false
		}
		if at == filepath.Dir(at) {
			return true
		}
		wanted = 0o001
	}
}

// bring puts the operator's own binary where tasks reach it.
func (s *Shed) bring(path string, p Program) error {
	binary, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("bring %s to its tasks: %w", p, err)
	}
	sum := sha256.Sum256(binary)
	return Keep(s.config.Dir, p, binary, hex.EncodeToString(sum[:]))
}

// fetch lets the command fetch a program.
func (s *Shed) fetch(ctx context.Context, p Program) error {
	if path, found := s.ready(p); found {
		return s.bring(path, p)
	}
	if len(s.config.Fetch) == 0 {
		return remuda.Fail(remuda.Unavailable, s.advice(p, "and cannot fetch it"))
	}
	if err := makeAll(s.config.Dir); err != nil {
		return err
	}
	request, err := json.Marshal(Request{Program: p, Dir: s.config.Dir, Sources: s.config.Sources})
	if err != nil {
		return fmt.Errorf("fetch %s: %w", p, err)
	}
	var said, complaint bytes.Buffer
	command := exec.CommandContext(ctx, s.config.Fetch[0], s.config.Fetch[1:]...)
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(request), &said, &complaint
	began := time.Now()
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Canceled
		}
		return fmt.Errorf("fetch %s: %w: %s", p, err, lastLine(complaint.String()))
	}
	var answer Answer
	if err := json.Unmarshal(said.Bytes(), &answer); err != nil {
		return fmt.Errorf("fetch %s: its answer cannot be read: %w", p, err)
	}
	switch answer.Kind {
	case "":
		s.log.Info("fetched", "program", p.String(), "dir", s.config.Dir, "took", time.Since(began).Round(time.Millisecond))
		return nil
	case remuda.Unavailable:
		return remuda.Fail(remuda.Unavailable, s.advice(p, "and it cannot be fetched ("+answer.Detail+")"))
	}
	return remuda.Fail(answer.Kind, answer.Detail)
}

// advice says what an operator can do about a program that is missing.
func (s *Shed) advice(p Program, why string) string {
	mirror := "--tofu-mirror"
	if p.Product == Terraform {
		mirror = "--terraform-mirror"
	}
	return fmt.Sprintf("this runner has no %s, %s: its operator can set %s to a mirror that it reaches, or --tofu-binary-dir to a folder that holds %s-%s",
		p, why, mirror, p.Product.Command(), p.Version)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// record says what lies beside it, and that it is whole: it is written last.
type record struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

const recordName = "program.json"

// folderOf is where a fetched program lies below dir.
func folderOf(dir string, p Program) string { return filepath.Join(dir, string(p.Product), p.Version) }

// Kept is the path of a program that was fetched into dir, if it is there as it was fetched.
func Kept(dir string, p Program) (path string, found bool) {
	var known record
	data, err := os.ReadFile(filepath.Join(folderOf(dir, p), recordName))
	if err != nil || json.Unmarshal(data, &known) != nil {
		return "", false
	}
	path = filepath.Join(folderOf(dir, p), p.Product.Command()+executableSuffix)
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular() && info.Size() == known.Size
}

// Keep puts a program into its place below dir, whole or not at all. sum is its SHA-256.
func Keep(dir string, p Program, binary []byte, sum string) (err error) {
	place := folderOf(dir, p)
	if err := makeAll(filepath.Dir(place)); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(place), ".new-")
	if err != nil {
		return fmt.Errorf("keep %s: %w", p, err)
	}
	defer os.RemoveAll(fresh)
	known, err := json.Marshal(record{Size: int64(len(binary)), SHA256: sum})
	if err != nil {
		return fmt.Errorf("keep %s: %w", p, err)
	}
	err = errors.Join(
		write(filepath.Join(fresh, p.Product.Command()+executableSuffix), binary, 0o755),
		write(filepath.Join(fresh, recordName), known, 0o644),
		os.Chmod(fresh, 0o755), //nolint:gosec // programs are no secrets
	)
	if err != nil {
		return fmt.Errorf("keep %s: %w", p, err)
	}
	if _, whole := Kept(dir, p); whole {
		return nil // Somebody else was faster, and tasks may be running it.
	}
	if err := os.RemoveAll(place); err != nil {
		return fmt.Errorf("keep %s: %w", p, err)
	}
	if err := os.Rename(fresh, place); err != nil {
		if _, whole := Kept(dir, p); whole {
			return nil
		}
		return fmt.Errorf("keep %s: %w", p, err)
	}
	return nil
}

// write writes a file that survives a crash of the machine.
func write(path string, data []byte, mode fs.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
}

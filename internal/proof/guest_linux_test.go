package proof

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A process that is killed loses nothing of what it has written: the kernel has it. Only a machine that loses its power
// does, so here the control plane runs on one of its own, which is killed with all that its kernel had not put on disk.
//
// REMUDA_PROOF_GUEST is a folder with a kernel and its modules, as in Debian's package linux-image-cloud-amd64; `make
// guest` puts one there.
func TestNothingIsLostWhenTheControlPlanesMachineIsKilled(t *testing.T) {
	kernel := os.Getenv("REMUDA_PROOF_GUEST")
	if kernel == "" {
		t.Skip("REMUDA_PROOF_GUEST names no kernel: make guest runs this")
	}
	long := 2 * time.Minute
	if os.Getenv("REMUDA_PROOF") != "" {
		long = length(t)
	}
	dir := newFolder(t)
	g := newGuest(t, dir, kernel)
	s := openSite(t, dir, g, 1, 0)
	if err := s.planes[0].term(time.Minute); err != nil {
		t.Fatal(err)
	}
	s.door.lead(s.planes[0].name, "")
	g.makeDisk(t)
	s.planes[0] = g.unit(s)
	s.planes[0].start()
	for n := range 2 {
		s.runners = append(s.runners, s.newRunner(n))
		s.runners[n].start()
	}
	s.answers(4 * time.Minute)
	killAtAnyMoment(t, s, pace{long: long, quiet: 25 * time.Second, dead: time.Second, tasks: 2 * slots, boot: 4 * time.Minute})
}

// guest is a machine with a control plane and its database.
type guest struct {
	dir, kernel, initrd, disk string
	address                   string // at which its control plane is reached
}

// boot is what the guest does: its own init.
const boot = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for m in %s; do insmod /modules/$m.ko; done
mount -t ext4 /dev/vda /disk || poweroff -f
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
remuda server --dir /disk/data --listen 0.0.0.0:8080 --insecure --log-format json
poweroff -f
`

// modules are what the kernel needs to see its disk and its network, each after those that it needs itself.
func modules() []string {
	return []string{
		"drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_legacy_dev", "drivers/virtio/virtio_pci_modern_dev",
		"drivers/virtio/virtio_pci", "drivers/block/virtio_blk", "net/core/failover", "drivers/net/net_failover", "drivers/net/virtio_net",
	}
}

func newGuest(t *testing.T, dir, kernel string) *guest {
	t.Helper()
	g := &guest{dir: dir, initrd: filepath.Join(dir, "initrd"), disk: filepath.Join(dir, "disk"), address: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
	images, _ := filepath.Glob(filepath.Join(kernel, "boot", "vmlinuz-*"))
	if len(images) != 1 {
		t.Fatalf("%s has %d kernels", kernel, len(images))
	}
	g.kernel = images[0]
	if err := g.makeInitrd(kernel); err != nil {
		t.Fatalf("make what the guest starts with: %v", err)
	}
	return g
}

// makeInitrd writes the archive that the kernel unpacks into memory: init, busybox, remuda, modules.
func (g *guest) makeInitrd(kernel string) (err error) {
	file, err := os.Create(g.initrd)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	a := &archive{to: file}
	for _, folder := range []string{"bin", "proc", "sys", "dev", "disk", "modules"} {
		a.add(folder, 0o040755, nil)
	}
	var names []string
	for _, module := range modules() {
		found, _ := filepath.Glob(filepath.Join(kernel, "lib", "modules", "*", "kernel", module+".ko"))
		if len(found) != 1 {
			return fmt.Errorf("%s has %d modules %s", kernel, len(found), module)
		}
		name := filepath.Base(module)
		a.addFile("modules/"+name+".ko", found[0])
		names = append(names, name)
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	a.addFile("bin/busybox", busybox)
	a.addFile("bin/remuda", filepath.Join(bin, "remuda"))
	a.add("init", 0o100755, fmt.Appendf(nil, boot, strings.Join(names, " ")))
	a.add("TRAILER!!!", 0, nil)
	return a.err
}

// archive writes cpio's format newc: see the kernel's driver-api/early-userspace/buffer-format.
type archive struct {
	to    io.Writer
	inode int
	err   error
}

func (a *archive) addFile(name, from string) {
	data, err := os.ReadFile(from)
	a.err = errors.Join(a.err, err)
	a.add(name, 0o100755, data)
}

func (a *archive) add(name string, mode int, data []byte) {
	a.inode++
	padding := func(n int) string { return strings.Repeat("\x00", (4-n%4)%4) }
	head := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", a.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	head += name + "\x00"
	_, err := io.WriteString(a.to, head+padding(len(head))+string(data)+padding(len(data)))
	a.err = errors.Join(a.err, err)
}

// makeDisk makes a file system of the data folder as it is.
func (g *guest) makeDisk(t *testing.T) {
	t.Helper()
	top := filepath.Join(g.dir, "top")
	if err := errors.Join(os.Mkdir(top, 0o755), os.Rename(filepath.Join(g.dir, "data"), filepath.Join(top, "data"))); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("mke2fs", "-q", "-t", "ext4", "-d", top, g.disk, "512M").CombinedOutput(); err != nil {
		t.Fatalf("make the guest's disk: %v\n%s", err, said)
	}
	// The administrator's token is still read here.
	if err := os.Rename(filepath.Join(top, "data"), filepath.Join(g.dir, "data")); err != nil {
		t.Fatal(err)
	}
}

// unit is the guest as something that can be killed. The host keeps what the guest has written to its disk, and that alone.
func (g *guest) unit(s *site) *unit {
	return &unit{
		t: s.t, name: "guest", log: filepath.Join(g.dir, "guest.log"), powered: true,
		argv: []string{
			"qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "768",
			"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
			"-kernel", g.kernel, "-initrd", g.initrd, "-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on",
			"-drive", "file=" + g.disk + ",format=raw,if=none,id=disk,cache=writeback", "-device", "virtio-blk-pci,drive=disk",
			"-netdev", "user,id=net,restrict=on,hostfwd=tcp:" + g.address + "-:8080", "-device", "virtio-net-pci,netdev=net",
		},
		heard: func(line string) {
			if answersAt().MatchString(line) {
				s.door.lead("guest", g.address)
			}
		},
	}
}

func (g *guest) arguments() []string { return nil }
func (g *guest) victims() []victim   { return nil }
func (g *guest) end()                {}

// check brings the disk's file system to rest, as the guest's next start does, and looks at the databases on it.
func (g *guest) check() error {
	rest := exec.Command("e2fsck", "-fy", g.disk)
	if said, err := rest.CombinedOutput(); rest.ProcessState == nil || rest.ProcessState.ExitCode() > 1 {
		return fmt.Errorf("check the guest's file system: %w\n%s", err, said)
	}
	copied, err := os.MkdirTemp(g.dir, "disk-")
	if err != nil {
		return err
	}
	if said, err := exec.Command("debugfs", "-R", "rdump /data "+copied, g.disk).CombinedOutput(); err != nil {
		return fmt.Errorf("read the guest's disk: %w\n%s", err, said)
	}
	return sqlite{copied}.check()
}

package proof

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// door is the address that clients and runners use: it passes each connection on to a control plane that lives, as a
// load balancer does.
type door struct {
	listener net.Listener
	group    sync.WaitGroup

	mu    sync.Mutex
	to    map[string]string // addresses by the control plane's name
	next  int
	open  map[net.Conn]bool
	ended bool
}

func openDoor(t *testing.T) *door {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{listener: listener, to: map[string]string{}, open: map[net.Conn]bool{}}
	d.group.Go(d.serve)
	t.Cleanup(d.close)
	return d
}

func (d *door) url() string { return "http://" + d.listener.Addr().String() }

// lead says where a control plane answers from now on; nowhere when the address is empty.
func (d *door) lead(name, address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.to[name] = address; address == "" {
		delete(d.to, name)
	}
}

// leadsToAll says whether so many control planes are there.
func (d *door) leadsToAll(many int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.to) != many {
		return fmt.Errorf("%d of %d control planes are there", len(d.to), many)
	}
	return nil
}

// anyone is a control plane's address, another one each time.
func (d *door) anyone() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.to) == 0 {
		return ""
	}
	d.next++
	left := d.next % len(d.to)
	for _, address := range d.to {
		if left == 0 {
			return address
		}
		left--
	}
	return ""
}

func (d *door) serve() {
	for {
		incoming, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.group.Go(func() { d.pass(incoming) })
	}
}

func (d *door) pass(incoming net.Conn) {
	if !d.keep(incoming) {
		return
	}
	defer d.drop(incoming)
	outgoing, err := net.Dial("tcp", d.anyone())
	if err != nil || !d.keep(outgoing) {
		return // nobody is there: the client sees its connection end
	}
	defer d.drop(outgoing)
	d.group.Go(func() {
		_, _ = io.Copy(outgoing, incoming)
		_ = outgoing.Close()
		_ = incoming.Close()
	})
	_, _ = io.Copy(incoming, outgoing)
}

func (d *door) keep(c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		_ = c.Close()
		return false
	}
	d.open[c] = true
	return true
}

func (d *door) drop(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = c.Close()
	delete(d.open, c)
}

func (d *door) close() {
	_ = d.listener.Close()
	d.mu.Lock()
	d.ended = true
	for c := range d.open {
		_ = c.Close()
	}
	d.mu.Unlock()
	d.group.Wait()
}

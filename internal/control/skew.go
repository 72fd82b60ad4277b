package control

import (
	"fmt"
	"regexp"
	"strconv"
)

// maxSkew is how many minor versions a runner may be older or newer than the control plane.
const maxSkew = 2

// release is a version that was released, as v1.2.3 or v1.2.3-rc.1. Everything else is somebody's own build, which
// nobody can compare.
var release = regexp.MustCompile(`^v?(\d+)\.(\d+)\.\d+(?:-(?:alpha|beta|rc)[.0-9]*)?(?:\+[0-9A-Za-z.-]+)?$`)

// skew says whether a runner's version is too far from the control plane's for new claims: "too old", "too new" or
// nothing. What it runs it may finish.
func skew(runner, plane string) string {
	r, p := release.FindStringSubmatch(runner), release.FindStringSubmatch(plane)
	if r == nil || p == nil {
		return ""
	}
	number := func(text string) int { n, _ := strconv.Atoi(text); return n } // digits alone; so many that they overflow are none
	major, minor := number(r[1])-number(p[1]), number(r[2])-number(p[2])
	switch {
	case major < 0 || major == 0 && minor < -maxSkew:
		return "too old"
	case major > 0 || major == 0 && minor > maxSkew:
		return "too new"
	}
	return ""
}

// refusal says to a runner why it gets nothing new; nothing when it does.
func (p *Plane) refusal(r RunnerRow) string {
	far := skew(r.Version, p.version)
	if far == "" {
		return ""
	}
	return fmt.Sprintf("the runner's version %s is %s for the control plane's, %s, so it gets nothing new; they may be %d minor versions apart",
		r.Version, far, p.version, maxSkew)
}

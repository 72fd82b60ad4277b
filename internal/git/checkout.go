package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// prepareTree makes dir ready for git: reused is true when it holds a work tree.
//
// What an earlier task may have left in the repository's own configuration (commands to run as hooks, filters, ssh) is
// taken away, since the commands that follow hold credentials.
func prepareTree(dir string) (reused bool, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, refuse("the folder %s cannot be made: %s", dir, rootOf(err))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, refuse("the folder %s cannot be read: %s", dir, rootOf(err))
	}
	if len(entries) == 0 {
		return false, nil
	}
	repository := filepath.Join(dir, ".git")
	switch info, err := os.Lstat(repository); {
	case errors.Is(err, fs.ErrNotExist):
		return false, refuse("the folder %s is not empty and holds no git work tree: "+
			"check out before other steps write there, or give the checkout a path of its own", dir)
	case err != nil:
		return false, refuse("the folder %s cannot be read: %s", dir, rootOf(err))
	case !info.IsDir():
		return false, refuse("%s is no folder: give the checkout a path of its own", repository)
	}
	locks, _ := filepath.Glob(filepath.Join(repository, "*.lock")) // of a git that was killed
	for _, name := range append(locks, "config", "config.worktree", "hooks", "info", "commondir") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(repository, name)
		}
		if err := os.RemoveAll(name); err != nil {
			return false, refuse("clean %s: %s", repository, rootOf(err))
		}
	}
	return true, nil
}

// isCommit is whether ref is a commit's whole name.
func isCommit(ref string) bool { return (len(ref) == 40 || len(ref) == 64) && isHex(ref) }

// mayBeCommit is whether ref may be a commit's abbreviated name.
func mayBeCommit(ref string) bool { return len(ref) >= 7 && len(ref) < 64 && isHex(ref) }

func isHex(text string) bool { return strings.Trim(text, "0123456789abcdef") == "" }

// Run brings the folder to the ref and tells which commit that is. An error is ctx's, a Failure, a Refusal, or one of
// this machine.
func (c Checkout) Run(ctx context.Context) error {
	reused, err := prepareTree(c.Dir)
	if err != nil {
		return err
	}
	g := &at{Checkout: c, ctx: ctx}
	what := c.Ref
	if what == "" {
		what = "the default branch"
	}
	g.tell("checking out %s of %s", what, c.Origin.Address)
	if err := g.run("init", "--quiet", "--template="); err != nil {
		return err
	}
	if err := g.run("remote", "add", "origin", c.Origin.Address); err != nil {
		return err
	}
	commit, branch, err := g.fetch(c.Ref, c.Depth)
	if err != nil {
		return err
	}
	arguments := []string{"checkout", "--quiet", "--force", "--detach", commit}
	if branch != "" {
		arguments = []string{"checkout", "--quiet", "--force", "--no-track", "-B", branch, commit}
	}
	if err := g.run(arguments...); err != nil {
		return err
	}
	if reused {
		if err := g.run("clean", "--quiet", "-ffdx"); err != nil {
			return err
		}
	}
	g.tell("checked out commit %s", commit)
	return nil
}

// fetch fetches what ref needs, and finds the commit and, if it is one, the branch that it means.
func (g *at) fetch(ref string, depth int) (commit, branch string, err error) {
	switch {
	case ref == "":
		return g.fetchOne("HEAD", "", depth)
	case strings.HasPrefix(ref, "refs/heads/"):
		return g.fetchOne(ref, strings.TrimPrefix(ref, "refs/heads/"), depth)
	case strings.HasPrefix(ref, "refs/"):
		return g.fetchOne(ref, "", depth)
	case depth > 0 && isCommit(ref):
		return g.fetchOne(ref, "", depth)
	case depth > 0:
		return g.fetchShallow(ref, depth)
	}
	if err := g.run(g.fetchArguments(0, "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")...); err != nil {
		return "", "", err
	}
	if isCommit(ref) {
		if commit, err := g.commitOf(ref); err == nil {
			return commit, "", nil
		}
		return g.fetchOne(ref, "", 0) // no branch has it, such as a pull request's
	}
	if commit, err := g.commitOf("refs/remotes/origin/" + ref); err == nil {
		return commit, ref, nil
	}
	if commit, err := g.commitOf("refs/tags/" + ref); err == nil {
		return commit, "", nil
	}
	if mayBeCommit(ref) {
		if commit, err := g.commitOf(ref); err == nil {
			return commit, "", nil
		}
	}
	return "", "", g.unknown(ref)
}

// fetchOne fetches one ref of the origin by its full name.
func (g *at) fetchOne(ref, branch string, depth int) (string, string, error) {
	spec := "+" + ref
	if branch != "" {
		spec += ":refs/remotes/origin/" + branch
	}
	if isCommit(ref) || ref == "HEAD" {
		spec = ref
	}
	if err := g.run(g.fetchArguments(depth, spec)...); err != nil {
		return "", "", err
	}
	commit, err := g.commitOf("FETCH_HEAD")
	if err != nil {
		return "", "", g.unknown(ref)
	}
	return commit, branch, nil
}

// fetchShallow asks which of branch and tag a short name means, since only that one is to be fetched.
func (g *at) fetchShallow(ref string, depth int) (string, string, error) {
	listed, err := g.ask("ls-remote", "--quiet", "origin", "refs/heads/"+ref, "refs/tags/"+ref)
	if err != nil {
		return "", "", err
	}
	names := map[string]bool{}
	for line := range strings.Lines(listed) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		names[name] = true
	}
	switch {
	case names["refs/heads/"+ref]:
		return g.fetchOne("refs/heads/"+ref, ref, depth)
	case names["refs/tags/"+ref]:
		return g.fetchOne("refs/tags/"+ref, "", depth)
	case mayBeCommit(ref):
		return "", "", Refusal(fmt.Sprintf("%q is no branch or tag of %s; with a depth, a commit has to be written out in full", ref, g.Origin.Address))
	}
	return "", "", g.unknown(ref)
}

func (g *at) fetchArguments(depth int, specs ...string) []string {
	arguments := []string{"fetch", "--quiet", "--force", "--no-tags", "--prune", "--no-recurse-submodules"}
	if depth > 0 {
		arguments = append(arguments, "--depth", strconv.Itoa(depth))
	} else if _, err := os.Stat(filepath.Join(g.Dir, ".git", "shallow")); err == nil {
		arguments = append(arguments, "--unshallow")
	}
	return append(append(arguments, "origin"), specs...)
}

// commitOf is the commit that a name means here.
func (g *at) commitOf(name string) (string, error) {
	return g.ask("rev-parse", "--quiet", "--verify", "--end-of-options", name+"^{commit}")
}

func (g *at) unknown(ref string) error {
	return Refusal(fmt.Sprintf("%q is no branch, tag or commit of %s", ref, g.Origin.Address))
}

func refuse(format string, args ...any) error { return Refusal(fmt.Sprintf(format, args...)) }

// rootOf is what went wrong without the path, which the sentence around it names as people know it.
func rootOf(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

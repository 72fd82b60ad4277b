package architecture

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is where the module lies, seen from this package.
const root = "../.."

// platforms are those for which the light rooms are followed: a file for one of them may import what others do not.
var platforms = []string{"linux", "darwin", "windows"}

func TestTheHouseIsBuiltAsDrawn(t *testing.T) {
	tree, tests := parseTree(t)
	if len(tree) < 2 {
		t.Fatalf("only %d packages were found below %s: this test looks at the wrong place", len(tree), root)
	}
	for _, violation := range violations(tree, tests) {
		t.Error(violation)
	}
}

func TestLightRoomsCarryNothingHeavy(t *testing.T) {
	tree, _ := parseTree(t)
	var rooms []string
	for _, room := range light {
		if _, built := tree["./"+room]; built {
			rooms = append(rooms, "./"+room)
		}
	}
	if len(rooms) == 0 {
		t.Fatal("none of the light rooms exists: this test looks at the wrong place")
	}
	for _, platform := range platforms {
		t.Run(platform, func(t *testing.T) {
			for _, violation := range heavyViolations(listDeps(t, platform, rooms)) {
				t.Error(violation)
			}
		})
	}
}

// A test that sleeps is slow when it passes and flaky when it does not. Under synctest the clock is not real.
func TestNoTestSleepsOnTheRealClock(t *testing.T) {
	eachFile(t, func(dir, file string) {
		if !strings.HasSuffix(file, "_test.go") {
			return
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parse %s: %v", file, err)
		}
		for _, at := range realSleeps(parsed) {
			t.Errorf("%s: wait for what you wait for, or use testing/synctest", files.Position(at))
		}
	})
}

// `go install module@version` refuses a go.mod with these, and it is how people without a package install Remuda.
func TestGoModCanBeInstalledFrom(t *testing.T) {
	for _, line := range goMod(t) {
		if directive, _, _ := strings.Cut(line, " "); directive == "replace" || directive == "exclude" {
			t.Errorf("go.mod: %s", line)
		}
	}
}

// parseTree has what each package of the module imports, in its code and besides in its tests, whatever the platform
// and build tags of a file.
func parseTree(t *testing.T) (tree, tests imports) {
	t.Helper()
	module := modulePath(t)
	tree, tests = imports{}, imports{}
	eachFile(t, func(dir, file string) {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatalf("parse imports of %s: %v", file, err)
		}
		into := tree
		if strings.HasSuffix(file, "_test.go") {
			into = tests
		}
		into[dir] = append(into[dir], importsOf(parsed, module)...)
	})
	for _, side := range []imports{tree, tests} {
		for dir, list := range side {
			slices.Sort(list)
			side[dir] = slices.Compact(list)
		}
	}
	return tree, tests
}

// eachFile calls visit with each Go file of the module and the name of its package, "." or "./its/path".
func eachFile(t *testing.T, visit func(dir, file string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			return skipForeign(file, name)
		}
		if filepath.Ext(name) != ".go" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
			return nil
		}
		below, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		dir := "."
		if below != "." {
			dir = "./" + filepath.ToSlash(below)
		}
		visit(dir, file)
		return nil
	})
	if err != nil {
		t.Fatalf("walk the module: %v", err)
	}
}

// skipForeign leaves out the folders that the go command leaves out, and modules of their own.
func skipForeign(dir, name string) error {
	if dir == root {
		return nil
	}
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" {
		return filepath.SkipDir
	}
	switch _, err := os.Stat(filepath.Join(dir, "go.mod")); {
	case err == nil:
		return filepath.SkipDir
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return err
	}
}

// importsOf is what one file imports, with the packages of module by their short names.
func importsOf(file *ast.File, module string) []string {
	var list []string
	for _, spec := range file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // The parser would have refused it.
		}
		list = append(list, short(name, module))
	}
	return list
}

// short names a package of module as imports does.
func short(name, module string) string {
	if !within(name, module) {
		return name
	}
	return "." + strings.TrimPrefix(name, module)
}

// listDeps asks the go command for everything that can be reached from rooms on one platform.
func listDeps(t *testing.T, platform string, rooms []string) imports {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", append([]string{"list", "-deps", "-json=ImportPath,Imports"}, rooms...)...)
	list.Dir = root
	list.Env = append(os.Environ(), "GOOS="+platform, "CGO_ENABLED=0")
	var complaint strings.Builder
	list.Stderr = &complaint
	answer, err := list.Output()
	if err != nil {
		t.Fatalf("list what %v import: %v\n%s", rooms, err, complaint.String())
	}

	module := modulePath(t)
	all := imports{}
	for decoder := json.NewDecoder(strings.NewReader(string(answer))); ; {
		var listed struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&listed); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read the list of imports: %v", err)
		}
		for _, to := range listed.Imports {
			from := short(listed.ImportPath, module)
			all[from] = append(all[from], short(to, module))
		}
	}
}

// realSleeps finds calls of time.Sleep in a test file that does not fake its time.
func realSleeps(file *ast.File) []token.Pos {
	fakesTime, timeIs := false, ""
	for _, spec := range file.Imports {
		switch spec.Path.Value {
		case `"testing/synctest"`:
			fakesTime = true
		case `"time"`:
			timeIs = "time"
			if spec.Name != nil {
				timeIs = spec.Name.Name
			}
		}
	}
	if fakesTime || timeIs == "" {
		return nil
	}
	var found []token.Pos
	ast.Inspect(file, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok || selector.Sel.Name != "Sleep" {
			return true
		}
		if name, ok := selector.X.(*ast.Ident); ok && name.Name == timeIs {
			found = append(found, selector.Pos())
		}
		return true
	})
	return found
}

// goMod has the lines of go.mod. Reading it also tells go test's cache that the answer depends on it.
func goMod(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatalf("read go.mod: %v", err)
	}
	return strings.Split(string(text), "\n")
}

// modulePath is the import path below which everything is ours.
func modulePath(t *testing.T) string {
	t.Helper()
	for _, line := range goMod(t) {
		if name, ok := strings.CutPrefix(line, "module "); ok {
			return strings.TrimSpace(name)
		}
	}
	t.Fatal(fmt.Errorf("go.mod names no module"))
	return ""
}

// Package layout holds the lines between packages that docs/architecture.md
// draws. It has no code of its own.
package layout

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module   = "github.com/rollcall-faces/rollcall/"
	platform = "apps/internal/platform/"
	devtest  = "apps/internal/devtest/"
)

// pkg is what the tests read of a package.
type pkg struct {
	ImportPath string
	Name       string
	Imports    []string
	Deps       []string
}

// packages lists the module's packages by their path below the module.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Imports,Deps", "./...")
	cmd.Dir = "../../../.."
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	list := map[string]pkg{}
	for dec := json.NewDecoder(out); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		list[strings.TrimPrefix(p.ImportPath, module)] = p
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return list
}

func imports(p pkg, name string) bool { return slices.Contains(p.Imports, module+name) }
func reaches(p pkg, path string) bool { return slices.Contains(p.Deps, path) }

func TestLines(t *testing.T) {
	t.Parallel()
	all := packages(t)

	t.Run("the domain imports the standard library only", func(t *testing.T) {
		t.Parallel()
		for name, may := range map[string][]string{"faces": nil, "history": {"faces"}, "groups": {"faces"}} {
			p, ok := all["apps/internal/"+name]
			if !ok {
				t.Errorf("there is no package %s", name)
			}
			for _, dep := range p.Deps {
				own := strings.TrimPrefix(dep, module+"apps/internal/")
				first, _, _ := strings.Cut(dep, "/")
				if strings.Contains(first, ".") && !slices.Contains(may, own) {
					t.Errorf("%s reaches %s", name, dep)
				}
			}
		}
	})
	t.Run("the store knows no service", func(t *testing.T) {
		t.Parallel()
		allowed := []string{
			"apps/internal/access", "apps/internal/erasure", "apps/internal/faces", "apps/internal/groups", "apps/internal/history",
			"apps/internal/platform/config", "apps/internal/store/migrations",
		}
		for _, dep := range all["apps/internal/store"].Imports {
			if own, ok := strings.CutPrefix(dep, module); ok && !slices.Contains(allowed, own) {
				t.Errorf("store imports %s", own)
			}
		}
	})
	t.Run("who may do what stands on the domain only", func(t *testing.T) {
		t.Parallel()
		for _, dep := range all["apps/internal/access"].Deps {
			if own, ok := strings.CutPrefix(dep, module); ok && own != "apps/internal/faces" {
				t.Errorf("access reaches %s", own)
			}
		}
	})
	t.Run("the contract and its client stand alone, on small packages", func(t *testing.T) {
		t.Parallel()
		small := []string{"github.com/oapi-codegen/runtime", "github.com/apapsch/go-jsonmerge/v2", "github.com/google/uuid"}
		for name, own := range map[string][]string{
			"apps/api":        nil,
			"apps/api/client": {"apps/api", "apps/api/internal/rawclient"},
		} {
			p, ok := all[name]
			if !ok {
				t.Errorf("there is no package %s", name)
			}
			for _, dep := range p.Deps {
				first, _, _ := strings.Cut(dep, "/")
				switch ours, isOurs := strings.CutPrefix(dep, module); {
				case isOurs && slices.Contains(own, ours), !strings.Contains(first, "."):
				case slices.ContainsFunc(small, func(s string) bool { return dep == s || strings.HasPrefix(dep, s+"/") }):
				default:
					t.Errorf("%s reaches %s", name, dep)
				}
			}
		}
	})
	t.Run("the command line knows the API and no service", func(t *testing.T) {
		t.Parallel()
		allowed := []string{
			"apps/api", "apps/api/client", "apps/api/internal/rawclient", "apps/internal/faces", "apps/internal/picturefiles",
			"apps/internal/platform/config", "apps/internal/platform/version",
			"apps/rollcall/internal/cli", "apps/rollcall/internal/enrol", "apps/rollcall/internal/sqlrows",
		}
		for _, dep := range all["apps/rollcall"].Deps {
			if own, ok := strings.CutPrefix(dep, module); ok && !slices.Contains(allowed, own) {
				t.Errorf("rollcall reaches %s", own)
			}
		}
	})
	t.Run("load on a running system knows the API and no service", func(t *testing.T) {
		t.Parallel()
		allowed := []string{
			"apps/api", "apps/api/client", "apps/api/internal/rawclient", "apps/internal/plot", "apps/internal/schedule",
			"apps/internal/platform/command", "apps/internal/platform/config", "apps/internal/platform/version",
		}
		for _, dep := range all["apps/load"].Deps {
			own, ok := strings.CutPrefix(dep, module)
			if ok && !slices.Contains(allowed, own) && !strings.HasPrefix(own, "apps/load/internal/") {
				t.Errorf("load reaches %s", own)
			}
		}
	})
	t.Run("plots and schedules stand on the standard library", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"plot", "schedule"} {
			p, ok := all["apps/internal/"+name]
			if !ok {
				t.Errorf("there is no package %s", name)
			}
			for _, dep := range p.Deps {
				if first, _, _ := strings.Cut(dep, "/"); strings.Contains(first, ".") {
					t.Errorf("%s reaches %s", name, dep)
				}
			}
		}
	})
	t.Run("documents are validated in tests only", func(t *testing.T) {
		t.Parallel()
		for name, p := range all {
			if reaches(p, "github.com/getkin/kin-openapi/openapi3") {
				t.Errorf("%s reaches kin-openapi", name)
			}
		}
	})
	t.Run("model sets stand on the domain and the settings only", func(t *testing.T) {
		t.Parallel()
		allowed := []string{"apps/internal/faces", "apps/internal/platform/config"}
		for _, dep := range all["apps/internal/modelset"].Deps {
			if own, ok := strings.CutPrefix(dep, module); ok && !slices.Contains(allowed, own) {
				t.Errorf("modelset reaches %s", own)
			}
		}
	})
	t.Run("adapters do not import each other", func(t *testing.T) {
		t.Parallel()
		adapters := []string{
			"apps/internal/store", "apps/internal/imagequeue", "apps/internal/recognizerclient",
			"apps/internal/httpapi", "apps/internal/uploads", "apps/internal/engine/dlib", "apps/internal/engine/libjpeg", "apps/internal/engine/onnx",
			"apps/internal/nearest/kernel",
		}
		for _, from := range adapters {
			for _, to := range adapters {
				if imports(all[from], to) {
					t.Errorf("%s imports %s", from, to)
				}
			}
		}
	})
	t.Run("the search and the gallery know no recognizer and no engine", func(t *testing.T) {
		t.Parallel()
		for name, may := range map[string][]string{
			"nearest":      {"faces"},
			"picturefiles": {"faces"},
			"gallery":      {"erasure", "faces", "nearest", "picturefiles"},
		} {
			p, ok := all["apps/internal/"+name]
			if !ok {
				t.Errorf("there is no package %s", name)
			}
			for _, dep := range p.Deps {
				own, ok := strings.CutPrefix(dep, module+"apps/internal/")
				if ok && !slices.Contains(may, own) {
					t.Errorf("%s reaches %s", name, own)
				}
			}
		}
	})
	t.Run("only these reach cgo", func(t *testing.T) {
		t.Parallel()
		allowed := []string{
			"apps/internal/engine/dlib", "apps/internal/engine/libjpeg", "apps/internal/engine/onnx", "apps/internal/engine/standard",
			"apps/internal/engine/opener", "apps/internal/engine/child", "apps/internal/nearest/kernel",
			"apps/internal/devtest/enginetest", "apps/recognizer", "apps/standalone", "apps/bench", "apps/accuracy",
		}
		for name, p := range all {
			for _, c := range []string{
				"github.com/Kagami/go-face", "github.com/yalue/onnxruntime_go",
				module + "apps/internal/nearest/kernel", module + "apps/internal/engine/libjpeg",
			} {
				if reaches(p, c) && !slices.Contains(allowed, name) {
					t.Errorf("%s reaches %s", name, c)
				}
			}
		}
	})
	t.Run("a worker process is independent of the engine that it runs", func(t *testing.T) {
		t.Parallel()
		allowed := []string{"apps/internal/platform/config", "apps/internal/engine", "apps/internal/faces"}
		for _, dep := range all["apps/internal/worker"].Imports {
			if own, ok := strings.CutPrefix(dep, module); ok && !slices.Contains(allowed, own) {
				t.Errorf("worker imports %s", own)
			}
		}
	})
	t.Run("the receiver decodes no pictures", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"apps/receiver", "apps/internal/uploads"} {
			if p := all[name]; p.Name == "" || reaches(p, module+"apps/internal/picture") || reaches(p, "image/jpeg") {
				t.Errorf("%s is missing, or reaches a decoder", name)
			}
		}
	})
	t.Run("the room of pictures is pure Go", func(t *testing.T) {
		t.Parallel()
		allowed := []string{"apps/internal/faces", "apps/internal/picture/signature"}
		for _, dep := range all["apps/internal/picture"].Imports {
			if own, ok := strings.CutPrefix(dep, module); dep == "C" || ok && !slices.Contains(allowed, own) {
				t.Errorf("picture imports %s", dep)
			}
		}
	})
	t.Run("looking at old pictures again knows no other service", func(t *testing.T) {
		t.Parallel()
		for _, other := range []string{"processor", "rematch", "receiver", "recognizerclient", "imagequeue", "httpapi"} {
			if imports(all["apps/internal/rescan"], "apps/internal/"+other) {
				t.Errorf("rescan imports %s", other)
			}
		}
	})
	t.Run("the job that groups faces knows no other service and no adapter", func(t *testing.T) {
		t.Parallel()
		allowed := []string{"apps/internal/faces", "apps/internal/groups", "apps/internal/history", "apps/internal/platform/background", "apps/internal/platform/config"}
		for _, dep := range all["apps/internal/grouping"].Imports {
			if own, ok := strings.CutPrefix(dep, module); ok && !slices.Contains(allowed, own) {
				t.Errorf("grouping imports %s", own)
			}
		}
	})
	t.Run("the platform knows no room above it", func(t *testing.T) {
		t.Parallel()
		for name, p := range all {
			if !strings.HasPrefix(name, platform) {
				continue
			}
			for _, dep := range p.Imports {
				if own, ok := strings.CutPrefix(dep, module); ok && !strings.HasPrefix(own, platform) {
					t.Errorf("%s imports %s", name, own)
				}
			}
		}
	})
	t.Run("only tests and the measuring programs import devtest", func(t *testing.T) {
		t.Parallel()
		measuring := []string{"apps/accuracy", "apps/accuracy/internal/measure", "apps/bench", "apps/chaos", "apps/e2e", "apps/e2e/internal/walk"}
		for name, p := range all {
			if strings.HasPrefix(name, devtest) || slices.Contains(measuring, name) {
				continue
			}
			for _, dep := range p.Imports {
				if strings.HasPrefix(dep, module+devtest) || dep == "testing" {
					t.Errorf("%s imports %s", name, dep)
				}
			}
		}
	})
}

// docs/regressions.md names the tests that hold old faults off.
func TestRegressionsNameTests(t *testing.T) {
	t.Parallel()
	const root = "../../../.."
	text, err := os.ReadFile(filepath.Join(root, "docs/regressions.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err = filepath.WalkDir(filepath.Join(root, "apps"), func(name string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		code, err := os.ReadFile(name)
		for _, m := range declared.FindAllSubmatch(code, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(text, -1)
	if len(named) == 0 {
		t.Fatal("the page names no tests")
	}
	for _, m := range named {
		if !there[string(m[1])] {
			t.Errorf("there is no %s", m[1])
		}
	}
}

// The log has one key for an error, so that one search finds all of them.
func TestErrorsHaveOneLogKey(t *testing.T) {
	t.Parallel()
	other := regexp.MustCompile(`(?i)log\.(?:Debug|Info|Warn|Error)(?:Context)?\(.*"(?:why|err|problem)",`)
	err := filepath.WalkDir("../../../../apps", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		code, err := os.ReadFile(name)
		for _, line := range other.FindAll(code, -1) {
			t.Errorf("%s: call the key \"error\": %s", name, line)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

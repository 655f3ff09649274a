package docs

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
)

const (
	// asTool makes the test binary act as a program that commands of documents call.
	asTool = "ROLLCALL_TEST_DOCS_TOOL"
	// realCurl and restAPI tell the tool curl where the program and the API are.
	realCurl = "ROLLCALL_TEST_DOCS_CURL"
	restAPI  = "ROLLCALL_TEST_DOCS_API"
	// programsIn is the folder of the built programs.
	programsIn = "ROLLCALL_TEST_DOCS_PROGRAMS"
)

func TestMain(m *testing.M) {
	tools := map[string]func([]string) error{"kustomize": kustomize, "kubectl": kubectl, "curl": curl, "docker": docker}
	run, ok := tools[os.Getenv(asTool)]
	if !ok {
		os.Exit(testMain(m))
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, os.Getenv(asTool)+":", err)
		os.Exit(1)
	}
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rollcall-docs-programs-")
	if err == nil {
		err = os.Setenv(programsIn, dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a folder for the programs:", err)
		return 1
	}
	code := mariadbtest.Main(m)
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "remove the programs:", err)
		return 1
	}
	return code
}

// toolFolder returns a folder for PATH with the tools that this binary acts as.
func toolFolder(t *testing.T, names ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names {
		script := fmt.Sprintf("#!/bin/sh\n%s=%s exec %s \"$@\"\n", asTool, name, self)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// render prints what kustomize makes of a folder.
func render(folder string) error {
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionLegacy // what kustomize itself does
	result, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return err
	}
	text, err := result.AsYaml()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

var imageTag = regexp.MustCompile(`^([a-z-]+)=([a-z-]+):(\S+)$`)

// kustomize is `kustomize build` and `kustomize edit set image`.
func kustomize(args []string) error {
	if len(args) == 2 && args[0] == "build" {
		return render(args[1])
	}
	if len(args) != 4 || !slices.Equal(args[:3], []string{"edit", "set", "image"}) {
		return fmt.Errorf("this test knows build DIR and edit set image NAME=NAME:TAG, not %q", args)
	}
	m := imageTag.FindStringSubmatch(args[3])
	if m == nil || m[1] != m[2] {
		return fmt.Errorf("%q is not NAME=NAME:TAG", args[3])
	}
	text, err := os.ReadFile("kustomization.yaml")
	if err != nil {
		return err
	}
	entry := regexp.MustCompile(`(- name: ` + m[1] + `\n  newTag: )\S+`)
	if !entry.Match(text) {
		return fmt.Errorf("kustomization.yaml has no image %s", m[1])
	}
	return os.WriteFile("kustomization.yaml", entry.ReplaceAll(text, []byte("${1}"+m[3])), 0o644)
}

// kubectl renders the folder of -k and does nothing else: there is no cluster here.
func kubectl(args []string) error {
	i := slices.Index(args, "-k")
	if i < 0 || i+1 == len(args) {
		return nil
	}
	return render(args[i+1])
}

// docker answers for a registry that has every image.
func docker(args []string) error {
	if len(args) < 4 || !slices.Equal(args[:3], []string{"buildx", "imagetools", "inspect"}) {
		return fmt.Errorf("this test knows buildx imagetools inspect IMAGE, not %q", args)
	}
	_, err := fmt.Printf("sha256:%x\n", sha256.Sum256([]byte(args[3])))
	return err
}

// examples are the ids of the pages' examples, each with the path of a list and the
// object in it that it stands for.
var examples = []struct{ id, list, of string }{
	{"faces/11", "images/1", "faces"},
	{"faces/12", "images/3", "faces"},
	{"corrections/5", "images/1/corrections", "corrections"},
	{"rematches/3", "rematches", "rematches"},
	{"rescans/1", "rescans", "rescans"},
}

// curl calls the real one with the ids of this database. A refused request is
// repeated for a while, as by a reader who is faster than the system.
func curl(args []string) error {
	var out []byte
	var err error
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(200 * time.Millisecond) {
		var resolved []string
		if resolved, err = resolve(args); err != nil {
			continue
		}
		cmd := exec.Command(os.Getenv(realCurl), append([]string{"--silent", "--show-error", "--fail-with-body"}, resolved...)...)
		if out, err = cmd.CombinedOutput(); err == nil {
			_, err = os.Stdout.Write(append(out, '\n'))
			return err
		}
	}
	return fmt.Errorf("%q: %w: %s", args, err, out)
}

func resolve(args []string) ([]string, error) {
	args = slices.Clone(args)
	for i, arg := range args {
		for _, e := range examples {
			if !strings.Contains(arg, "/api/v1/"+e.id) {
				continue
			}
			id, err := newest(e.list, e.of)
			if err != nil {
				return nil, err
			}
			kind, _, _ := strings.Cut(e.id, "/")
			args[i] = strings.Replace(arg, e.id, fmt.Sprintf("%s/%d", kind, id), 1)
		}
	}
	return args, nil
}

// newest returns the id of the first object of a list of the API.
func newest(path, name string) (int64, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, os.Getenv(restAPI)+"/api/v1/"+path, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, err
	}
	var list []struct{ ID int64 }
	if err := json.Unmarshal(answer[name], &list); err != nil {
		return 0, err
	}
	if len(list) == 0 {
		return 0, errors.New(path + " has no " + name)
	}
	return list[0].ID, nil
}

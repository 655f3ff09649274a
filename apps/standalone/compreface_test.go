package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// sdkTime is how long the installation of an SDK, or its calls, may take.
const sdkTime = 10 * time.Minute

// The SDKs of CompreFace, as they are published, work with Rollcall's address and key:
// https://www.npmjs.com/package/@exadel/compreface-js-sdk,
// https://pypi.org/project/compreface-sdk and https://pypi.org/project/compreface-sdk-python.
// They are installed outside the tree, by lock file and hashes.
func TestCompreFaceSDKs(t *testing.T) {
	t.Parallel()
	all, dir := t, t.TempDir()
	for _, from := range []fs.FS{os.DirFS("testdata/compreface"), samples.Files()} {
		if err := os.CopyFS(dir, from); err != nil {
			t.Fatal(err)
		}
	}
	key := declareKey(t, dir)
	var server *instance // of the first SDK that can be tried, and of the next one
	for _, sdk := range sdks {
		t.Run(sdk.name, func(t *testing.T) {
			sdk.installIn(t, dir)
			if server == nil {
				server = start(all, filepath.Join(dir, "data"), []string{
					"ROLLCALL_KEYS_FILE=" + filepath.Join(dir, "keys.json"), "ROLLCALL_COMPREFACE_STATIC=true",
				})
				eventually(t, "the welcome", server.welcomed)
			}
			_, port, err := net.SplitHostPort(server.api)
			if err != nil {
				t.Fatal(err)
			}
			out, err := runIn(t, dir, append(slices.Clone(sdk.drive), port, key)...)
			if err != nil || !strings.Contains(out, "every call was answered") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// sdk is how an SDK is installed, and called. The commands run in a folder that has the
// files of testdata/compreface and the samples.
type sdk struct {
	name           string
	install, drive []string
}

// sdks are those for one language each. The calls of the last one delete everybody.
var sdks = []sdk{
	{"JavaScript", []string{"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"}, []string{"node", "drive.mjs"}},
	{"Python", []string{
		"python3", "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes",
		"--target", "sdk", "-r", "requirements.txt",
	}, []string{"python3", "drive.py"}},
}

// installIn installs the SDK. Where that is not possible, the test is skipped and says
// why.
func (s sdk) installIn(t *testing.T, dir string) {
	t.Helper()
	for _, program := range []string{s.install[0], s.drive[0]} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the SDK for %s is not tried: %s is not installed", s.name, program)
		}
	}
	if s.install[1] == "-m" {
		if out, err := runIn(t, dir, s.install[0], "-m", s.install[2], "--version"); err != nil {
			t.Skipf("the SDK for %s is not tried: %s has no %s: %s", s.name, s.install[0], s.install[2], out)
		}
	}
	out, err := runIn(t, dir, s.install...)
	switch {
	case err == nil:
	case os.Getenv("ROLLCALL_TEST_REQUIRE") == "" && isAway(out):
		t.Skipf("the SDK for %s is not tried: its registry does not answer: %v", s.name, err)
	default:
		t.Fatalf("install the SDK: %v\n%s", err, out)
	}
}

// runIn runs a command in a folder, and returns what it printed.
func runIn(t *testing.T, dir string, command ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sdkTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(dir, "sdk"), "npm_config_cache="+filepath.Join(dir, "cache"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// isAway reports whether the output of an installation says that the registry could
// not be reached.
func isAway(out string) bool {
	return slices.ContainsFunc([]string{"ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "NewConnectionError", "name resolution"}, func(sign string) bool {
		return strings.Contains(out, sign)
	})
}

// declareKey writes a file of keys and returns the key that is in it.
func declareKey(t *testing.T, dir string) string {
	t.Helper()
	_, text, err := access.NewKey("sdk", access.ScopesOf(access.Read, access.People), access.Limits{}, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(map[string]any{"keys": []map[string]any{{"name": "sdk", "key": text, "scopes": []string{"read", "people"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "keys.json"), file, 0o600); err != nil {
		t.Fatal(fmt.Errorf("write the file of keys: %w", err))
	}
	return text
}

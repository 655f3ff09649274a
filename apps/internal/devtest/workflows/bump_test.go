package workflows

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// kustomizeBuild as an environment variable makes the test binary print the
// render of a folder, as `kustomize build` does.
const kustomizeBuild = "BUMP_TEST_KUSTOMIZE_BUILD"

func TestMain(m *testing.M) {
	folder := os.Getenv(kustomizeBuild)
	if folder == "" {
		os.Exit(m.Run())
	}
	result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err == nil {
		var text []byte
		if text, err = result.AsYaml(); err == nil {
			_, err = os.Stdout.Write(text)
		}
	}
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Exit(0)
}

// bumpApps are the programs whose images the script moves.
var bumpApps = []string{"frontend", "processor", "receiver", "recognizer", "redeemer"}

// bumpOverlay has one image with a digest, as after an earlier run, and others without.
const bumpOverlay = `# The cloud.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [pods.yaml]
images: # moved by CI
- name: rollcall-frontend
  newName: ghcr.io/old/rollcall-frontend
  newTag: v1 # the tag
- name: rollcall-processor
  newName: ghcr.io/old/rollcall-processor
  newTag: v1
- name: rollcall-receiver
  newName: ghcr.io/old/rollcall-receiver
  newTag: v1
- name: rollcall-recognizer
  newName: ghcr.io/old/rollcall-recognizer
  newTag: v1
  digest: sha256:0000000000000000000000000000000000000000000000000000000000000001
- name: rollcall-redeemer
  newName: ghcr.io/old/rollcall-redeemer
  newTag: v1
- name: somebody-else
  newName: ghcr.io/else/somebody
  newTag: v1
`

// bump is a bare origin and a clone, in which the script runs.
type bump struct {
	t                    *testing.T
	origin, clone, tools string
}

func newBump(t *testing.T) *bump {
	t.Helper()
	dir := t.TempDir()
	b := &bump{t: t, origin: filepath.Join(dir, "origin.git"), clone: filepath.Join(dir, "clone"), tools: filepath.Join(dir, "tools")}
	b.run(dir, "git", "init", "--quiet", "--bare", "--initial-branch=main", b.origin)
	b.run(dir, "git", "clone", "--quiet", b.origin, b.clone)
	b.run(b.clone, "git", "switch", "--quiet", "--create", "main")
	b.write("overlays/aws/kustomization.yaml", bumpOverlay)
	var pods strings.Builder
	for _, name := range []string{"rollcall-frontend", "rollcall-processor", "rollcall-receiver", "rollcall-recognizer", "rollcall-redeemer", "somebody-else"} {
		pods.WriteString("---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec: {containers: [{name: a, image: " + name + "}]}\n")
	}
	b.write("overlays/aws/pods.yaml", pods.String())
	b.write("notes.txt", "one\n")
	b.write("other.txt", "one\n")
	script, err := os.ReadFile(filepath.Join(root, ".github/scripts/bump.sh"))
	if err != nil {
		t.Fatal(err)
	}
	b.write(".github/scripts/bump.sh", string(script))
	b.git("add", ".")
	b.git("commit", "--quiet", "--message=first")
	b.git("push", "--quiet", "origin", "main")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(b.tools, 0o755); err != nil {
		t.Fatal(err)
	}
	// `kustomize build DIR`; a file "between" beside it runs once, before the first.
	b.write(filepath.Join(b.tools, "kustomize"), `#!/bin/sh
if [ -f "$0.between" ]; then mv "$0.between" "$0.done"; sh "$0.done" || exit 1; fi
`+kustomizeBuild+`="$2" exec `+self+"\n")
	if err := os.Chmod(filepath.Join(b.tools, "kustomize"), 0o755); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bump) write(name, text string) {
	b.t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(b.clone, name)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bump) command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(b.t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+b.tools+":"+os.Getenv("PATH"), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	return cmd
}

func (b *bump) run(dir, name string, args ...string) string {
	b.t.Helper()
	out, err := b.command(dir, name, args...).CombinedOutput()
	if err != nil {
		b.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (b *bump) git(args ...string) string { b.t.Helper(); return b.run(b.clone, "git", args...) }

// digest is what the registry of the tests says of an image.
func digest(app, tag string) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(app+":"+tag)))
}

// bump runs the script with a file of the digests behind a tag.
func (b *bump) bump(registry, tag string) (string, error) {
	var text strings.Builder
	for _, app := range bumpApps {
		fmt.Fprintln(&text, app, digest(app, tag))
	}
	file := filepath.Join(b.t.TempDir(), "digests")
	b.write(file, text.String())
	return b.script(registry, tag, file)
}

// script runs the script.
func (b *bump) script(args ...string) (string, error) {
	out, err := b.command(b.clone, "bash", append([]string{".github/scripts/bump.sh"}, args...)...).CombinedOutput()
	return string(out), err
}

// pushed checks that origin's branch ends with a commit that moved ours to tag, each
// with its digest, and changed nothing but these lines.
func (b *bump) pushed(branch, tag string) {
	b.t.Helper()
	got := b.run(b.origin, "git", "show", branch+":overlays/aws/kustomization.yaml")
	want := bumpOverlay
	for _, app := range bumpApps {
		at := regexp.MustCompile(`newName: ghcr.io/old/rollcall-` + app + `\n  newTag: v1( # the tag)?\n(  digest: .*\n)?`)
		want = at.ReplaceAllString(want, fmt.Sprintf("newName: ghcr.io/new/rollcall-%s\n  newTag: %s\n  digest: %s\n", app, tag, digest(app, tag)))
	}
	if got != strings.TrimSpace(want) {
		b.t.Errorf("origin has\n%s\nwant\n%s", got, want)
	}
	if files := b.run(b.origin, "git", "show", "--format=", "--name-only", branch); files != "overlays/aws/kustomization.yaml" {
		b.t.Errorf("the commit changes %q", files)
	}
}

func TestBump(t *testing.T) {
	t.Parallel()
	b := newBump(t)
	if out, err := b.bump("ghcr.io/new", "v2"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b.pushed("main", "v2")
	if here, there := b.git("rev-parse", "HEAD"), b.run(b.origin, "git", "rev-parse", "main"); here != there {
		t.Errorf("the clone is at %s, origin at %s", here, there)
	}
	if out := b.git("status", "--porcelain"); out != "" {
		t.Errorf("left behind: %s", out)
	}
	if out := b.git("worktree", "list", "--porcelain"); strings.Count(out, "worktree ") != 1 {
		t.Errorf("worktrees left behind: %s", out)
	}
	if out, err := b.bump("ghcr.io/new", "v2"); err != nil || !strings.Contains(out, "nothing to do") {
		t.Errorf("the same again: %v: %s", err, out)
	}
	if out, err := b.bump("ghcr.io/new", "123"); err != nil { // not a number to YAML
		t.Errorf("a tag of digits: %v: %s", err, out)
	}
}

// An image that was built again has its tag, and another digest.
func TestBumpMovesADigestAlone(t *testing.T) {
	t.Parallel()
	b := newBump(t)
	if out, err := b.bump("ghcr.io/new", "v2"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file := filepath.Join(t.TempDir(), "digests")
	var text strings.Builder
	for _, app := range bumpApps {
		fmt.Fprintln(&text, app, digest(app, "v2 again"))
	}
	b.write(file, text.String())
	if out, err := b.script("ghcr.io/new", "v2", file); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	render := b.run(b.clone, filepath.Join(b.tools, "kustomize"), "build", "overlays/aws")
	for _, app := range bumpApps {
		if want := "image: ghcr.io/new/rollcall-" + app + ":v2@" + digest(app, "v2 again"); !strings.Contains(render, want) {
			t.Errorf("the render has no %q:\n%s", want, render)
		}
	}
}

// Without a file, the registry says what is behind the tag.
func TestBumpAsksTheRegistry(t *testing.T) {
	t.Parallel()
	b := newBump(t)
	var answers strings.Builder
	for _, app := range bumpApps {
		fmt.Fprintf(&answers, "*/rollcall-%s:v2) echo %s ;;\n", app, digest(app, "v2"))
	}
	docker := filepath.Join(b.tools, "docker")
	b.write(docker, "#!/bin/sh\n[ \"$1 $2 $3\" = \"buildx imagetools inspect\" ] || exit 1\ncase $4 in\n"+answers.String()+"*) exit 1 ;;\nesac\n")
	if err := os.Chmod(docker, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := b.script("ghcr.io/new", "v2"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b.pushed("main", "v2")
	if out, err := b.script("ghcr.io/new", "v3"); err == nil || !strings.Contains(out, "cannot ask ghcr.io/new for the digest of rollcall-receiver:v3") {
		t.Errorf("a tag that the registry does not have: %v: %s", err, out)
	}
}

// Staged, unstaged, untracked and unpushed work is neither lost nor published.
func TestBumpLeavesOtherWorkAlone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, branch, file string }{
		{"on main, other files", "main", "other.txt"},
		{"on a branch", "deploy", "other.txt"},
		{"on main, the overlay itself", "main", "overlays/aws/kustomization.yaml"},
	} {
		for _, conflict := range []bool{false, true} {
			name := tt.name
			if conflict {
				name += ", somebody pushes in between"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := newBump(t)
				if tt.branch != "main" {
					b.git("switch", "--quiet", "--create", tt.branch)
					b.git("push", "--quiet", "origin", tt.branch)
				}
				before := b.git("rev-parse", "main")
				if conflict {
					b.pushInBetween(tt.branch)
				}
				b.write("notes.txt", "staged\n")
				b.git("add", "notes.txt")
				b.write(tt.file, bumpOverlay+"# unfinished\n")
				b.write("new.txt", "untracked\n")
				status := b.git("status", "--porcelain")
				if out, err := b.bump("ghcr.io/new", "v2"); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				b.pushed(tt.branch, "v2")
				if got := b.git("status", "--porcelain"); got != status {
					t.Errorf("status was %q, is %q", status, got)
				}
				if got := b.git("diff", "--cached", "notes.txt"); !strings.Contains(got, "+staged") {
					t.Errorf("staged: %q", got)
				}
				if text, err := os.ReadFile(filepath.Join(b.clone, tt.file)); err != nil || !strings.HasSuffix(string(text), "# unfinished\n") {
					t.Errorf("unstaged: %v: %q", err, text)
				}
				if tt.branch != "main" && b.run(b.origin, "git", "rev-parse", "main") != before {
					t.Error("main was pushed, too")
				}
			})
		}
	}
}

func TestBumpDoesNotPublishUnpushedCommits(t *testing.T) {
	t.Parallel()
	b := newBump(t)
	b.write("notes.txt", "not yet\n")
	b.git("commit", "--quiet", "--all", "--message=not yet")
	mine := b.git("rev-parse", "HEAD")
	if out, err := b.bump("ghcr.io/new", "v2"); err != nil || !strings.Contains(out, "git pull") {
		t.Fatalf("%v: %s", err, out)
	}
	b.pushed("main", "v2")
	if got := b.git("rev-parse", "HEAD"); got != mine {
		t.Errorf("the branch moved from %s to %s", mine, got)
	}
	if got := b.run(b.origin, "git", "show", "main:notes.txt"); got != "one" {
		t.Errorf("published: %q", got)
	}
}

// pushInBetween lets somebody else move the same lines after the script has fetched.
func (b *bump) pushInBetween(branch string) {
	other := b.clone + "-other"
	b.write(filepath.Join(b.tools, "kustomize.between"), `unset GIT_DIR GIT_WORK_TREE
git clone --quiet --branch `+branch+" "+b.origin+" "+other+` && cd `+other+`
sed -i 's/newTag: v1$/newTag: v1.1/; s/name: somebody-else/&/' overlays/aws/kustomization.yaml
sed -i '$s/v1.1/v1/' overlays/aws/kustomization.yaml
git commit --quiet --all --message=between && git push --quiet origin `+branch+"\n")
}

// A tag without its digest would leave the old digest, and with it the old image.
func TestBumpRefusesDigests(t *testing.T) {
	t.Parallel()
	good := map[string]string{}
	for _, app := range bumpApps {
		good[app] = digest(app, "v2")
	}
	for _, tt := range []struct{ name, app, digest, want string }{
		{"one is missing", "redeemer", "", `rollcall-redeemer:v2 has the digest ""`},
		{"one is short", "frontend", "sha256:12ab", `rollcall-frontend:v2 has the digest "sha256:12ab"`},
		{"one is a tag", "frontend", "v2", `rollcall-frontend:v2 has the digest "v2"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBump(t)
			bad := maps.Clone(good)
			bad[tt.app] = tt.digest
			var text strings.Builder
			for app, digest := range bad {
				if digest != "" {
					fmt.Fprintln(&text, app, digest)
				}
			}
			file := filepath.Join(t.TempDir(), "digests")
			b.write(file, text.String())
			was := b.run(b.origin, "git", "rev-parse", "main")
			if out, err := b.script("ghcr.io/new", "v2", file); err == nil || !strings.Contains(out, tt.want) {
				t.Errorf("%v: %s", err, out)
			}
			if b.run(b.origin, "git", "rev-parse", "main") != was {
				t.Error("it pushed all the same")
			}
		})
	}
}

func TestBumpRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		prepare    func(*bump)
	}{
		{"an image that matches nothing", "the render has no", func(b *bump) {
			b.write("overlays/aws/kustomization.yaml", strings.Replace(bumpOverlay, "name: rollcall-receiver", "name: rollcall-receivers", 1))
			b.git("commit", "--quiet", "--all", "--message=typo")
			b.git("push", "--quiet", "origin", "main")
		}},
		{"no branch", "git switch", func(b *bump) { b.git("switch", "--quiet", "--detach") }},
		{"a branch that origin has not", "git push -u origin mine", func(b *bump) { b.git("switch", "--quiet", "--create", "mine") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBump(t)
			tt.prepare(b)
			was := b.run(b.origin, "git", "rev-parse", "main")
			if out, err := b.bump("ghcr.io/new", "v2"); err == nil || !strings.Contains(out, tt.want) {
				t.Errorf("%v: %s", err, out)
			}
			if b.run(b.origin, "git", "rev-parse", "main") != was {
				t.Error("it pushed all the same")
			}
		})
	}
}

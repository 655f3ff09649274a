package docs

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/childproc"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/queuetest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// runbooks is the folder of the pages of the alerts. Its pages share what they run on.
const runbooks = "docs/runbooks"

// byDocument returns the blocks of one place, by document. Those of all runbooks are one
// document. A test runs one of them by its name:
// -run TestCommandsBesideStandalone/docs/runbooks
func byDocument(t *testing.T, place string) map[string][]Block {
	t.Helper()
	list := map[string][]Block{}
	for _, b := range At(place, blocksOf(t)) {
		name := b.Document
		if path.Dir(name) == runbooks {
			name = runbooks
		}
		list[name] = append(list[name], b)
	}
	if len(list) == 0 {
		t.Fatalf("no block of a document runs at %s", place)
	}
	return list
}

// run runs blocks and checks that all commands succeed.
func run(t *testing.T, s Shell, blocks []Block) {
	t.Helper()
	out, err := s.Run(t.Context(), blocks)
	t.Logf("they print:\n%s", out)
	if err != nil {
		t.Error(err)
	}
}

// programs builds the programs once, into the folder that TestMain has made.
var programs = sync.OnceValues(func() (string, error) {
	dir := os.Getenv(programsIn)
	cmd := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./apps/accuracy", "./apps/bench", "./apps/chaos", "./apps/e2e",
		"./apps/frontend", "./apps/hostile", "./apps/load", "./apps/processor", "./apps/receiver", "./apps/recognizer", "./apps/redeemer", "./apps/rollcall", "./apps/standalone")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs: %w: %s", err, out)
	}
	return dir, nil
})

// skip skips a test, or fails it where nothing may be missing.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("ROLLCALL_TEST_REQUIRE") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func programFolder(t *testing.T) string {
	t.Helper()
	if os.Getenv("CGO_ENABLED") == "0" || os.Getenv("CGO_LDFLAGS") == "" {
		skip(t, "the compiler and the libraries of the recognizer are not set: run this test with make")
	}
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// copyTree copies the source tree without what is built or large.
func copyTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	leaveOut := []string{".git", "build", "data", "apps/recognizer/models"}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		switch skipped := slices.Contains(leaveOut, filepath.ToSlash(name)); {
		case err != nil:
			return err
		case skipped && e.IsDir():
			return fs.SkipDir
		case skipped:
			return nil // .git of a worktree is a file, and leads to the real repository
		case e.IsDir():
			return os.MkdirAll(filepath.Join(dir, name), 0o755)
		case !e.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), text, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// A clone of a repository that has the tree is all that these commands need. make
// only says what it would do.
func TestCommandsAlone(t *testing.T) {
	t.Parallel()
	for document, blocks := range byDocument(t, Alone) {
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			run(t, Shell{
				Dir: copyTree(t),
				Env: []string{
					"PATH=" + toolFolder(t, "kustomize", "kubectl", "docker") + ":" + os.Getenv("PATH"),
					"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_PAGER=cat",
					"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
					"ORIGIN=" + filepath.Join(t.TempDir(), "origin.git"),
				},
				Setup: `[ ! -e .git ] # or the commands would change the repository that it leads to
git init --quiet --bare --initial-branch=main "$ORIGIN"
git init --quiet --initial-branch=main && git add --all && git commit --quiet --message=first
git remote add origin "$ORIGIN" && git push --quiet --set-upstream origin main
make() { command make --dry-run "$@"; }`,
				Replace: strings.NewReplacer("1c9e0d2", "HEAD"), // the commit of the block before
			}, blocks)
		})
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// models returns the variables by which programs outside of the tree find the models.
func models(t *testing.T) []string {
	t.Helper()
	folder, err := modelset.SourceFolder()
	if err != nil {
		t.Fatal(err)
	}
	library, err := modelset.Settings{Library: os.Getenv("ROLLCALL_ONNXRUNTIME")}.FindLibrary()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir() // where the models are unpacked already
	if err != nil {
		t.Fatal(err)
	}
	return []string{"XDG_CACHE_HOME=" + cache, "ROLLCALL_MODELS=" + folder, "ROLLCALL_ONNXRUNTIME=" + library, "ROLLCALL_ENGINES=1", "OPENBLAS_NUM_THREADS=1"}
}

// curlOf returns the variables for the tool curl.
func curlOf(t *testing.T, address string) []string {
	t.Helper()
	path, err := exec.LookPath("curl")
	if err != nil {
		skip(t, "there is no curl on this machine")
	}
	return []string{realCurl + "=" + path, restAPI + "=http://" + address}
}

// startStandalone starts a standalone that has answered the samples. It returns the
// addresses of its API and its dashboard.
func startStandalone(t *testing.T) (rest, pages string) {
	t.Helper()
	rest, pages = freeAddress(t), freeAddress(t)
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(programFolder(t), "standalone"), "-data", filepath.Join(dir, "data"))
	cmd.Env = append(os.Environ(), append(models(t), "ROLLCALL_LISTEN_ADDRESS="+rest, "FRONTEND_PORT="+portOf(t, pages), "ROLLCALL_ADMIN_ADDRESS=127.0.0.1:0",
		"ROLLCALL_RESCAN_RATE=1")...) // so that a rescan can be paused before it ends
	cmd.Stdout, cmd.Stderr = log, log
	p, err := childproc.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if text, err := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("standalone: %v\n%s", err, text)
		}
	})
	wait.Within(t, 4*time.Minute, "standalone has answered the samples", func() bool { return answered(t.Context(), rest) })
	return rest, pages
}

func answered(ctx context.Context, address string) bool {
	expected, err := samples.Expected()
	if err != nil {
		return false
	}
	n := 0
	for img, err := range client.New("http://"+address).AllImages(ctx, api.ListImagesParams{}) {
		if err != nil || img.Waits() {
			return false
		}
		n++
	}
	return n == len(expected)
}

// The commands of each page work beside a standalone.
func TestCommandsBesideStandalone(t *testing.T) {
	t.Parallel()
	for document, blocks := range byDocument(t, Standalone) {
		t.Run(document, func(t *testing.T) { // one after the other: each keeps a core busy
			rest, dashboard := startStandalone(t)
			run(t, Shell{
				Dir:     pictureOfAda(t),
				Env:     append(curlOf(t, rest), "ROLLCALL_SERVER=http://"+rest, "PATH="+toolFolder(t, "curl")+":"+programFolder(t)+":"+os.Getenv("PATH")),
				Replace: strings.NewReplacer("127.0.0.1:8000", rest, "127.0.0.1:8081", dashboard),
			}, blocks)
		})
	}
}

// pictureOfAda is a working directory with a new picture of somebody who is known.
func pictureOfAda(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	picture, err := fs.ReadFile(samples.Files(), "unknown/unknown0001.jpg")
	for _, name := range []string{"ada.jpg", "photo.jpg"} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), picture, 0o644)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// serving has functions that start a server in the background, wait until it
// listens, and fail if it ends. So a reader uses one terminal for each.
const serving = `
serve() {
	local admin=ADMIN_$1 address=LISTEN_$1
	[ -n "${!address}" ] && [ -z "$ROLLCALL_LISTEN_ADDRESS" ] && local -x ROLLCALL_LISTEN_ADDRESS=${!address}
	ROLLCALL_ADMIN_ADDRESS=${!admin} command "$1" &
	local pid=$!
	until "$ROLLCALL_TEST_DOCS_CURL" --silent --fail --output /dev/null "http://${!admin}/healthz"; do
		kill -0 $pid || { echo "$1 has ended"; return 1; }
		sleep 0.1
	done
}
start() {
	case "$*" in
	receiver | processor | recognizer | frontend) serve "$1" ;;
	*) command "$@" ;;
	esac
}
for program in receiver processor recognizer frontend; do
	eval "$program() { start $program \"\$@\"; }"
	eval "build/bin/$program() { start $program \"\$@\"; }"
done
go() {
	[ "$1" = run ] || { command go "$@"; return; }
	local program=${2#./apps/}
	shift 2
	start "$program" "$@"
}
make() { command make --dry-run "$@"; }
`

// afterwards checks that the programs of operations.md, once started, answer.
const afterwards = `
curl -d '{"path":"unknown0001.jpg"}' http://127.0.0.1:8000/image/post
until curl http://127.0.0.1:8000/api/v1/images/1 | grep '"reason":"identified"\|"reason":"unknown_person"'; do sleep 0.2; done
`

// The programs start as the pages say, beside a database and a queue.
func TestCommandsBesideServices(t *testing.T) {
	t.Parallel()
	for document, blocks := range byDocument(t, Services) {
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			if document == "docs/operations.md" {
				blocks = append(blocks, Block{Document: "afterwards", Text: afterwards})
			}
			dir := servicesFolder(t)
			queue := queuetest.Start(t)
			db := mariadbtest.Database(t)
			rest, grpc := freeAddress(t), freeAddress(t)
			env := append(models(t), "PATH="+toolFolder(t, "curl")+":"+programFolder(t)+":"+os.Getenv("PATH"), "HOME="+filepath.Join(dir, "home"),
				"KNOWN_PEOPLE="+filepath.Join(dir, "known"), "UNKNOWN_PEOPLE="+filepath.Join(dir, "unknown"),
				fmt.Sprintf("MYSQL_PORT=%d", db.Port), "MYSQL_DBNAME="+db.Name,
				"LISTEN_receiver="+rest, "LISTEN_recognizer="+grpc, "GRPC_ADDRESS="+grpc, "FRONTEND_PORT="+portOf(t, freeAddress(t)),
				"PRODUCER_ADDRESS="+queue.NSQD(), "NSQ_LOOKUP_ADDRESS="+queue.Lookupd())
			env = append(env, curlOf(t, rest)...)
			setup := serving
			migrates := slices.ContainsFunc(blocks, func(b Block) bool { return strings.Contains(b.Text, "receiver -migrate") })
			if !migrates {
				setup += "MYSQL_CONNECTION=localhost MYSQL_USERPASSWORD=root:secret command receiver -migrate\n"
			}
			if document == "docs/operations.md" {
				env = append(env, "MYSQL_CONNECTION="+db.Host, "MYSQL_USERPASSWORD="+db.User+":"+db.Password)
			}
			for _, program := range []string{"receiver", "processor", "recognizer", "frontend"} {
				env = append(env, "ADMIN_"+program+"="+freeAddress(t))
			}
			here := strings.NewReplacer("MYSQL_CONNECTION=localhost", "MYSQL_CONNECTION="+db.Host, "root:secret", db.User+":"+db.Password,
				"localhost:4161", queue.Lookupd(), "localhost:4150", queue.NSQD(),
				"127.0.0.1:50051", grpc, "localhost:50051", grpc, "127.0.0.1:8000", rest)
			run(t, Shell{Dir: dir, Env: env, Setup: here.Replace(setup), Replace: here}, blocks)
		})
	}
}

// servicesFolder is a working directory: the tree as far as the pages name it, and
// folders of people and pictures. They are copies, because recognizers write beside
// the known people.
func servicesFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"", "apps/standalone/samples"} {
		if err := samples.Extract(filepath.Join(dir, folder)); err != nil {
			t.Fatal(err)
		}
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "Makefile"), makefile, 0o644)
	}
	if err == nil {
		err = samples.Extract(filepath.Join(dir, "home"))
	}
	if err == nil {
		err = os.Rename(filepath.Join(dir, "home", "known"), filepath.Join(dir, "home", "team"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

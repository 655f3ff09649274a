package walk

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/docs"
)

// The page from nothing to the first answer. Its commands enrol the samples.
const (
	firstPage    = "docs/deploy-minikube.md"
	firstSection = "From nothing to the first answer"
)

// pages are the documents with commands for a cluster. root is the folder of the
// repository.
func pages(root string) ([]string, error) {
	runbooks, err := fs.Glob(os.DirFS(root), runbookPages)
	return append([]string{firstPage, "docs/doctor.md", "docs/troubleshooting.md", "overlays/README.md"}, runbooks...), err
}

// runbookPages are the pages of the alerts.
const runbookPages = "docs/runbooks/*.md"

// patientCurl repeats a request until port-forward listens.
const patientCurl = `curl() { command curl --silent --show-error --fail-with-body --retry 60 --retry-connrefused --retry-delay 1 "$@"; }`

// firstCommands runs the commands of the first page's first section, as a reader does
// who has built the images. Without apply it leaves out those that deploy.
func (w *Walk) firstCommands(ctx context.Context, apply bool) error {
	blocks, err := w.blocks(firstPage)
	if err != nil {
		return err
	}
	blocks = inSection(blocks, firstSection, true)
	if !apply {
		blocks = slices.DeleteFunc(blocks, func(b docs.Block) bool { return strings.Contains(b.Text, "kubectl apply -k") })
	}
	return w.runBlocks(ctx, blocks)
}

// restOfCommands runs all other commands of the pages. Afterwards the cluster is as
// it was.
func (w *Walk) restOfCommands(ctx context.Context) error {
	list, err := pages(w.opts.Root)
	if err != nil {
		return err
	}
	for _, page := range list {
		blocks, err := w.blocks(page)
		if err != nil {
			return err
		}
		if page == firstPage {
			blocks = inSection(blocks, firstSection, false)
		}
		if err := w.runBlocks(ctx, blocks); err != nil {
			return err
		}
	}
	return w.applyAndWait(ctx, allAt(w.first()))
}

// blocks returns the blocks of a page that run on a cluster.
func (w *Walk) blocks(page string) ([]docs.Block, error) {
	all, err := docs.Read(w.opts.Root, page)
	return docs.At(docs.Cluster, all), err
}

// inSection returns the blocks of a section, or those of all others.
func inSection(blocks []docs.Block, section string, inside bool) []docs.Block {
	var list []docs.Block
	for _, b := range blocks {
		if (b.Section == section) == inside {
			list = append(list, b)
		}
	}
	return list
}

// buildCommandLine builds the command line where the pages call it, as `make
// rollcall` does.
func (w *Walk) buildCommandLine(ctx context.Context, tree string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(tree, "build", "bin", "rollcall"), "./apps/rollcall")
	cmd.Dir, cmd.Env = w.opts.Root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the command line: %w: %s", err, out)
	}
	return nil
}

// runBlocks runs blocks of one page in one shell.
func (w *Walk) runBlocks(ctx context.Context, blocks []docs.Block) (err error) {
	if len(blocks) == 0 {
		return nil
	}
	tree, err := w.tree()
	if err != nil {
		return fmt.Errorf("copy the tree for the commands of %s: %w", blocks[0].Document, err)
	}
	defer os.RemoveAll(tree)
	if strings.Contains(textOf(blocks), "build/bin/rollcall") {
		makeClient := w.makeClient
		if makeClient == nil {
			makeClient = w.buildCommandLine
		}
		if err := makeClient(ctx, tree); err != nil {
			return err
		}
	}
	here, err := w.replace()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.opts.Patience)
	defer cancel()
	shell := docs.Shell{Dir: tree, Setup: patientCurl, Replace: here}
	if _, err := shell.Run(ctx, blocks); err != nil {
		return err
	}
	for _, b := range blocks {
		first, _, _ := strings.Cut(b.Text, "\n")
		w.say("%s: %s", b, first)
	}
	return nil
}

// textOf returns the text of all blocks.
func textOf(blocks []docs.Block) string {
	var text strings.Builder
	for _, b := range blocks {
		text.WriteString(b.Text)
	}
	return text.String()
}

var (
	newTag       = regexp.MustCompile(`(?m)^  newTag: .*$`)
	ownNamespace = regexp.MustCompile(`(?m)^namespace: rollcall$`)
)

// tree copies what the commands read, with the tags of the first version and the
// namespace of this walk in the overlay. So they neither change the source tree nor take
// another image.
func (w *Walk) tree() (string, error) {
	dir, err := os.MkdirTemp("", "rollcall-e2e-")
	if err != nil {
		return "", err
	}
	for _, folder := range []string{"base", "overlays", "apps/standalone/samples"} {
		from := filepath.Join(w.opts.Root, folder)
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(from)); err != nil {
			return dir, err
		}
	}
	err = filepath.WalkDir(filepath.Join(dir, "overlays"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Name() != "kustomization.yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text = newTag.ReplaceAll(text, []byte("  newTag: "+w.first()))
		text = ownNamespace.ReplaceAll(text, []byte("namespace: "+w.opts.Namespace))
		if filepath.Dir(path) == filepath.Join(dir, w.opts.Overlay) {
			text = bytes.Replace(text, []byte("\npatches:\n"), []byte("\npatches:\n"+strings.Join(smallRequests(), "\n")+"\n"), 1)
		}
		return os.WriteFile(path, text, 0o644)
	})
	return dir, err
}

// replace says what this walk has other than the pages: the overlay, the namespace,
// and free ports on this machine.
func (w *Walk) replace() (*strings.Replacer, error) {
	list := []string{"overlays/minikube", w.opts.Overlay, "-n rollcall", "-n " + w.opts.Namespace}
	for _, f := range forwards() {
		free, err := freePort()
		if err != nil {
			return nil, err
		}
		list = append(list, fmt.Sprintf("%s %d", f.to, f.port), fmt.Sprintf("%s %d:%d", f.to, free, f.port),
			fmt.Sprintf("127.0.0.1:%d", f.port), fmt.Sprintf("127.0.0.1:%d", free))
	}
	return strings.NewReplacer(list...), nil
}

// forward is a port of the cluster that pages forward to this machine.
type forward struct {
	to   string
	port int
}

// nsqdPort is the HTTP port of nsqd.
const nsqdPort = 4151

func forwards() []forward {
	return []forward{
		{"service/receiver", 8000}, {"service/frontend", 8081}, {"service/nsqd", nsqdPort},
		{"deployment/receiver", 9000}, {"deployment/processor", 9001}, {"deployment/recognizer", 9002}, {"deployment/frontend", 9003},
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

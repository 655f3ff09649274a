package walk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// programs returns the programs that have an image in the overlay.
func programs() []string {
	return []string{"receiver", "processor", "frontend", "redeemer", "recognizer"}
}

// build builds all images with a tag.
func (w *Walk) build(ctx context.Context, tag string) error {
	return w.show(ctx, "make", "--no-print-directory", "images", "TAG="+tag, "IMAGES_EXTRA=e2e")
}

// load copies the images of a tag to the nodes.
func (w *Walk) load(ctx context.Context, tag string) error {
	command, err := w.loadCommand(ctx)
	if err != nil || command == "" {
		return err
	}
	var images []string
	for _, p := range append(programs(), "e2e") {
		images = append(images, "rollcall-"+p+":"+tag)
	}
	return w.loadImages(ctx, command, images...)
}

func (w *Walk) loadImages(ctx context.Context, command string, images ...string) error {
	if !strings.Contains(command, `"$@"`) {
		command += ` "$@"`
	}
	return w.show(ctx, "sh", append([]string{"-c", command, "load"}, images...)...)
}

// loadCommand returns the shell command that copies images to the nodes: the
// user's own, or the one for this kind of cluster. "" means there is nothing to
// do.
func (w *Walk) loadCommand(ctx context.Context) (string, error) {
	if w.opts.Load != "" {
		if w.opts.Load == "none" {
			return "", nil
		}
		return w.opts.Load, nil
	}
	contextName, err := w.kube.run(ctx, "config", "current-context")
	if err != nil {
		return "", err
	}
	if name, ok := strings.CutPrefix(contextName, "kind-"); ok {
		return "kind load docker-image --name " + name, nil
	}
	if contextName == "minikube" {
		return `for image in "$@"; do minikube image load "$image" || exit 1; done`, nil
	}
	return "", errors.New("cannot tell how to load images into " + contextName +
		`; set ROLLCALL_E2E_LOAD to a shell command that takes their names ("$@"), or to none if the nodes have them already`)
}

// show runs a local command and prints its output.
func (w *Walk) show(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = w.opts.Root
	cmd.Env = os.Environ()
	cmd.Stdout, cmd.Stderr = w.out, w.out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

package walk

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// branch is the branch of the repository that Argo CD deploys.
const branch = "main"

// repository is a git repository with the manifests of two versions, and a clone of it.
// Argo CD deploys what is pushed to it.
type repository struct {
	origin, clone string
	ahead         bool // the clone has the newer version, and it was not pushed yet
}

// newRepository makes a repository in build/ whose first commit is the previous release
// and the second one this tree, each with the tags of its images. Only the first one is
// pushed.
func (w *Walk) newRepository(ctx context.Context) (*repository, error) {
	dir, err := filepath.Abs(filepath.Join(w.opts.Root, "build", "e2e-argocd"))
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	r := &repository{origin: filepath.Join(dir, "origin.git"), clone: filepath.Join(dir, "clone"), ahead: true}
	if err := os.MkdirAll(r.clone, 0o755); err != nil {
		return nil, err
	}
	if _, err := git(ctx, dir, "init", "--quiet", "--bare", "--initial-branch="+branch, r.origin); err != nil {
		return nil, err
	}
	if _, err := git(ctx, dir, "clone", "--quiet", r.origin, r.clone); err != nil {
		return nil, err
	}
	if err := w.commitVersion(ctx, r, w.opts.PreviousTag, w.previousTree); err != nil {
		return nil, fmt.Errorf("take the manifests of %s: %w", w.opts.Previous, err)
	}
	if _, err := git(ctx, r.clone, "push", "--quiet", "origin", "HEAD:"+branch); err != nil {
		return nil, err
	}
	if err := w.commitVersion(ctx, r, w.first(), w.thisTree); err != nil {
		return nil, fmt.Errorf("take the manifests of this tree: %w", err)
	}
	return r, nil
}

// commitVersion replaces everything in the clone by a version's manifests with its tag.
func (w *Walk) commitVersion(ctx context.Context, r *repository, tag string, fill func(ctx context.Context, dir string) error) error {
	for _, folder := range manifestFolders() {
		if err := os.RemoveAll(filepath.Join(r.clone, folder)); err != nil {
			return err
		}
	}
	if err := fill(ctx, r.clone); err != nil {
		return err
	}
	state := allAt(tag)
	// One new pod after the other takes twice as long, which the walk has no time for. With
	// both at once, the old ones go at once, too.
	state.availability, state.atOnce = true, true
	if err := w.writeOverlay(ctx, r.clone, state); err != nil {
		return err
	}
	if _, err := git(ctx, r.clone, "add", "--all"); err != nil {
		return err
	}
	_, err := git(ctx, r.clone, "commit", "--quiet", "--message="+tag)
	return err
}

// manifestFolders are what Argo CD needs of a tree.
func manifestFolders() []string { return []string{"base", "overlays"} }

// thisTree copies the manifests of the tree as they are, committed or not.
func (w *Walk) thisTree(_ context.Context, dir string) error {
	for _, folder := range manifestFolders() {
		if err := os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join(w.opts.Root, folder))); err != nil {
			return err
		}
	}
	return nil
}

// previousTree writes the manifests of the previous release.
func (w *Walk) previousTree(ctx context.Context, dir string) error {
	archive := filepath.Join(dir, "..", "previous.tar")
	args := append([]string{"archive", "--output=" + archive, w.opts.Previous, "--"}, manifestFolders()...)
	if _, err := git(ctx, w.opts.Root, args...); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "tar", "--extract", "--file="+archive, "--directory="+dir).CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w: %s", err, out)
	}
	return os.Remove(archive)
}

// pushOther pushes the version that is not deployed, and returns the commit: first the
// newer version, and then the revert of the last commit each time, as an operator does.
func (r *repository) pushOther(ctx context.Context) (commit string, err error) {
	if !r.ahead {
		if _, err := git(ctx, r.clone, "revert", "--no-edit", "HEAD"); err != nil {
			return "", err
		}
	}
	r.ahead = false
	if _, err := git(ctx, r.clone, "push", "--quiet", "origin", "HEAD:"+branch); err != nil {
		return "", err
	}
	return git(ctx, r.clone, "rev-parse", "HEAD")
}

// deployed returns the commit that was pushed last.
func (r *repository) deployed(ctx context.Context) (commit string, err error) {
	return git(ctx, r.origin, "rev-parse", branch)
}

// git runs git in a folder, under a name of the walk's own, and returns its output.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "user.name=e2e", "-c", "user.email=e2e@localhost"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

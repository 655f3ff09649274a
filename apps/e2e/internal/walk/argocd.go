package walk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// argoCD is the namespace of Argo CD. Its objects have names of their own.
func argoCD() *kube { return &kube{namespace: "argocd"} }

// publicRepository is what argocd/*.yaml name.
const publicRepository = "https://github.com/rollcall-faces/rollcall.git"

// argoObjects returns the project and the application of argocd/ for a repository on
// this machine.
func (w *Walk) argoObjects(origin string) (string, error) {
	here := strings.NewReplacer(
		publicRepository, "file://"+origin,
		"path: overlays/minikube", "path: "+w.overlayFolder(),
		"namespace: rollcall", "namespace: "+w.opts.Namespace,
	)
	var texts []string
	for _, name := range []string{"project.yaml", "minikube.yaml"} {
		text, err := os.ReadFile(filepath.Join(w.opts.Root, "argocd", name))
		if err != nil {
			return "", err
		}
		texts = append(texts, here.Replace(string(text)))
	}
	return strings.Join(texts, "---\n"), nil
}

// follow has Argo CD deploy what is pushed to a repository.
func (w *Walk) follow(ctx context.Context, origin string) error {
	text, err := w.argoObjects(origin)
	if err != nil {
		return err
	}
	_, err = argoCD().input(ctx, strings.NewReader(text), "apply", "--filename=-")
	return err
}

// unfollow deletes the application. What it deployed stays.
func (w *Walk) unfollow(ctx context.Context) error {
	_, err := argoCD().run(ctx, "delete", "application/rollcall", "appproject/rollcall", "--ignore-not-found", "--wait")
	return err
}

// lookNow tells Argo CD of a push, as a webhook does, so that its own interval is not
// measured.
func lookNow(ctx context.Context) error {
	_, err := argoCD().run(ctx, "annotate", "application", "rollcall", "argocd.argoproj.io/refresh=normal", "--overwrite")
	return err
}

// awaitVersion waits until Argo CD says that a commit is synced and healthy, and every
// pod of the programs is of its version.
func (w *Walk) awaitVersion(ctx context.Context, commit, tag string) error {
	const status = "{.status.sync.revision} {.status.sync.status} {.status.health.status} {.status.operationState.phase}"
	return w.kube.unlessNotPulled(ctx, func(ctx context.Context) error {
		return eventually(ctx, w.opts.Patience, func(ctx context.Context) (string, error) {
			said, err := argoCD().run(ctx, "get", "application", "rollcall", "--output=jsonpath="+status)
			if err != nil || said != commit+" Synced Healthy Succeeded" {
				return fmt.Sprintf("Argo CD says %q of commit %s", said, commit), err
			}
			return w.otherVersions(ctx, tag)
		})
	})
}

// otherVersions names the pods of Deployments that have another tag and were not asked
// to stop.
func (w *Walk) otherVersions(ctx context.Context, tag string) (string, error) {
	const template = `{range .items[?(@.metadata.ownerReferences[0].kind=="ReplicaSet")]}{.metadata.name}|{.spec.containers[0].image}|{.metadata.deletionTimestamp}{"\n"}{end}`
	pods, err := w.kube.list(ctx, template, "pods", "--selector=app.kubernetes.io/part-of=rollcall")
	if err != nil {
		return "", err
	}
	var others []string
	for _, line := range pods {
		if f := strings.Split(line, "|"); len(f) == 3 && f[2] == "" && !strings.HasSuffix(f[1], ":"+tag) {
			others = append(others, f[0])
		}
	}
	if len(pods) == 0 || len(others) > 0 {
		return fmt.Sprintf("%d pods, not of version %s: %s", len(pods), tag, strings.Join(others, ", ")), nil
	}
	return "", nil
}

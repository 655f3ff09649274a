package walk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// privilegedPod must be refused, or the namespace enforces nothing.
const privilegedPod = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "admission-privileged"}, "spec": {"containers": [
	{"name": "shell", "image": "scratch", "securityContext": {"privileged": true}}]}}`

// admission asks the API server whether it takes the pods of every overlay in the walk's
// namespace, which enforces Pod Security "restricted". Nothing is created.
func (w *Walk) admission(ctx context.Context) error {
	if _, err := w.kube.input(ctx, strings.NewReader(privilegedPod), "apply", "--dry-run=server", "--filename=-"); err == nil {
		return errors.New("the namespace takes a privileged pod; it must have the label pod-security.kubernetes.io/enforce: restricted")
	} else if !strings.Contains(err.Error(), "violates PodSecurity") {
		return fmt.Errorf("ask for a privileged pod: %w", err)
	}
	tests, err := fs.Glob(os.DirFS(w.opts.Root), "overlays/tests/*")
	if err != nil {
		return err
	}
	taken := 0
	folders := append([]string{"overlays/minikube", "overlays/aws"}, tests...)
	for _, folder := range folders {
		render, err := w.kube.run(ctx, "kustomize", filepath.Join(w.opts.Root, folder))
		if err != nil {
			return err
		}
		pods, err := podsOf(render)
		if err != nil {
			return fmt.Errorf("read the pods of %s: %w", folder, err)
		}
		if _, err := w.kube.input(ctx, bytes.NewReader(bytes.Join(pods, []byte("\n---\n"))), "apply", "--dry-run=server", "--filename=-"); err != nil {
			return fmt.Errorf("the pods of %s: %w", path.Base(folder), err)
		}
		taken += len(pods)
	}
	w.say("a privileged pod is refused; all %d pods of %d overlays are taken", taken, len(folders))
	return nil
}

// template is what an object says of its pods.
type template struct {
	Metadata map[string]any `json:"metadata"`
	Spec     map[string]any `json:"spec"`
}

// podsOf returns a pod, as JSON, for each workload of a render.
func podsOf(render string) (pods [][]byte, err error) {
	for doc := range strings.SplitSeq(render, "\n---\n") {
		var o struct {
			Kind     string
			Metadata struct{ Name string }
			Spec     struct {
				Template    template
				JobTemplate struct{ Spec struct{ Template template } }
				Claims      []struct{ Metadata struct{ Name string } } `json:"volumeClaimTemplates"`
			}
		}
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			return nil, err
		}
		t := o.Spec.Template
		switch o.Kind {
		case "Deployment", "StatefulSet":
		case "CronJob":
			t = o.Spec.JobTemplate.Spec.Template
		default:
			continue
		}
		// What a component brings beside its pods is not there, and has nothing to do with
		// their security.
		for _, name := range []string{"serviceAccountName", "priorityClassName", "topologySpreadConstraints"} {
			delete(t.Spec, name)
		}
		volumes, _ := t.Spec["volumes"].([]any)
		for _, claim := range o.Spec.Claims {
			volumes = append(volumes, map[string]any{"name": claim.Metadata.Name, "persistentVolumeClaim": map[string]any{"claimName": "none"}})
		}
		t.Spec["volumes"] = volumes
		pod, err := json.Marshal(map[string]any{
			"apiVersion": "v1", "kind": "Pod", "spec": t.Spec,
			"metadata": map[string]any{"name": "admission-" + o.Metadata.Name, "labels": t.Metadata["labels"]},
		})
		if err != nil {
			return nil, err
		}
		pods = append(pods, pod)
	}
	return pods, nil
}

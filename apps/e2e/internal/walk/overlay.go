package walk

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// desired is the state that git would hold: the overlay with these tags.
type desired struct {
	tags         map[string]string // image tag, by program
	availability bool              // add the availability component
	atOnce       bool              // with it: both new pods of a program start at once
	backup       bool              // add the component backup
	galera       bool              // three databases, all on one machine
	autoscaling  bool              // add the components autoscaling and autoscaling-trial
}

// allAt returns the state in which all programs have one tag.
func allAt(tag string) desired {
	d := desired{tags: map[string]string{}}
	for _, p := range programs() {
		d.tags[p] = tag
	}
	return d
}

// with returns a copy with another tag for one program.
func (d desired) with(program, tag string) desired {
	d.tags = maps.Clone(d.tags)
	d.tags[program] = tag
	return d
}

// components returns what a kustomization on top of an overlay says of components.
func (d desired) components(overlay, namespace string) string {
	var names, patches []string
	if d.availability {
		names = append(names, "availability")
	}
	if d.backup {
		names = append(names, "backup")
		if strings.HasSuffix(overlay, "/kind") { // as that overlay does with its own claims
			patches = append(patches, `- target: {kind: PersistentVolumeClaim, name: backups}
  patch: '[{"op": "replace", "path": "/spec/accessModes/0", "value": "ReadWriteOnce"}]'`)
		}
	}
	if d.atOnce {
		patches = append(patches, `- target: {kind: Deployment}
  patch: '[{"op": "replace", "path": "/spec/strategy/rollingUpdate/maxSurge", "value": 2}]'`)
	}
	if d.galera {
		names = append(names, "galera", "galera-on-one-machine")
	}
	if !d.autoscaling {
		patches = append(patches, smallRequests()...)
	} else { // it goes by the load in relation to the requests
		names = append(names, "autoscaling", "autoscaling-trial")
		// KEDA asks from a namespace of its own, so the manifest has ours in full names.
		patches = append(patches, fmt.Sprintf(`- target: {kind: ScaledObject, name: processor}
  patch: '[{"op": "replace", "path": "/spec/triggers/0/metadata/nsqLookupdHTTPAddresses", "value": "nsqlookupd-0.nsqlookupd.%[1]s.svc.cluster.local:4161,nsqlookupd-1.nsqlookupd.%[1]s.svc.cluster.local:4161"}]'`, namespace))
	}
	text := ""
	if len(names) > 0 {
		text = "components:\n- ../../../overlays/components/" + strings.Join(names, "\n- ../../../overlays/components/") + "\n"
	}
	if len(patches) > 0 {
		text += "patches:\n" + strings.Join(patches, "\n") + "\n"
	}
	return text
}

// smallRequests are patches that have all pods ask for next to no processor. The lanes run
// on one small node, and their pods would wait until the scheduler finds room.
func smallRequests() (patches []string) {
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		patches = append(patches, "- target: {kind: "+kind+`}
  patch: '[{"op": "replace", "path": "/spec/template/spec/containers/0/resources/requests/cpu", "value": "10m"}]'`)
	}
	return patches
}

// overlayFolder is where the kustomization of a desired state is, relative to the
// repository.
func (w *Walk) overlayFolder() string { return path.Join("build/e2e", w.opts.Namespace) }

// apply applies d with kubectl apply -k. It does not change the overlay: it
// writes a kustomization on top of it, in build/.
func (w *Walk) apply(ctx context.Context, d desired) error {
	if err := w.writeOverlay(ctx, w.opts.Root, d); err != nil {
		return err
	}
	_, err := w.kube.run(ctx, "apply", "--kustomize="+filepath.Join(w.opts.Root, w.overlayFolder()))
	return err
}

// writeOverlay writes the kustomization of d into a tree of the repository.
func (w *Walk) writeOverlay(ctx context.Context, root string, d desired) error {
	dir := filepath.Join(root, w.overlayFolder())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	names, err := w.imageNames(ctx)
	if err != nil {
		return err
	}
	var text strings.Builder
	// As in the overlays: without the namespace, what components add does not find the
	// ConfigMap of the overlay, whose name ends with a hash.
	fmt.Fprintf(&text, "# Made by apps/e2e.\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: %s\nlabels:\n- pairs:\n    app.kubernetes.io/part-of: rollcall\n  includeTemplates: true\nresources:\n- ../../../%s\n",
		w.kube.namespace, w.opts.Overlay)
	text.WriteString(d.components(w.opts.Overlay, w.kube.namespace))
	text.WriteString("images:\n")
	for _, p := range slices.Sorted(maps.Keys(d.tags)) {
		name, ok := names[p]
		if !ok {
			return fmt.Errorf("%s contains no image of %s", w.opts.Overlay, p)
		}
		fmt.Fprintf(&text, "- name: %s\n  newName: rollcall-%s\n  newTag: %s\n", name, p, d.tags[p])
	}
	return os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text.String()), 0o644)
}

// applyAndWait applies a desired state and waits until the cluster has it.
func (w *Walk) applyAndWait(ctx context.Context, d desired) error {
	if err := w.apply(ctx, d); err != nil {
		return err
	}
	return w.kube.settled(ctx, w.opts.Patience)
}

var ourImage = regexp.MustCompile(`(?m)^ *(?:- )?image: (\S*rollcall-([a-z]+))[:@]`)

// imageNames returns the name of each program's image in the overlay.
func (w *Walk) imageNames(ctx context.Context) (map[string]string, error) {
	if w.names != nil {
		return w.names, nil
	}
	render, err := w.kube.run(ctx, "kustomize", filepath.Join(w.opts.Root, w.opts.Overlay))
	if err != nil {
		return nil, err
	}
	w.names = map[string]string{}
	for _, m := range ourImage.FindAllStringSubmatch(render, -1) {
		w.names[m[2]] = m[1]
	}
	return w.names, nil
}

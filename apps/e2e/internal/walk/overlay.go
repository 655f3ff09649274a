package walk

// This file owns what is applied: the overlay as it is committed, with tags that
// this walk chooses, and with the availability component where asked for. The
// tree itself is not touched: a kustomization of our own stands in front.

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// desired is the state that git would hold.
type desired struct {
	tags         map[string]string // by program
	availability bool
}

func allAt(tag string) desired {
	d := desired{tags: map[string]string{}}
	for _, p := range programs() {
		d.tags[p] = tag
	}
	return d
}

// with returns a copy in which one program has another tag.
func (d desired) with(program, tag string) desired {
	d.tags = maps.Clone(d.tags)
	d.tags[program] = tag
	return d
}

// apply applies d as `kubectl apply -k` does.
func (w *Walk) apply(ctx context.Context, d desired) error {
	dir := filepath.Join(w.opts.Root, "build", "e2e")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	names, err := w.imageNames(ctx)
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "# Made by apps/e2e.\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- ../../%s\n", w.opts.Overlay)
	if d.availability {
		text.WriteString("components:\n- ../../overlays/components/availability\n")
	}
	text.WriteString("images:\n")
	for _, p := range slices.Sorted(maps.Keys(d.tags)) {
		name, ok := names[p]
		if !ok {
			return fmt.Errorf("%s has no image of %s", w.opts.Overlay, p)
		}
		fmt.Fprintf(&text, "- name: %s\n  newName: rollcall-%s\n  newTag: %s\n", name, p, d.tags[p])
	}
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text.String()), 0o644); err != nil {
		return err
	}
	_, err = w.kube.run(ctx, "apply", "--kustomize="+dir)
	return err
}

var ourImage = regexp.MustCompile(`(?m)^ *(?:- )?image: (\S*rollcall-([a-z]+))[:@]`)

// imageNames returns what the overlay calls each program's image.
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

package manifests

import (
	"slices"
	"strings"
	"testing"
)

// check is one invariant of a render.
type check struct {
	name string
	// only says for which folders below overlays/ it holds; nil: for all.
	only func(folder string) bool
	find func(c *cluster) problems
	// broken are renders of an overlay that it must find a fault in.
	broken []mutation
}

// mutation breaks a render on purpose.
type mutation struct {
	name    string
	overlay string // minikube where it is empty
	edit    func(l *objects)
}

func onMinikube(folder string) bool {
	return strings.Contains(folder, "minikube") || strings.Contains(folder, "kind")
}
func onAWS(folder string) bool { return strings.Contains(folder, "aws") }

// oneReplica holds where nothing but the bare overlay runs on one node.
func oneReplica(folder string) bool { return folder == "minikube" }

func available(folder string) bool {
	return onAWS(folder) || strings.HasSuffix(folder, "availability") || strings.HasSuffix(folder, "everything")
}

func checks() []check {
	return slices.Concat(wiring(), variables(), images(), rollout(), stopping(), probing(), security(), network(), edgesOf(),
		storage(), availability(), jobs(), waves(), monitoring())
}

func TestInvariants(t *testing.T) {
	t.Parallel()
	folders := append(combinations(t), overlays...)
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			held := 0
			for _, folder := range folders {
				if c.only != nil && !c.only(folder) {
					continue
				}
				held++
				for _, problem := range c.find(load(t, folder, nil)) {
					t.Errorf("overlays/%s: %s", folder, problem)
				}
			}
			if held == 0 {
				t.Error("it was held against nothing")
			}
			if len(c.broken) == 0 {
				t.Error("nothing shows that it finds anything")
			}
			for _, m := range c.broken {
				t.Run(m.name, func(t *testing.T) {
					t.Parallel()
					overlay := m.overlay
					if overlay == "" {
						overlay = "minikube"
					}
					if found := c.find(load(t, overlay, m.edit)); len(found) == 0 {
						t.Error("it finds nothing wrong")
					} else {
						t.Log(strings.Join(found, "\n"))
					}
				})
			}
		})
	}
}

// load renders a folder and breaks it, where there is an edit.
func load(t *testing.T, folder string, edit func(l *objects)) *cluster {
	t.Helper()
	if edit == nil {
		return rendered(t, "overlays/"+folder).cluster
	}
	list := copyOf(t, "overlays/"+folder)
	edit(&list)
	c, err := read(list)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestUnknownFields shows that a field with a typing error does not get by.
func TestUnknownFields(t *testing.T) {
	t.Parallel()
	list := copyOf(t, "overlays/minikube")
	list.set("Deployment/receiver", 1, "spec", "minReadySecond")
	if _, err := read(list); err == nil || !strings.Contains(err.Error(), "minReadySecond") {
		t.Errorf("got %v", err)
	}
}

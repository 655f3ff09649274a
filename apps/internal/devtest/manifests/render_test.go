package manifests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// root is the repository's top folder.
const root = "../../../.."

// overlays are what people deploy.
var overlays = []string{"minikube", "aws"}

// combinations lists the folders of overlays/tests, as tests/<name>.
func combinations(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, "overlays/tests"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, "tests/"+e.Name())
	}
	return list
}

// render is what kustomize makes of a folder. Everybody shares it.
type render struct {
	yaml    []byte
	objects []byte   // the same as JSON, which is read much faster
	cluster *cluster // not to be changed
}

var (
	rendersMu sync.Mutex // guards renders
	renders   = map[string]func() (render, error){}
)

// rendered renders a folder of the repository, each once a run.
func rendered(t *testing.T, folder string) render {
	t.Helper()
	rendersMu.Lock()
	once, ok := renders[folder]
	if !ok {
		once = sync.OnceValues(func() (render, error) { return renderFolder(folder) })
		renders[folder] = once
	}
	rendersMu.Unlock()
	r, err := once()
	if err != nil {
		t.Fatalf("render %s: %v", folder, err)
	}
	return r
}

func renderFolder(folder string) (r render, err error) {
	if r.yaml, err = kustomize(filepath.Join(root, folder)); err != nil {
		return r, err
	}
	list, err := parse(r.yaml)
	if err != nil {
		return r, err
	}
	if r.objects, err = json.Marshal(list); err != nil {
		return r, err
	}
	r.cluster, err = read(list)
	return r, err
}

// build returns a folder's render as kustomize writes it.
func build(t *testing.T, folder string) []byte {
	t.Helper()
	return rendered(t, folder).yaml
}

// copyOf returns a render's objects, to be changed.
func copyOf(t *testing.T, folder string) objects {
	t.Helper()
	var list objects
	if err := json.Unmarshal(rendered(t, folder).objects, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func kustomize(folder string) ([]byte, error) {
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionLegacy // what kustomize itself does
	result, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, err
	}
	return result.AsYaml()
}

// object is one Kubernetes object as it was rendered.
type object map[string]any

func (o object) text(path ...string) string {
	var at any = map[string]any(o)
	for _, key := range path {
		m, ok := at.(map[string]any)
		if !ok {
			return ""
		}
		at = m[key]
	}
	text, _ := at.(string)
	return text
}

func (o object) kind() string { return o.text("kind") }
func (o object) name() string { return o.text("metadata", "name") }
func (o object) ref() string  { return o.kind() + "/" + o.name() }

// group is the API group, empty for the core.
func (o object) group() string {
	if group, _, ok := strings.Cut(o.text("apiVersion"), "/"); ok {
		return group
	}
	return ""
}

func (o object) annotation(name string) string { return o.text("metadata", "annotations", name) }
func (o object) label(name string) string      { return o.text("metadata", "labels", name) }

// decode reads the object into a type and refuses what the type does not know.
func (o object) decode(into any) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", o.ref(), err)
	}
	return nil
}

// objects are those of one render.
type objects []object

// parse reads a stream of YAML documents.
func parse(text []byte) (objects, error) {
	var list objects
	for doc := range strings.SplitSeq(string(text), "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			return nil, err
		}
		if o != nil {
			list = append(list, o)
		}
	}
	return list, nil
}

// hash is what kustomize appends to the names of what it generates.
var hash = regexp.MustCompile(`-[a-z0-9]{10}$`)

// index finds an object by Kind/name, with or without the hash of its name.
func (l objects) index(ref string) int {
	i := slices.IndexFunc(l, func(o object) bool { return o.ref() == ref || hash.ReplaceAllString(o.ref(), "") == ref })
	if i < 0 {
		panic("there is no " + ref)
	}
	return i
}

// end is the step into a list that appends.
const end = -1

// set changes a value of an object. A step into a list is an element's name or
// its index; a nil value removes.
func (l objects) set(ref string, value any, path ...any) {
	l[l.index(ref)] = put(map[string]any(l[l.index(ref)]), value, path).(map[string]any)
}

// drop removes a value of an object.
func (l objects) drop(ref string, path ...any) { l.set(ref, nil, path...) }

// remove removes an object.
func (l *objects) remove(ref string) {
	i := l.index(ref)
	*l = slices.Delete(*l, i, i+1)
}

// add appends an object written in YAML.
func (l *objects) add(text string) {
	more, err := parse([]byte(text))
	if err != nil {
		panic(err)
	}
	*l = append(*l, more...)
}

func put(at, value any, path []any) any {
	if len(path) == 0 {
		return value
	}
	switch at := at.(type) {
	case nil:
		return put(map[string]any{}, value, path)
	case map[string]any:
		key := path[0].(string)
		if len(path) == 1 && value == nil {
			delete(at, key)
		} else {
			at[key] = put(at[key], value, path[1:])
		}
		return at
	case []any:
		i, ok := path[0].(int)
		if !ok {
			i = slices.IndexFunc(at, func(e any) bool { m, ok := e.(map[string]any); return ok && m["name"] == path[0] })
		}
		switch {
		case ok && i == end:
			return append(at, put(nil, value, path[1:]))
		case i < 0:
			panic(fmt.Sprintf("there is no %v in the list", path[0]))
		case len(path) == 1 && value == nil:
			return slices.Delete(at, i, i+1)
		}
		at[i] = put(at[i], value, path[1:])
		return at
	default:
		panic(fmt.Sprintf("%v leads nowhere in %v", path, at))
	}
}

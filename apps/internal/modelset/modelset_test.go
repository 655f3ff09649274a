package modelset_test

import (
	"bytes"
	"compress/bzip2"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
)

// The sets in the repository are complete and valid.
func TestCommittedSets(t *testing.T) {
	t.Parallel()
	folder, err := modelset.SourceFolder()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		id       string
		engine   modelset.Engine
		size     int
		networks []string
	}{
		{modelset.Default, modelset.ONNX, 320, []string{modelset.DlibResNet, modelset.MobileFaceNet}},
		{modelset.GoFaceSet, modelset.GoFace, 128, nil},
	}
	for _, tt := range tests {
		t.Run(tt.id, func(t *testing.T) {
			t.Parallel()
			set, err := modelset.Load(filepath.Join(folder, tt.id))
			if err != nil {
				t.Fatal(err)
			}
			if set.ID != tt.id || set.Engine != tt.engine || set.DescriptorSize != tt.size {
				t.Errorf("set %s is for %s with %d numbers, want %s, %d", set.ID, set.Engine, set.DescriptorSize, tt.engine, tt.size)
			}
			if len(set.Networks) != len(tt.networks) {
				t.Fatalf("%d networks, want %q", len(set.Networks), tt.networks)
			}
			for i, n := range set.Networks {
				if n.Name != tt.networks[i] {
					t.Errorf("network %d is %s, want %s", i, n.Name, tt.networks[i])
				}
				if _, err := os.Stat(n.Path); err != nil {
					t.Error(err)
				}
			}
			if m := set.Model(); m.ID != tt.id || m.Threshold != set.Threshold || m.Margin != set.Margin {
				t.Errorf("Model() is %+v of %+v", m, set)
			}
		})
	}
}

func TestFactorsMakeTheDistance(t *testing.T) {
	t.Parallel()
	dlib := modelset.Network{Weight: 0.3, Scale: 0.55}
	mobile := modelset.Network{Weight: 0.7, Scale: 1}
	const dlibDistance, mobileDistance = 0.44, 0.9
	// One number of each network, moved by the network's own distance.
	got := math.Hypot(dlib.Factor()*dlibDistance, mobile.Factor()*mobileDistance)
	want := math.Sqrt(0.3*(dlibDistance/0.55)*(dlibDistance/0.55) + 0.7*mobileDistance*mobileDistance)
	if math.Abs(got-want) > 1e-12 {
		t.Errorf("the distance is %v, want %v", got, want)
	}
}

// fixture is a folder of models with one small set.
type fixture struct {
	folder   string
	manifest map[string]any
	archives map[string][]byte // by the name of the file inside
}

const fixtureID = "small-1"

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{folder: t.TempDir(), archives: map[string][]byte{}}
	var files []any
	for name, archive := range map[string]string{
		"dlib_face_recognition_resnet_model_v1.dat": "resnet.bz2",
		"shape_predictor_5_face_landmarks.dat":      "landmarks.bz2",
		"mmod_human_face_detector.dat":              "detector.bz2",
	} {
		packed, err := os.ReadFile(filepath.Join("testdata", archive))
		if err != nil {
			t.Fatal(err)
		}
		f.archives[name] = packed
		f.write(t, "official/"+name+".bz2", packed)
		files = append(files, map[string]any{"name": name, "sha256": sum(unpacked(t, packed)), "archive_sha256": sum(packed)})
	}
	f.write(t, "networks/find.onnx", []byte("finds"))
	f.write(t, "networks/one.onnx", []byte("one"))
	f.write(t, "networks/two.onnx", []byte("two"))
	network := func(name string, size int, weight float64) map[string]any {
		return map[string]any{
			"name": name, "file": "networks/" + name + ".onnx", "sha256": sum([]byte(name)), "licence": "MIT",
			"size": size, "weight": weight, "scale": 1,
		}
	}
	f.manifest = map[string]any{
		"id": fixtureID, "engine": "onnx", "descriptor_size": 5,
		"detector":  map[string]any{"name": "find", "file": "networks/find.onnx", "sha256": sum([]byte("finds")), "licence": "MIT"},
		"networks":  []any{network("one", 2, 0.25), network("two", 3, 0.75)},
		"reference": map[string]any{"folder": "official", "licence": "CC0-1.0", "files": files},
		"threshold": 0.9, "margin": 0.05, "far_threshold": 1.0, "far_margin": 0.15,
		"floors": map[string]any{"size": 20, "sharpness": 0.1, "yaw": 60, "cut_off": 0.25, "detection": 0.5},
	}
	f.writeManifest(t)
	return f
}

func (f *fixture) write(t *testing.T, name string, content []byte) {
	t.Helper()
	path := filepath.Join(f.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) writeManifest(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(f.manifest)
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, fixtureID+"/set.json", text)
}

func (f *fixture) dir() string { return filepath.Join(f.folder, fixtureID) }

func (f *fixture) load(t *testing.T) modelset.Set {
	t.Helper()
	set, err := modelset.Load(f.dir())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

func unpacked(t *testing.T, archive []byte) []byte {
	t.Helper()
	content, err := io.ReadAll(bzip2.NewReader(bytes.NewReader(archive)))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestLoad(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := f.load(t)
	if set.DescriptorSize != 5 || set.Detector.Name != "find" || len(set.Networks) != 2 {
		t.Fatalf("loaded %+v", set)
	}
	if got, want := set.Networks[1].Path, filepath.Join(f.folder, "networks", "two.onnx"); got != want {
		t.Errorf("the second network is at %s, want %s", got, want)
	}
	want := modelset.Floors{Size: 20, Sharpness: 0.1, Yaw: 60, CutOff: 0.25, Detection: 0.5}
	if set.Floors != want {
		t.Errorf("floors are %+v, want %+v", set.Floors, want)
	}
}

// part returns a part of the manifest by names and, for lists, numbers.
func part(m map[string]any, path ...any) map[string]any {
	var at any = m
	for _, step := range path {
		switch step := step.(type) {
		case string:
			at = at.(map[string]any)[step]
		case int:
			at = at.([]any)[step]
		}
	}
	return at.(map[string]any)
}

func TestWrongManifests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(m map[string]any)
		want  []string // parts of the error
	}{
		{"unknown name", func(m map[string]any) { m["treshold"] = 1 }, []string{"treshold"}},
		{"unknown name inside", func(m map[string]any) { part(m, "floors")["roll"] = 1 }, []string{"roll"}},
		{"no id", func(m map[string]any) { delete(m, "id") }, []string{`"id"`}},
		{"id of another folder", func(m map[string]any) { m["id"] = "other-1" }, []string{`"other-1"`, fixtureID}},
		{"id with a separator", func(m map[string]any) { m["id"] = "a/b" }, []string{`"a/b"`}},
		{"unknown engine", func(m map[string]any) { m["engine"] = "magic" }, []string{`"engine"`, `"magic"`}},
		{"sizes do not add up", func(m map[string]any) { m["descriptor_size"] = 6 }, []string{`"descriptor_size" is 6`, "5"}},
		{"weights do not add up", func(m map[string]any) { part(m, "networks", 0)["weight"] = 0.5 }, []string{"weights", "1.25"}},
		{"no weight", func(m map[string]any) { delete(part(m, "networks", 1), "weight") }, []string{`"networks[1].weight"`}},
		{"negative scale", func(m map[string]any) { part(m, "networks", 1)["scale"] = -1 }, []string{`"networks[1].scale"`}},
		{"huge size", func(m map[string]any) { part(m, "networks", 1)["size"] = 1 << 30 }, []string{`"networks[1].size"`}},
		{"same name twice", func(m map[string]any) { part(m, "networks", 1)["name"] = "one" }, []string{`"networks[1].name"`}},
		{"no licence", func(m map[string]any) { delete(part(m, "networks", 1), "licence") }, []string{`"networks[1].licence"`}},
		{"no networks", func(m map[string]any) { m["networks"] = []any{} }, []string{`"networks"`}},
		{"no detector", func(m map[string]any) { delete(m, "detector") }, []string{`"detector"`}},
		{"path that leaves", func(m map[string]any) { part(m, "detector")["file"] = "../secret" }, []string{`"detector.file"`, "inside"}},
		{"absolute path", func(m map[string]any) { part(m, "detector")["file"] = "/etc/passwd" }, []string{`"detector.file"`, "inside"}},
		{"folder that leaves", func(m map[string]any) { part(m, "reference")["folder"] = ".." }, []string{`"reference.folder"`}},
		{"short checksum", func(m map[string]any) { part(m, "detector")["sha256"] = "ab" }, []string{`"detector.sha256"`, "64"}},
		{"another reference file", func(m map[string]any) { part(m, "reference", "files", 0)["name"] = "x.dat" }, []string{`"reference.files"`, "x.dat"}},
		{"no reference", func(m map[string]any) { delete(m, "reference") }, []string{`"reference.folder"`, `"reference.files"`}},
		{"no threshold", func(m map[string]any) { delete(m, "threshold") }, []string{`"threshold" is missing`}},
		{"threshold of 0", func(m map[string]any) { m["threshold"] = 0 }, []string{`"threshold" is 0`}},
		{"threshold as text", func(m map[string]any) { m["threshold"] = "0.9" }, []string{"threshold"}},
		{"negative margin", func(m map[string]any) { m["margin"] = -0.1 }, []string{`"margin" is -0.1`}},
		{"far threshold is nearer", func(m map[string]any) { m["far_threshold"] = 0.8 }, []string{`"far_threshold" is 0.8`, "0.9"}},
		{"no far margin", func(m map[string]any) { delete(m, "far_margin") }, []string{`"far_margin" is missing`}},
		{"no floors", func(m map[string]any) { delete(m, "floors") }, []string{"floors.size", "floors.sharpness", "floors.yaw", "floors.cut_off", "floors.detection"}},
		{"floor out of range", func(m map[string]any) { part(m, "floors")["cut_off"] = 2 }, []string{"floors.cut_off", "2"}},
		{"go-face with networks", func(m map[string]any) { m["engine"] = "go-face" }, []string{`"detector"`, `"networks"`, `"descriptor_size"`}},
		{"several at once", func(m map[string]any) { m["margin"] = -1; m["engine"] = ""; delete(m, "threshold") }, []string{`"margin"`, `"engine"`, `"threshold"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			tt.spoil(f.manifest)
			f.writeManifest(t)
			_, err := modelset.Load(f.dir())
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not name %q:\n%v", want, err)
				}
			}
		})
	}
}

func TestWrongFolders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		spoil      func(t *testing.T, f *fixture)
		want       []string // parts of the error
		incomplete bool
	}{
		{"no set", func(t *testing.T, f *fixture) { remove(t, f, fixtureID) }, []string{"set.json", "ROLLCALL_MODEL_SET"}, true},
		{"empty set.json", func(t *testing.T, f *fixture) { f.write(t, fixtureID+"/set.json", nil) }, []string{"set.json"}, false},
		{"something after the set", func(t *testing.T, f *fixture) { after(t, f, "{}") }, []string{"follows"}, false},
		{"huge set.json", func(t *testing.T, f *fixture) { after(t, f, strings.Repeat(" ", 100_000)) }, []string{"larger"}, false},
		{"no network", func(t *testing.T, f *fixture) { remove(t, f, "networks/two.onnx") }, []string{"networks/two.onnx is missing"}, true},
		{"network of another content", func(t *testing.T, f *fixture) { f.write(t, "networks/two.onnx", []byte("TWO")) }, []string{"networks/two.onnx", sum([]byte("two")), sum([]byte("TWO"))}, true},
		{"network is a folder", func(t *testing.T, f *fixture) {
			remove(t, f, "networks/two.onnx")
			f.write(t, "networks/two.onnx/inside", nil)
		}, []string{"networks/two.onnx is not a file"}, true},
		{"no archive", func(t *testing.T, f *fixture) { remove(t, f, "official/mmod_human_face_detector.dat.bz2") }, []string{"mmod_human_face_detector.dat.bz2 is missing"}, true},
		{"damaged archive", func(t *testing.T, f *fixture) {
			f.write(t, "official/mmod_human_face_detector.dat.bz2", []byte("BZh9"))
		}, []string{"mmod_human_face_detector.dat.bz2", "4 bytes"}, true},
		{"damaged file beside its archive", func(t *testing.T, f *fixture) { f.write(t, "official/mmod_human_face_detector.dat", []byte("x")) }, []string{"mmod_human_face_detector.dat,"}, true},
		{"two at once", func(t *testing.T, f *fixture) {
			remove(t, f, "networks/one.onnx")
			remove(t, f, "networks/two.onnx")
		}, []string{"networks/one.onnx", "networks/two.onnx"}, true},
		{"link that leads out", func(t *testing.T, f *fixture) {
			outside := filepath.Join(t.TempDir(), "two.onnx")
			if err := os.WriteFile(outside, []byte("two"), 0o644); err != nil {
				t.Fatal(err)
			}
			remove(t, f, "networks/two.onnx")
			if err := os.Symlink(outside, filepath.Join(f.folder, "networks/two.onnx")); err != nil {
				t.Fatal(err)
			}
		}, []string{"networks/two.onnx", "escapes"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			tt.spoil(t, f)
			_, err := modelset.Load(f.dir())
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not name %q:\n%v", want, err)
				}
			}
			if got := errors.Is(err, modelset.ErrIncomplete); got != tt.incomplete {
				t.Errorf("incomplete: %v, want %v: %v", got, tt.incomplete, err)
			}
		})
	}
}

func remove(t *testing.T, f *fixture, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(f.folder, name)); err != nil {
		t.Fatal(err)
	}
}

// after appends to set.json.
func after(t *testing.T, f *fixture, text string) {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join(f.dir(), "set.json"))
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, fixtureID+"/set.json", append(manifest, text...))
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"id":"small-1","engine":"go-face","descriptor_size":128}`))
	f.Add([]byte(`{"networks":[{"file":"../../x"}],"floors":{"size":-1},"reference":{"files":[{}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		folder := t.TempDir()
		if err := os.Mkdir(filepath.Join(folder, fixtureID), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, fixtureID, "set.json"), text, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := modelset.Load(filepath.Join(folder, fixtureID)); err == nil {
			t.Error("a set without its files was loaded")
		}
	})
}

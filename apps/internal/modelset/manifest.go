package modelset

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// manifestName is the file that describes a set.
const manifestName = "set.json"

// maxManifest bounds a set.json, in bytes. Those of this repository have 2
// kB.
const maxManifest = 64 << 10

// goFaceSize is how many numbers a descriptor of go-face has.
const goFaceSize = 128

// maxDistance is larger than any distance of two faces.
const maxDistance = 100

// maxSize bounds the numbers in a descriptor. It must fit a database column.
const maxSize = 4096

// manifest is the content of set.json. Pointers distinguish a missing number
// from 0.
type manifest struct {
	ID             string            `json:"id"`
	Engine         Engine            `json:"engine"`
	DescriptorSize int               `json:"descriptor_size"`
	Detector       *manifestFile     `json:"detector"`
	Networks       []manifestNetwork `json:"networks"`
	Reference      reference         `json:"reference"`
	Threshold      *float64          `json:"threshold"`
	Margin         *float64          `json:"margin"`
	FarThreshold   *float64          `json:"far_threshold"`
	FarMargin      *float64          `json:"far_margin"`
	GroupDistance  float64           `json:"group_distance"`
	Floors         manifestFloors    `json:"floors"`
}

type manifestFile struct {
	Name    string `json:"name"`
	File    string `json:"file"`
	SHA256  string `json:"sha256"`
	Licence string `json:"licence"`
}

type manifestNetwork struct {
	manifestFile
	Size   int     `json:"size"`
	Weight float64 `json:"weight"`
	Scale  float64 `json:"scale"`
}

type manifestFloors struct {
	Size      *int     `json:"size"`
	Sharpness *float64 `json:"sharpness"`
	Yaw       *float64 `json:"yaw"`
	CutOff    *float64 `json:"cut_off"`
	Detection *float64 `json:"detection"`
}

func readManifest(root *os.Root, id string) ([]byte, error) {
	file, err := root.Open(filepath.Join(id, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no %s/%s; is ROLLCALL_MODELS the folder of the models, and ROLLCALL_MODEL_SET one of them?",
			ErrIncomplete, id, manifestName)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxManifest+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxManifest {
		return nil, fmt.Errorf("%s is larger than %d bytes", manifestName, maxManifest)
	}
	return text, nil
}

// parse parses the set.json of the set id in folder. The error lists
// everything that is wrong.
func parse(text []byte, id, folder string) (Set, error) {
	var m manifest
	d := json.NewDecoder(bytes.NewReader(text))
	// Otherwise a misspelt name would look like a missing value.
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Set{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Set{}, errors.New("something follows the set's description")
	}
	if err := m.check(id); err != nil {
		return Set{}, err
	}
	return m.set(folder), nil
}

// set converts a checked manifest to a Set.
func (m manifest) set(folder string) Set {
	s := Set{
		ID: m.ID, Engine: m.Engine, DescriptorSize: m.DescriptorSize,
		Threshold: *m.Threshold, Margin: *m.Margin, FarThreshold: *m.FarThreshold, FarMargin: *m.FarMargin,
		GroupDistance: m.GroupDistance,
		Floors: Floors{
			Size: *m.Floors.Size, Sharpness: *m.Floors.Sharpness, Yaw: *m.Floors.Yaw,
			CutOff: *m.Floors.CutOff, Detection: *m.Floors.Detection,
		},
		reference: m.Reference, folder: folder,
	}
	file := func(f manifestFile) File {
		return File{Name: f.Name, Path: s.path(f.File), SHA256: f.SHA256, Licence: f.Licence}
	}
	if m.Detector != nil {
		s.Detector = file(*m.Detector)
	}
	for _, n := range m.Networks {
		s.Networks = append(s.Networks, Network{File: file(n.manifestFile), Size: n.Size, Weight: n.Weight, Scale: n.Scale})
	}
	return s
}

// problems collects what is wrong with a manifest.
type problems []error

func (p *problems) addf(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

// check returns everything that is wrong with the manifest of the set id.
func (m manifest) check(id string) error {
	var p problems
	if !isID(m.ID) {
		p.addf(`"id" is %q: letters, digits, ".", "_" and "-" make an id, at most 64 of them, a letter or digit first`, m.ID)
	} else if m.ID != id {
		p.addf(`"id" is %q, but the folder is %q`, m.ID, id)
	}
	switch m.Engine {
	case ONNX:
		m.checkONNX(&p)
	case GoFace:
		m.checkGoFace(&p)
	default:
		p.addf(`"engine" is %q: it must be %q or %q`, m.Engine, ONNX, GoFace)
	}
	m.Reference.check(&p)
	m.checkRule(&p)
	m.Floors.check(&p)
	return errors.Join(p...)
}

func isID(id string) bool {
	return len(id) <= 64 && regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`).MatchString(id)
}

func (m manifest) checkGoFace(p *problems) {
	if m.Detector != nil {
		p.addf(`"detector" is set, but go-face has its own`)
	}
	if m.Networks != nil {
		p.addf(`"networks" is set, but go-face has its own`)
	}
	if m.DescriptorSize != goFaceSize {
		p.addf(`"descriptor_size" is %d: go-face gives %d numbers`, m.DescriptorSize, goFaceSize)
	}
}

func (m manifest) checkONNX(p *problems) {
	if m.Detector == nil {
		p.addf(`"detector" is missing`)
	} else {
		m.Detector.check("detector", p)
	}
	if len(m.Networks) == 0 {
		p.addf(`"networks" is missing`)
		return
	}
	size, weight := 0, 0.0
	var names []string
	for i, n := range m.Networks {
		where := fmt.Sprintf("networks[%d]", i)
		n.check(where, p)
		if slices.Contains(names, n.Name) {
			p.addf(`"%s.name" is %q, like another network's`, where, n.Name)
		}
		names = append(names, n.Name)
		size += n.Size
		weight += n.Weight
	}
	if m.DescriptorSize != size {
		p.addf(`"descriptor_size" is %d, but the sizes of the networks add up to %d`, m.DescriptorSize, size)
	}
	if math.Abs(weight-1) > 1e-9 {
		p.addf("the weights of the networks add up to %v: they must add up to 1", weight)
	}
}

func (f manifestFile) check(where string, p *problems) {
	if f.Name == "" {
		p.addf(`"%s.name" is missing`, where)
	}
	checkPath(where+".file", f.File, p)
	checkSum(where+".sha256", f.SHA256, p)
	if f.Licence == "" {
		p.addf(`"%s.licence" is missing`, where)
	}
}

func (n manifestNetwork) check(where string, p *problems) {
	n.manifestFile.check(where, p)
	if n.Size < 1 || n.Size > maxSize {
		p.addf(`"%s.size" is %d: it must be between 1 and %d`, where, n.Size, maxSize)
	}
	if n.Weight <= 0 || n.Weight > 1 {
		p.addf(`"%s.weight" is %v: it must be above 0 and at most 1`, where, n.Weight)
	}
	if n.Scale <= 0 {
		p.addf(`"%s.scale" is %v: it must be above 0`, where, n.Scale)
	}
}

func checkPath(where, name string, p *problems) {
	if name == "" {
		p.addf("%q is missing", where)
	} else if !fs.ValidPath(name) || name == "." || !filepath.IsLocal(filepath.FromSlash(name)) {
		p.addf("%q is %q: it must be a path inside of the models' folder", where, name)
	}
}

func checkSum(where, sum string, p *problems) {
	if bytes, err := hex.DecodeString(sum); err != nil || len(bytes) != 32 || sum != strings.ToLower(sum) {
		p.addf("%q is %q: it must be 64 hexadecimal digits in lower case", where, sum)
	}
}

func (m manifest) checkRule(p *problems) {
	inRange(p, "threshold", m.Threshold, 0, maxDistance)
	inRange(p, "margin", m.Margin, 0, maxDistance)
	inRange(p, "far_threshold", m.FarThreshold, 0, maxDistance)
	inRange(p, "far_margin", m.FarMargin, 0, maxDistance)
	if m.Threshold == nil || m.FarThreshold == nil {
		return
	}
	if *m.Threshold == 0 {
		p.addf(`"threshold" is 0: it must be above 0`)
	}
	if m.GroupDistance < 0 || m.GroupDistance > *m.Threshold {
		p.addf(`"group_distance" is %v: it must not be above "threshold", %v, and 0 makes no groups`, m.GroupDistance, *m.Threshold)
	}
	if *m.FarThreshold < *m.Threshold {
		p.addf(`"far_threshold" is %v: it must be at least "threshold", %v`, *m.FarThreshold, *m.Threshold)
	}
}

func (f manifestFloors) check(p *problems) {
	if f.Size == nil {
		p.addf(`"floors.size" is missing`)
	} else if *f.Size < 0 {
		p.addf(`"floors.size" is %d: it must not be negative`, *f.Size)
	}
	inRange(p, "floors.sharpness", f.Sharpness, 0, 1)
	inRange(p, "floors.yaw", f.Yaw, 0, 90)
	inRange(p, "floors.cut_off", f.CutOff, 0, 1)
	inRange(p, "floors.detection", f.Detection, 0, 1)
}

// inRange reports a number that is missing or not between low and high.
func inRange(p *problems, name string, v *float64, low, high float64) {
	switch {
	case v == nil:
		p.addf("%q is missing", name)
	case *v < low || *v > high:
		p.addf("%q is %v: it must be between %v and %v", name, *v, low, high)
	}
}

package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// imageRow is a row of images. That table, person and person_images are shared
// with programs that others wrote: their columns keep names and meaning, and
// every column of ours has a default.
type imageRow struct {
	ID          int64
	Path        string
	Person      *int64
	Status      int
	Reason      string
	Detail      string
	Width       int
	Height      int
	Model       string
	Attempts    int
	Rounds      int   // how often the redeemer gave it another round
	LeaseToken  int64 // 0: nobody's; else every write must carry it
	LeaseOwner  string
	LeaseUntil  *time.Time
	PublishedAt *time.Time
	RetryAt     *time.Time
	DuplicateOf int64
	Dedup       int64 // 0 for the row that a path finds; a duplicate's own id
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Warning     string
	Omitted     int

	FileSize     int64 // of the file that was looked at; see faces.File
	FileModified int64
	FileSHA256   string `gorm:"column:file_sha256"`

	PersonName *string `gorm:"->"` // joined
}

func (imageRow) TableName() string { return "images" }

// newImageRow is what an image begins with; the other columns have defaults.
// It has no id, for GORM would fill it in, and guess wrong after a conflict.
type newImageRow struct {
	Path      string
	Person    int64
	Status    int
	Reason    string
	CreatedAt time.Time
	UpdatedAt time.Time
}

func (newImageRow) TableName() string { return "images" }

func (r imageRow) image() faces.Image {
	status := faces.Status(r.Status)
	img := faces.Image{
		ID: r.ID, Path: r.Path, Status: status, Reason: faces.ShownReason(status, faces.Reason(r.Reason)),
		Detail: r.Detail, Warning: r.Warning, Omitted: r.Omitted, Width: r.Width, Height: r.Height, Model: r.Model,
		Attempts: r.Attempts, DuplicateOf: r.DuplicateOf, File: r.file(),
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	if r.PublishedAt != nil {
		img.PublishedAt = *r.PublishedAt
	}
	// The person column may be left over from a status that another program
	// has since changed.
	if status == faces.Processed && r.Person != nil && *r.Person != faces.NoPerson {
		img.Person = &faces.Person{ID: *r.Person}
		if r.PersonName != nil {
			img.Person.Name = *r.PersonName
		}
	}
	return img
}

func (r imageRow) file() faces.File {
	return faces.File{Size: r.FileSize, Modified: r.FileModified, SHA256: r.FileSHA256}
}

type personRow struct {
	ID   int64
	Name string
}

func (personRow) TableName() string { return "person" }

type knownImageRow struct {
	ID        int64
	ImageName string
	PersonID  int64
}

func (knownImageRow) TableName() string { return "person_images" }

type faceRow struct {
	ID             int64
	ImageID        int64
	Position       int // from left to right
	X, Y           int
	Width, Height  int
	Landmarks      string // JSON: [{"x":1,"y":2},…]
	Descriptor     []byte // the first 128 numbers, empty where there are none: see splitDescriptor
	Model          string
	Reason         string
	BestPersonID   int64
	BestDistance   float64
	MatchedImage   string
	SecondPersonID int64
	SecondDistance float64
	SecondImage    string
	CreatedAt      time.Time

	QualityScore     float64
	QualitySize      int
	QualitySharpness float64
	QualityYaw       float64
	QualityRoll      float64
	QualityDetection float64
	QualityCutOff    float64
	Gallery          string
	Corrected        int // one of the numbers below
	DescriptorRest   []byte
	BestParts        string // see partsText
	SecondParts      string

	BestName   *string `gorm:"->"` // joined
	SecondName *string `gorm:"->"` // joined
}

func (faceRow) TableName() string { return "faces" }

// What faces.corrected says. A confirmed face has its person in
// best_person_id, where programs of the first version look for it; without a
// matched_image that person was not in reach of the distances.
const (
	notCorrected = 0
	corrected    = 1 // a person said who it is not
	confirmed    = 2 // a person said who it is
)

func newFaceRow(imageID int64, position int, f faces.Face, at time.Time) (faceRow, error) {
	landmarks, err := json.Marshal(f.Landmarks)
	if err != nil {
		return faceRow{}, fmt.Errorf("encode landmarks: %w", err)
	}
	answer := AnswerOf(f)
	descriptor, rest := splitDescriptor(f.Descriptor.Bytes())
	return faceRow{
		ImageID: imageID, Position: position,
		X: f.Box.X, Y: f.Box.Y, Width: f.Box.Width, Height: f.Box.Height,
		Landmarks: string(landmarks), Descriptor: descriptor, DescriptorRest: rest, Model: f.Model, CreatedAt: at,
		Reason: answer.Reason, Corrected: answer.Corrected,
		BestPersonID: answer.BestPerson, BestDistance: answer.BestDistance, MatchedImage: answer.BestImage,
		SecondPersonID: answer.SecondPerson, SecondDistance: answer.SecondDistance, SecondImage: answer.SecondImage,
		BestParts: answer.BestParts, SecondParts: answer.SecondParts,
		QualityScore: f.Quality.Score, QualitySize: f.Quality.Size, QualitySharpness: f.Quality.Sharpness,
		QualityYaw: f.Quality.Yaw, QualityRoll: f.Quality.Roll,
		QualityDetection: f.Quality.Detection, QualityCutOff: f.Quality.CutOff, Gallery: f.Gallery,
	}, nil
}

// oldDescriptor is the length in bytes of the only descriptors that release
// 0.1.0 knows. It refuses to show a face whose descriptor column is longer.
const oldDescriptor = 512

// splitDescriptor parts a descriptor between the columns descriptor, which
// release 0.1.0 reads too, and descriptor_rest.
func splitDescriptor(b []byte) (descriptor, rest []byte) {
	n := min(len(b), oldDescriptor)
	return append([]byte{}, b[:n]...), append([]byte{}, b[n:]...) // never nil, which would be NULL
}

// partsText is what the columns best_parts and second_parts hold: the parts as
// a JSON list, and nothing where they are not known. It is written by hand
// because a re-match makes one for every face that it looks at.
func partsText(p faces.Parts) string {
	if p == (faces.Parts{}) {
		return ""
	}
	text := []byte{'['}
	for i, part := range p.List() {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendFloat(text, float64(part), 'g', -1, 32)
	}
	return string(append(text, ']'))
}

// partsFrom is the reverse of partsText. Parts only explain an answer, so that
// a text that cannot be read counts as none.
func partsFrom(text string) faces.Parts {
	var list []float32
	if text == "" || json.Unmarshal([]byte(text), &list) != nil {
		return faces.Parts{}
	}
	return faces.PartsOf(list)
}

// FaceAnswer is the decision about a stored face, as the table holds it.
type FaceAnswer struct {
	ID             int64   `json:"id"`
	Reason         string  `json:"reason"`
	BestPerson     int64   `json:"best"` // faces.NoPerson for nobody
	BestDistance   float64 `json:"best_distance"`
	BestImage      string  `json:"best_image"`
	SecondPerson   int64   `json:"second"`
	SecondDistance float64 `json:"second_distance"`
	SecondImage    string  `json:"second_image"`
	Corrected      int     `json:"corrected"`
	BestParts      string  `json:"best_parts,omitempty"` // see partsText
	SecondParts    string  `json:"second_parts,omitempty"`
}

// AnswerOf returns the decision about a face.
func AnswerOf(f faces.Face) FaceAnswer {
	a := FaceAnswer{ID: f.ID, Reason: string(f.Reason), BestPerson: faces.NoPerson, SecondPerson: faces.NoPerson}
	switch {
	case f.Confirmed:
		a.Corrected, a.BestPerson = confirmed, f.Person.ID
	case f.Corrected:
		a.Corrected = corrected
	}
	if f.Best != nil {
		a.BestPerson, a.BestDistance, a.BestImage = f.Best.Person.ID, f.Best.Distance, f.Best.Image
		a.BestParts = partsText(f.Best.Parts)
	}
	second := f.Second
	if second == nil && f.Reason == faces.Uncertain {
		// Release 0.1.0 knows no uncertain face without a second person, and fails
		// on it. The same person twice stands for nobody.
		second = f.Best
	}
	if second != nil {
		a.SecondPerson, a.SecondDistance, a.SecondImage = second.Person.ID, second.Distance, second.Image
		a.SecondParts = partsText(second.Parts)
	}
	return a
}

// candidates returns the two people of an answer; name knows people by their
// ids. best is nil where nobody is near: a confirmed face without a picture was
// out of its person's reach.
func (a FaceAnswer) candidates(name func(id int64) string) (best, second *faces.Candidate) {
	candidate := func(id int64, distance float64, image, parts string) *faces.Candidate {
		if id == faces.NoPerson {
			return nil
		}
		return &faces.Candidate{Person: faces.Person{ID: id, Name: name(id)}, Distance: distance, Image: image, Parts: partsFrom(parts)}
	}
	best = candidate(a.BestPerson, a.BestDistance, a.BestImage, a.BestParts)
	if a.SecondPerson != a.BestPerson { // else see AnswerOf
		second = candidate(a.SecondPerson, a.SecondDistance, a.SecondImage, a.SecondParts)
	}
	return best, second
}

// Face returns the decision as the domain has it; name knows people by their
// ids.
func (a FaceAnswer) Face(name func(id int64) string) faces.Face {
	f := faces.Face{
		ID: a.ID, Reason: faces.Reason(a.Reason), MatchedImage: a.BestImage,
		Corrected: a.Corrected != notCorrected, Confirmed: a.Corrected == confirmed,
	}
	f.Best, f.Second = a.candidates(name)
	if f.Reason == faces.Identified && f.Best != nil {
		person := f.Best.Person
		f.Person = &person
	}
	if f.Confirmed && a.BestImage == "" {
		f.Best = nil
	}
	return f
}

// answer returns the decision about the face.
func (r faceRow) answer() FaceAnswer {
	return FaceAnswer{
		ID: r.ID, Reason: r.Reason, Corrected: r.Corrected,
		BestPerson: r.BestPersonID, BestDistance: r.BestDistance, BestImage: r.MatchedImage, BestParts: r.BestParts,
		SecondPerson: r.SecondPersonID, SecondDistance: r.SecondDistance, SecondImage: r.SecondImage, SecondParts: r.SecondParts,
	}
}

// name returns a joined person's name.
func (r faceRow) name(id int64) string {
	var none string
	if id == r.BestPersonID {
		return *cmp.Or(r.BestName, &none)
	}
	return *cmp.Or(r.SecondName, &none)
}

func (r faceRow) face() (faces.Face, error) {
	f := r.answer().Face(r.name)
	f.Box = faces.Box{X: r.X, Y: r.Y, Width: r.Width, Height: r.Height}
	f.Model, f.Gallery, f.Quality = r.Model, r.Gallery, r.quality()
	if err := json.Unmarshal([]byte(r.Landmarks), &f.Landmarks); err != nil {
		return f, fmt.Errorf("read landmarks of face %d: %w", r.ID, err)
	}
	if len(r.Descriptor) > 0 {
		var err error
		if f.Descriptor, err = faces.DescriptorFromBytes(slices.Concat(r.Descriptor, r.DescriptorRest)); err != nil {
			return f, fmt.Errorf("read face %d: %w", r.ID, err)
		}
	}
	return f, nil
}

func (r faceRow) quality() faces.Quality {
	return faces.Quality{
		Score: r.QualityScore, Size: r.QualitySize, Sharpness: r.QualitySharpness, Yaw: r.QualityYaw, Roll: r.QualityRoll,
		Detection: r.QualityDetection, CutOff: r.QualityCutOff,
	}
}

// modelRow is a model set that was used, with the rule by which it decided.
type modelRow struct {
	ID             string
	Threshold      float64
	Margin         float64
	Official       bool // always true; release 0.1.0 reads it
	LastUsed       time.Time
	Size           int
	Networks       string
	FarThreshold   float64
	FarMargin      float64
	FloorSize      int
	FloorSharpness float64
	FloorYaw       float64
	FloorCutOff    float64
	FloorDetection float64
}

func (modelRow) TableName() string { return "models" }

func newModelRow(m faces.Model, at time.Time) modelRow {
	return modelRow{
		ID: m.ID, Threshold: m.Threshold, Margin: m.Margin, Official: true, LastUsed: at, Size: m.Size, Networks: m.Networks,
		FarThreshold: m.FarThreshold, FarMargin: m.FarMargin,
		FloorSize: m.Floors.Size, FloorSharpness: m.Floors.Sharpness, FloorYaw: m.Floors.Yaw,
		FloorCutOff: m.Floors.CutOff, FloorDetection: m.Floors.Detection,
	}
}

func (r modelRow) model() faces.Model {
	return faces.Model{
		ID: r.ID, Size: r.Size, Networks: r.Networks, Threshold: r.Threshold, Margin: r.Margin,
		FarThreshold: r.FarThreshold, FarMargin: r.FarMargin,
		Floors: faces.Floors{
			Size: r.FloorSize, Sharpness: r.FloorSharpness, Yaw: r.FloorYaw, CutOff: r.FloorCutOff, Detection: r.FloorDetection,
		},
	}
}

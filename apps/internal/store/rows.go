package store

// This file owns the rows as the tables hold them. images, person and
// person_images are shared with programs that others wrote: their columns
// keep names and meaning, and every column of ours has a default.

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

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
		Detail: r.Detail, Width: r.Width, Height: r.Height, Model: r.Model,
		Attempts: r.Attempts, DuplicateOf: r.DuplicateOf,
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
	Descriptor     []byte // little-endian float32; empty where there is none
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
	Gallery          string
	Corrected        int // one of the numbers below

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
	return faceRow{
		ImageID: imageID, Position: position,
		X: f.Box.X, Y: f.Box.Y, Width: f.Box.Width, Height: f.Box.Height,
		Landmarks: string(landmarks), Descriptor: f.Descriptor.Bytes(), Model: f.Model, CreatedAt: at,
		Reason: answer.Reason, Corrected: answer.Corrected,
		BestPersonID: answer.BestPerson, BestDistance: answer.BestDistance, MatchedImage: answer.BestImage,
		SecondPersonID: answer.SecondPerson, SecondDistance: answer.SecondDistance, SecondImage: answer.SecondImage,
		QualityScore: f.Quality.Score, QualitySize: f.Quality.Size, QualitySharpness: f.Quality.Sharpness,
		QualityYaw: f.Quality.Yaw, QualityRoll: f.Quality.Roll, Gallery: f.Gallery,
	}, nil
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
	}
	if f.Second != nil {
		a.SecondPerson, a.SecondDistance, a.SecondImage = f.Second.Person.ID, f.Second.Distance, f.Second.Image
	}
	return a
}

func (r faceRow) face() (faces.Face, error) {
	f := faces.Face{
		ID: r.ID, Box: faces.Box{X: r.X, Y: r.Y, Width: r.Width, Height: r.Height},
		Reason: faces.Reason(r.Reason), MatchedImage: r.MatchedImage, Model: r.Model,
	}
	if err := json.Unmarshal([]byte(r.Landmarks), &f.Landmarks); err != nil {
		return f, fmt.Errorf("read landmarks of face %d: %w", r.ID, err)
	}
	if len(r.Descriptor) > 0 {
		var err error
		if f.Descriptor, err = faces.DescriptorFromBytes(r.Descriptor); err != nil {
			return f, fmt.Errorf("read face %d: %w", r.ID, err)
		}
	}
	f.Quality = faces.Quality{
		Score: r.QualityScore, Size: r.QualitySize, Sharpness: r.QualitySharpness, Yaw: r.QualityYaw, Roll: r.QualityRoll,
	}
	f.Gallery, f.Corrected, f.Confirmed = r.Gallery, r.Corrected != notCorrected, r.Corrected == confirmed
	f.Best = candidate(r.BestPersonID, r.BestName, r.BestDistance, r.MatchedImage)
	f.Second = candidate(r.SecondPersonID, r.SecondName, r.SecondDistance, r.SecondImage)
	if f.Reason == faces.Identified && f.Best != nil {
		person := f.Best.Person
		f.Person = &person
	}
	if f.Confirmed && r.MatchedImage == "" {
		f.Best = nil
	}
	return f, nil
}

func candidate(id int64, name *string, distance float64, image string) *faces.Candidate {
	if id == faces.NoPerson {
		return nil
	}
	c := &faces.Candidate{Person: faces.Person{ID: id}, Distance: distance, Image: image}
	if name != nil {
		c.Person.Name = *name
	}
	return c
}

type modelRow struct {
	ID        string
	Threshold float64
	Margin    float64
	Official  bool
	LastUsed  time.Time
}

func (modelRow) TableName() string { return "models" }

// Face returns the decision as the domain has it; name knows people by their
// ids.
func (a FaceAnswer) Face(name func(id int64) string) faces.Face {
	f := faces.Face{
		ID: a.ID, Reason: faces.Reason(a.Reason), MatchedImage: a.BestImage,
		Corrected: a.Corrected != notCorrected, Confirmed: a.Corrected == confirmed,
	}
	named := func(id int64, distance float64, image string) *faces.Candidate {
		if id == faces.NoPerson {
			return nil
		}
		return &faces.Candidate{Person: faces.Person{ID: id, Name: name(id)}, Distance: distance, Image: image}
	}
	f.Best = named(a.BestPerson, a.BestDistance, a.BestImage)
	f.Second = named(a.SecondPerson, a.SecondDistance, a.SecondImage)
	if f.Reason == faces.Identified && f.Best != nil {
		person := f.Best.Person
		f.Person = &person
	}
	if f.Confirmed && a.BestImage == "" {
		f.Best = nil
	}
	return f
}

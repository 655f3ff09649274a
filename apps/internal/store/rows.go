package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// imageRow is a row of images. The tables images, person and person_images are
// shared with the original's programs: those columns keep their names and
// meanings, and every column that we added has a default.
type imageRow struct {
	ID          int64
	Path        string
	FileName    string // of an upload
	Person      *int64
	Status      int
	Reason      string
	Detail      string
	Width       int
	Height      int
	Model       string
	Attempts    int
	Rounds      int   // retry rounds that the redeemer has started
	LeaseToken  int64 // 0 if not leased; every write must check it
	LeaseOwner  string
	LeaseUntil  *time.Time
	PublishedAt *time.Time
	RetryAt     *time.Time
	DuplicateOf int64
	Dedup       int64 // 0 for the row that a path finds; its own id for a duplicate
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Warning     string
	Omitted     int

	FileSize     int64 // of the file that was recognized, see faces.File
	FileModified int64
	FileSHA256   string `gorm:"column:file_sha256"`

	TraceContext *string // a W3C traceparent, until there is an outcome; nil if the post was not traced

	PersonName *string `gorm:"->"` // joined
}

func (imageRow) TableName() string { return "images" }

// newImageRow has the columns of a new image that have no default. It has no id,
// because GORM would fill it in, and wrongly after a conflict.
type newImageRow struct {
	Path      string
	FileName  string
	Person    int64
	Status    int
	Reason    string
	CreatedAt time.Time
	UpdatedAt time.Time

	TraceContext string // "" if the post is not traced
}

func (newImageRow) TableName() string { return "images" }

func (r imageRow) image() faces.Image {
	status := faces.Status(r.Status)
	img := faces.Image{
		ID: r.ID, Path: r.Path, FileName: r.FileName, Status: status, Reason: faces.ShownReason(status, faces.Reason(r.Reason)),
		Detail: r.failure(), Warning: r.Warning, Omitted: r.Omitted, Width: r.Width, Height: r.Height, Model: r.Model,
		Attempts: r.Attempts, DuplicateOf: r.DuplicateOf, File: r.file(),
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	if r.PublishedAt != nil {
		img.PublishedAt = *r.PublishedAt
	}
	// If another program has changed the status, the column person may be stale.
	if status == faces.Processed && r.Person != nil && *r.Person != faces.NoPerson {
		img.Person = &faces.Person{ID: *r.Person}
		if r.PersonName != nil {
			img.Person.Name = *r.PersonName
		}
	}
	return img
}

// traced returns the post of the image, or nil if it is not traced.
func (r imageRow) traced() *TracedPost {
	if r.TraceContext == nil {
		return nil
	}
	return &TracedPost{Parent: *r.TraceContext, At: r.CreatedAt}
}

// failure returns why the image failed, or "". Detail can also hold a warning, or
// the names that older releases stored there with an answer.
func (r imageRow) failure() string {
	if faces.Status(r.Status) != faces.Failed || faces.Reason(r.Reason).IsAnswer() {
		return ""
	}
	return r.Detail
}

func (r imageRow) file() faces.File {
	return faces.File{Size: r.FileSize, Modified: r.FileModified, SHA256: r.FileSHA256}
}

type personRow struct {
	ID      int64
	Name    string
	Hidden  bool
	CoverID int64 // of person_images; 0 is the person's first row
	Version int64
}

func (personRow) TableName() string { return "person" }

type knownImageRow struct {
	ID        int64
	ImageName string
	PersonID  int64
	Source    string // a faces.EnrolSource
	FaceID    int64
	SHA256    string `gorm:"column:sha256"`
	AddedAt   *time.Time
	PublicID  *string // a UUID; see fillPublicIDs
}

func (knownImageRow) TableName() string { return "person_images" }

type faceRow struct {
	ID             int64
	ImageID        int64
	Position       int // from left to right
	X, Y           int
	Width, Height  int
	Landmarks      string // JSON: [{"x":1,"y":2},…]
	Descriptor     []byte // the first 128 numbers; empty if there are none, see splitDescriptor
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
	Corrected        int // history.NotCorrected, Corrected or Confirmed
	DescriptorRest   []byte
	BestParts        string // see history.FormatParts
	SecondParts      string
	Drawn            bool // by a user

	BestName   *string `gorm:"->"` // joined
	SecondName *string `gorm:"->"` // joined
}

func (faceRow) TableName() string { return "faces" }

func newFaceRow(imageID int64, position int, f faces.Face, at time.Time) (faceRow, error) {
	landmarks, err := json.Marshal(f.Landmarks)
	if err != nil {
		return faceRow{}, fmt.Errorf("encode landmarks: %w", err)
	}
	answer := history.AnswerOf(f)
	descriptor, rest := splitDescriptor(f.Descriptor.Bytes())
	return faceRow{
		ImageID: imageID, Position: position,
		X: f.Box.X, Y: f.Box.Y, Width: f.Box.Width, Height: f.Box.Height,
		Landmarks: string(landmarks), Descriptor: descriptor, DescriptorRest: rest, Model: f.Model, CreatedAt: at,
		Reason: string(answer.Reason), Corrected: answer.Corrected,
		BestPersonID: answer.BestPerson, BestDistance: answer.BestDistance, MatchedImage: answer.BestImage,
		SecondPersonID: answer.SecondPerson, SecondDistance: answer.SecondDistance, SecondImage: answer.SecondImage,
		BestParts: answer.BestParts, SecondParts: answer.SecondParts,
		QualityScore: f.Quality.Score, QualitySize: f.Quality.Size, QualitySharpness: f.Quality.Sharpness,
		QualityYaw: f.Quality.Yaw, QualityRoll: f.Quality.Roll,
		QualityDetection: f.Quality.Detection, QualityCutOff: f.Quality.CutOff, Gallery: f.Gallery,
		Drawn: f.Drawn,
	}, nil
}

// oldDescriptor is the length in bytes of the descriptors of release 0.1.0. That
// release fails to read a face whose column descriptor is longer.
const oldDescriptor = 512

// splitDescriptor splits a descriptor into the columns descriptor, which release
// 0.1.0 can read, and descriptor_rest.
func splitDescriptor(b []byte) (descriptor, rest []byte) {
	n := min(len(b), oldDescriptor)
	return append([]byte{}, b[:n]...), append([]byte{}, b[n:]...) // never nil, which would be NULL
}

func (r faceRow) box() faces.Box { return faces.Box{X: r.X, Y: r.Y, Width: r.Width, Height: r.Height} }

// answer returns the decision about the face.
func (r faceRow) answer() history.FaceAnswer {
	return history.FaceAnswer{
		ID: r.ID, Reason: faces.Reason(r.Reason), Corrected: r.Corrected,
		BestPerson: r.BestPersonID, BestDistance: r.BestDistance, BestImage: r.MatchedImage, BestParts: r.BestParts,
		SecondPerson: r.SecondPersonID, SecondDistance: r.SecondDistance, SecondImage: r.SecondImage, SecondParts: r.SecondParts,
	}
}

// name returns the joined name of the best or the second person.
func (r faceRow) name(id int64) string {
	var none string
	if id == r.BestPersonID {
		return *cmp.Or(r.BestName, &none)
	}
	return *cmp.Or(r.SecondName, &none)
}

// decided returns the face without landmarks and descriptor.
func (r faceRow) decided() faces.Face {
	stored := history.StoredFace{
		FaceAnswer: r.answer(), Box: r.box(),
		Model: r.Model, Gallery: r.Gallery, Quality: r.quality(),
	}
	f := stored.Face(r.name)
	f.Drawn = r.Drawn
	return f
}

func (r faceRow) face() (faces.Face, error) {
	f := r.decided()
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

// modelRow is a model set that was used, with its rule.
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

package faces

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// NoPerson is the person id of an image that shows nobody known.
const NoPerson int64 = -1

// Image is one picture that somebody asked about, and its outcome so far.
type Image struct {
	ID          int64
	Path        string // absolute and cleaned
	FileName    string // of an uploaded file, where it came from; empty if there is none
	Status      Status
	Reason      Reason
	Detail      string  // why it failed, in one line for people; empty otherwise: see Describe
	Warning     string  // a fault of the file that did not prevent reading it; empty if none
	Omitted     int     // faces beyond the limit for one picture, which were not described
	Person      *Person // the person of its best identified face; nil if none
	Faces       []Face  // in lists of images without landmarks and descriptors
	Rule        Model   // the current rule of the model set that answered; zero if Faces is empty
	Width       int     // upright, in pixels; 0 if it was never decoded
	Height      int
	Model       string // the model set that answered
	Attempts    int    // in this round
	DuplicateOf int64  // an older row with the same path; 0 for nearly all
	File        File   // the file that was recognized; zero if unknown
	Rescan      Rescan // only set if one image is read, not in lists
	Version     string // see VersionOf; only set if one image is read
	PublishedAt time.Time
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Person is somebody with a name.
type Person struct {
	ID   int64
	Name string
}

// DisplayName returns the name to show: a person without one is "person 7".
func (p Person) DisplayName() string {
	if p.Name == "" {
		return fmt.Sprintf("person %d", p.ID)
	}
	return p.Name
}

// KnownImage is a row of the table person_images: it lists a picture for a
// person, whether or not the file exists. A KnownPicture is a picture that
// recognizers have loaded.
type KnownImage struct {
	ID       int64
	Name     string // relative to KNOWN_PEOPLE, with forward slashes
	PersonID int64
}

// Box is a face's place in the upright picture, in pixels of the original.
type Box struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
}

// compare orders boxes from left to right, then from top to bottom.
func (b Box) compare(other Box) int {
	return cmp.Or(cmp.Compare(b.X, other.X), cmp.Compare(b.Y, other.Y), cmp.Compare(b.Width, other.Width),
		cmp.Compare(b.Height, other.Height))
}

// Point is a landmark in the upright picture, in pixels of the original.
type Point struct {
	X int `json:"x"`
	Y int `json:"y"`
}

// Quality measures how well a face is visible. It does not change the distance.
// It shows people why an answer is weak and which pictures to enrol. The zero
// value means that the quality was never measured.
type Quality struct {
	Score     float64 // 0 (useless) to 1 (best): all measures combined
	Size      int     // shorter side of the box, in pixels of the original
	Sharpness float64 // 0 (blurred) to 1 (sharp), at the size of the network's input
	Yaw       float64 // estimated turn to a side, in degrees; 0 faces the camera
	Roll      float64 // tilt, in degrees
	// Detection is the detector's score, 0 to 1; 0 if the detector has none.
	Detection float64
	// CutOff is the share of the face, 0 to 1, that lies outside the picture.
	CutOff float64
}

// MaxDescriptorSize is the largest number of values that a Descriptor may have.
const MaxDescriptorSize = 1024

// Descriptor is a face embedding: faces of one person have a small Euclidean
// distance. The model set determines its length (Model.Size). Descriptors of
// different model sets must never be compared.
type Descriptor []float32

// Distance returns the Euclidean distance of two descriptors (not its square).
// It returns +Inf if their lengths differ. It is the same on all processors: the explicit
// conversion prevents a fused operation, which would round otherwise.
func (d Descriptor) Distance(other Descriptor) float64 {
	if len(d) != len(other) {
		return math.Inf(1)
	}
	var sum float64
	for i, v := range d {
		diff := float64(v) - float64(other[i])
		sum += float64(diff * diff)
	}
	return math.Sqrt(sum)
}

// Bytes returns the descriptor as little-endian float32, 4 bytes a value.
func (d Descriptor) Bytes() []byte {
	b := make([]byte, 0, 4*len(d))
	for _, v := range d {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// DescriptorFromBytes is the reverse of Bytes. It returns an error for bytes that
// no model set can have produced: no values, an incomplete value, or too many.
func DescriptorFromBytes(b []byte) (Descriptor, error) {
	if len(b) == 0 || len(b)%4 != 0 || len(b) > 4*MaxDescriptorSize {
		return nil, fmt.Errorf("decode descriptor: want 4 bytes for each of 1 to %d numbers, got %d bytes", MaxDescriptorSize, len(b))
	}
	d := make(Descriptor, len(b)/4)
	for i := range d {
		d[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return d, nil
}

// Face is a face found in an image and the decision about it. It has two other
// forms: history.FaceAnswer is the decision alone, to be compared and stored, and
// history.StoredFace has what deciding the face again needs. The store converts a
// Face to and from its row, the receiver to JSON.
type Face struct {
	ID           int64
	Box          Box
	Landmarks    []Point
	Descriptor   Descriptor
	Reason       Reason     // one of FaceReasons
	Person       *Person    // set where Reason is Identified
	Corrected    bool       // a correction says who it is, who it is not, or that it does not count
	Confirmed    bool       // a correction says who it is
	Drawn        bool       // a user drew it; it has no descriptor, and no model set, until a recognizer described it
	Best         *Candidate // the confirmed person, otherwise the nearest, however far; nil if no neighbour is known
	Second       *Candidate // the nearest other person; nil if none is known
	MatchedImage string     // the known picture of Best
	Model        string
	Gallery      string // version of the known pictures that answered
	Quality      Quality
}

// Boxes returns the boxes of faces.
func Boxes(list []Face) []Box {
	boxes := make([]Box, len(list))
	for i, f := range list {
		boxes[i] = f.Box
	}
	return boxes
}

// Candidate is a person whom a face may show.
type Candidate struct {
	Person   Person
	Distance float64 // Euclidean, to the person's nearest known picture
	Image    string  // that picture
	Parts    Parts   // of the distance
}

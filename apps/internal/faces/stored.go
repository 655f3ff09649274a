package faces

import (
	"encoding/binary"
	"math"
)

// NearFace is a stored face near another one.
type NearFace struct {
	ID       int64
	Distance float64 // Euclidean
}

// FaceQuery asks for the stored faces that are nearest to some descriptors.
type FaceQuery struct {
	Model       string // the model set of the descriptors
	Descriptors []Descriptor
	Within      float64 // the largest distance
	Limit       int     // of each descriptor; at least 1, at most MaxNearFaces
}

// MaxNearFaces is the largest number of stored faces that a recognizer sends for one
// descriptor.
const MaxNearFaces = 10_000

// Reasons why an index of stored faces cannot be searched, as recognizers send them.
const (
	IndexIncomplete = "faces_incomplete" // after a start; in a moment it can
	IndexFull       = "faces_full"       // there are more faces than it may have
	IndexOff        = "faces_off"        // the recognizer keeps none
)

// FaceIndex is what a recognizer says about its index of stored faces.
type FaceIndex struct {
	Model    Model
	Faces    int64 // in the index
	Capacity int64 // the largest number of faces; 0 if the recognizer keeps no index
	Mark     int64 // all faces with ids up to it have been put into the index
	Complete bool  // it has had all stored faces since the recognizer started
	Full     bool  // it could not take more faces
}

// FaceSummary summarizes a range of stored faces, so that two programs can compare
// what they have.
type FaceSummary struct {
	Count  int64
	Digest uint64 // the sum of the faces' digests, so that ranges can be added
}

// Add adds a face.
func (s *FaceSummary) Add(id int64, prefix []byte) {
	s.Count++
	s.Digest += digestOf(id, prefix)
}

// DescriptorPrefix is how many bytes of a descriptor are in a digest. A face that is
// described again differs in them.
const DescriptorPrefix = 16

// digestOf hashes a face. prefix is the start of its descriptor (see Descriptor.Bytes).
func digestOf(id int64, prefix []byte) uint64 {
	var b [DescriptorPrefix]byte
	copy(b[:], prefix)
	h := mix(uint64(id) + 0x9e3779b97f4a7c15)
	h = mix(h ^ binary.LittleEndian.Uint64(b[:8]))
	return mix(h ^ binary.LittleEndian.Uint64(b[8:]))
}

// mix is the last step of MurmurHash3: each bit of x changes half of the bits of the
// result.
func mix(x uint64) uint64 {
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// AddDescriptor adds a face by its descriptor.
func (s *FaceSummary) AddDescriptor(id int64, d Descriptor) {
	var prefix [DescriptorPrefix]byte
	for i := range min(len(d), DescriptorPrefix/4) {
		binary.LittleEndian.PutUint32(prefix[4*i:], math.Float32bits(d[i]))
	}
	s.Add(id, prefix[:])
}

// StoredDescriptor is a stored face, as a recognizer's index takes it.
type StoredDescriptor struct {
	ID         int64
	Descriptor []byte // see Descriptor.Bytes
}

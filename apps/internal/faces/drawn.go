package faces

import "slices"

// Drawing is a user's claim that there is a face that was not found. Once stored
// it is a Correction of the kind SaysDrawn.
type Drawing struct {
	ImageID int64
	Version string // see Statement
	Box     Box
	// PersonID or Name says who it is, as in a Statement. Both are zero if the user
	// does not say.
	PersonID int64
	Name     string
}

// IsNamed reports whether the user says who the face is.
func (d Drawing) IsNamed() bool { return d.PersonID != 0 || d.Name != "" }

// CheckBox returns an error with CodeInvalid if the box is not inside a picture of
// this size.
func (d Drawing) CheckBox(width, height int) error {
	b := d.Box
	if b.Width < 1 || b.Height < 1 || b.X < 0 || b.Y < 0 || b.X > width-b.Width || b.Y > height-b.Height {
		return Errorf(CodeInvalid, "the box of %d × %d pixels at (%d, %d) is not inside the picture, which has %d × %d; send one that is",
			b.Width, b.Height, b.X, b.Y, width, height)
	}
	return nil
}

// Described is a recognizer's description of the face in a box that a user drew.
type Described struct {
	Sighting
	// ByLandmarks means that the detector found the face. Otherwise it was aligned by
	// the box alone, which is a little less exact.
	ByLandmarks bool
	Model       Model
	Gallery     string // version of the known pictures it was matched against
	File        File   // that was read
	Changed     bool   // the file is not the one that was asked about: nothing was described
}

// DrawnFaces returns the faces that users have drawn and that are not among the
// boxes. They have no descriptor yet: nothing can be compared with them.
func DrawnFaces(boxes []Box, corrections []Correction) []Face {
	drawn := slices.DeleteFunc(slices.Clone(corrections), func(c Correction) bool {
		return c.Kind != SaysDrawn || !c.UndoneAt.IsZero()
	})
	var list []Face
	for i, at := range Places(boxes, drawn) {
		if at < 0 {
			list = append(list, Face{Box: drawn[i].Box, Drawn: true})
		}
	}
	return list
}

// withDrawn returns an image's faces with those that users have drawn, from left
// to right.
func withDrawn(list []Face, corrections []Correction) []Face {
	drawn := DrawnFaces(Boxes(list), corrections)
	if len(drawn) == 0 {
		return list
	}
	list = append(list, drawn...)
	slices.SortStableFunc(list, func(a, b Face) int { return a.Box.compare(b.Box) })
	return list
}

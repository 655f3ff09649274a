package faces

// KnownPicture is a picture that recognizers can match against. What the
// database lists for a person is a KnownImage.
type KnownPicture struct {
	Image   string // relative to KNOWN_PEOPLE
	Content string // names the content: another file under the same name has another
	// Person is the id of the picture's owner, or NoPerson for nobody. A
	// recognizer, which knows pictures and not people, leaves it 0.
	Person int64
}

// KnownSet is a state of the known pictures.
type KnownSet struct {
	Gallery  string // its version
	Model    Model
	Pictures []KnownPicture // by name
}

// MatchQuery asks for the known pictures nearest to faces that were described
// before.
type MatchQuery struct {
	Model       string   // of the descriptors
	Gallery     string   // only this version of the known pictures will do
	Descriptors [][]byte // see Descriptor.Bytes
	Images      []string // only these known pictures are looked at; nil: all
	Limit       NeighbourLimit
}

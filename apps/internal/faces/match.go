package faces

// KnownPicture is a picture that recognizers can match against. A KnownImage is
// a picture that the database lists for a person.
type KnownPicture struct {
	Image   string // relative to KNOWN_PEOPLE
	Content string // a digest of the content
	// Person is the id of the picture's owner, or NoPerson. Recognizers leave it
	// 0, because they know pictures and not people.
	Person int64
}

// KnownSet is one version of the known pictures.
type KnownSet struct {
	Gallery  string // its version
	Model    Model
	Pictures []KnownPicture // by name
}

// MatchQuery asks for the known pictures that are nearest to stored faces.
type MatchQuery struct {
	Model       string   // the model set of the descriptors
	Gallery     string   // the required version of the known pictures
	Descriptors [][]byte // see Descriptor.Bytes
	Images      []string // limits the search to these known pictures; nil means all
	Limit       NeighbourLimit
}

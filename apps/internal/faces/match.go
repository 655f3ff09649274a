package faces

// This file owns what is asked of recognizers about known pictures.

// KnownPicture is one that recognizers can match against.
type KnownPicture struct {
	Image   string // relative to KNOWN_PEOPLE
	Content string // names the content: another file under the same name has another
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
	Count       int      // nearest pictures of each face
	Slack       float64  // and all at most this much farther than the nearest
	Within      float64  // slack counts where the nearest is at most this far
}

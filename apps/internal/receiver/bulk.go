package receiver

import (
	"bytes"
	"encoding/json"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// bulkPost is the body of a bulk post: api.PicturePaths with a limit.
type bulkPost struct {
	Paths limitedPaths `json:"paths"`
}

// limitedPaths is a JSON list of paths. Decoding stops at the first path that is one
// too many: a small body can hold millions of empty entries, which take far more
// memory than their text.
type limitedPaths struct {
	max  int // set before decoding
	list []api.PicturePath
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *limitedPaths) UnmarshalJSON(text []byte) error {
	l.list = nil
	if len(text) == 0 || text[0] != '[' {
		return json.Unmarshal(text, &l.list) // null, or the error for another type
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		if len(l.list) == l.max {
			return api.Errorf(api.CodeInvalidRequest, "one post may have %d paths, and this one has more; send several posts", l.max)
		}
		var p api.PicturePath
		if err := d.Decode(&p); err != nil {
			return err
		}
		l.list = append(l.list, p)
	}
	return nil
}

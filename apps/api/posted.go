package api

import "encoding/json"

// PostedEntry is what a bulk post answers about one path: the image, or the
// error because of which the path was refused. If Error is set, only Path is
// set beside it: the path as it was sent.
type PostedEntry struct {
	PostedImage
	Error *ErrorBody `json:"error,omitempty"`
}

// Refused returns the entry of a path that was refused.
func Refused(path string, problem ErrorBody) PostedEntry {
	return PostedEntry{PostedImage: PostedImage{Image: Image{Path: path}}, Error: &problem}
}

// MarshalJSON writes a PostedImage or a RefusedPath.
func (e PostedEntry) MarshalJSON() ([]byte, error) {
	if e.Error != nil {
		return json.Marshal(RefusedPath{Path: e.Path, Error: *e.Error})
	}
	return json.Marshal(e.PostedImage)
}

// Waits reports whether the image still waits for an outcome.
func (i Image) Waits() bool {
	return i.Status == StatusProcessing || i.Status == StatusPending && i.Reason == ReasonQueued
}

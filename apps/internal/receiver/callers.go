package receiver

import (
	"context"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/compreface"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
)

// newCallers returns the handlers of programs that were written for CompreFace.
func (s *Server) newCallers() *compreface.Handlers {
	return compreface.New(s.store, callersPictures{s}, compreface.Options{MaxPicture: s.opts.MaxIdentify, KeyInAddress: s.opts.KeyInAddress}, s.log)
}

// callersPictures is what those handlers need of a Server.
type callersPictures struct{ *Server }

// Recognize implements compreface.Pictures.
func (p callersPictures) Recognize(ctx context.Context, content []byte) (faces.Recognition, error) {
	return p.recognizeNow(ctx, content)
}

// Rule implements compreface.Pictures.
func (p callersPictures) Rule(ctx context.Context) (faces.Model, error) {
	models, err := p.store.Models(ctx)
	if err != nil {
		return faces.Model{}, err
	}
	inUse, known, err := p.store.ModelInUse(ctx)
	switch {
	case err != nil:
		return faces.Model{}, err
	case !known:
		return faces.Model{}, api.Errorf(api.CodeUnavailable, "no model set is in use yet; try again when a picture has been processed")
	}
	if rule, ok := models[inUse.ID]; ok {
		inUse = rule // with the processor's own threshold and margin
	}
	return inUse, nil
}

// Match implements compreface.Pictures.
func (p callersPictures) Match(ctx context.Context, q faces.MatchQuery) (near [][]faces.Neighbour, err error) {
	err = p.recognizers.call(ctx, func(ctx context.Context, r Recognizer) (err error) {
		near, err = r.Match(ctx, q)
		return err
	})
	return near, err
}

// Check implements compreface.Pictures.
func (p callersPictures) Check(ctx context.Context, person int64, content []byte) (faces.Recognition, error) {
	// Before anybody is added for it: the store would refuse the row.
	name := knownPicture{content: content}.fileName()
	owners, err := p.store.Owners(ctx, []string{name})
	if err != nil {
		return faces.Recognition{}, err
	}
	if owner, there := owners[name]; there && owner.ID != person {
		return faces.Recognition{}, api.Errorf(api.CodeConflict, "this picture is a known picture of person %d; delete it there first", owner.ID)
	}
	rec, _, err := p.examine(ctx, person, knownPicture{content: content}, nil)
	return rec, err
}

// Enrolled implements compreface.Pictures.
func (p callersPictures) Enrolled(ctx context.Context, person int64, content []byte) (faces.Enrolled, bool, error) {
	return p.store.KnownPictureOf(ctx, person, knownPicture{content: content}.fileName())
}

// Enrol implements compreface.Pictures.
func (p callersPictures) Enrol(ctx context.Context, person int64, content []byte) (faces.Enrolled, error) {
	done, added, err := p.enrol(ctx, person, knownPicture{content: content})
	if added && err == nil {
		p.log.Info("known picture added", "person", person, "known_picture", done.ID, "request_id", requestOf(ctx))
	}
	return done, err
}

// Content implements compreface.Pictures.
func (p callersPictures) Content(_ context.Context, name string) ([]byte, error) {
	if p.known.folder == "" {
		_, err := p.known.open()
		return nil, err
	}
	folder, err := picturefiles.Open(p.known.folder, "known people")
	if err != nil {
		_, err := p.known.open()
		return nil, err
	}
	defer folder.Close()
	return folder.Read(name)
}

// Remove implements compreface.Pictures.
func (p callersPictures) Remove(ctx context.Context, person, id int64) error {
	return p.removeKnownPicture(ctx, person, id)
}

// RemovePerson implements compreface.Pictures.
func (p callersPictures) RemovePerson(ctx context.Context, id int64) error {
	_, err := p.removePerson(ctx, id, faces.AnyVersion)
	return err
}

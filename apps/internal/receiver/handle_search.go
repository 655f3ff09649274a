package receiver

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// FaceSearcher is a Recognizer that searches the stored faces, too.
type FaceSearcher interface {
	// SearchFaces returns the stored faces near each descriptor, nearest first. While
	// that is not possible, the error has faces.CodeUnavailable and says why. With
	// faces.CodeConflict the recognizer has another model set.
	SearchFaces(ctx context.Context, q faces.FaceQuery) ([][]faces.NearFace, error)
}

// FaceStore is the part of the database that searches for faces use.
type FaceStore interface {
	StoredFace(ctx context.Context, id int64) (store.FoundFace, error)
	FoundFaces(ctx context.Context, ids []int64) (map[int64]store.FoundFace, error)
}

// maxDistance is the largest distance to search within. Two descriptors are seldom
// farther apart than half of it.
const maxDistance = 4

// faceSearch is what a search is for.
type faceSearch struct {
	model      faces.Model
	descriptor faces.Descriptor
	box        faces.Box
	except     int64 // a face that is not in the answer; 0 for none
	within     float64
	limit      int
}

// similarFaces answers with the stored faces near a stored face.
func (s *Server) similarFaces(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a face")
	if err != nil {
		return err
	}
	search, err := readSearch(c)
	if err != nil {
		return err
	}
	f, err := s.store.StoredFace(c.Request.Context(), id)
	if err != nil {
		return err
	}
	if search.model, err = s.ruleFor(c.Request.Context(), f.Face); err != nil {
		return err
	}
	search.descriptor, search.box, search.except = f.Descriptor, f.Box, id
	return s.answerSearch(c, search)
}

// ruleFor returns the rule of a stored face's model set, if it is the one in use.
func (s *Server) ruleFor(ctx context.Context, f faces.Face) (faces.Model, error) {
	if f.Descriptor == nil {
		return faces.Model{}, api.Errorf(api.CodeConflict, "face %d was drawn and has never been described, so it cannot be compared", f.ID)
	}
	inUse, _, err := s.store.ModelInUse(ctx)
	if err != nil {
		return faces.Model{}, err
	}
	if f.Model != inUse.ID {
		return faces.Model{}, api.Errorf(api.CodeConflict,
			"face %d was described by the model set %s, and %s is in use; ask for a rescan (POST /api/v1/rescans)", f.ID, f.Model, inUse.ID)
	}
	return inUse, nil
}

// searchFaces answers with the stored faces near the largest face of a picture.
func (s *Server) searchFaces(c *gin.Context) error {
	search, err := readSearch(c)
	if err != nil {
		return err
	}
	file, err := s.readPicture(c)
	if err != nil {
		return err
	}
	rec, err := s.recognizeNow(c.Request.Context(), file)
	if err != nil {
		return err
	}
	f, ok := largestFace(rec.Sightings)
	if !ok {
		const message = "no face was found in the picture that could be searched for"
		return &api.Error{Code: api.CodePictureRefused, Message: message, Refusals: []api.Refusal{{Reason: api.RefusedNoFace, Message: message}}}
	}
	search.model, search.descriptor, search.box = rec.Model, f.Descriptor, f.Box
	return s.answerSearch(c, search)
}

// largestFace returns the largest of the faces that are described.
func largestFace(list []faces.Sighting) (largest faces.Sighting, ok bool) {
	for _, f := range list {
		if f.Descriptor != nil && (!ok || f.Box.Width*f.Box.Height > largest.Box.Width*largest.Box.Height) {
			largest, ok = f, true
		}
	}
	return largest, ok
}

// readSearch reads the query parameters of a search. within is negative if it is not
// given.
func readSearch(c *gin.Context) (faceSearch, error) {
	search := faceSearch{within: -1}
	var err error
	if _, search.limit, err = httpapi.ReadPage(c, "a face"); err != nil {
		return search, err
	}
	if text, given := c.GetQuery("max_distance"); given {
		search.within, err = strconv.ParseFloat(text, 64)
		if err != nil || !(search.within >= 0 && search.within <= maxDistance) { // also true for NaN
			return search, api.Errorf(api.CodeInvalidRequest, `"max_distance" must be a number from 0 to %d`, maxDistance)
		}
	}
	return search, nil
}

func (s *Server) answerSearch(c *gin.Context, search faceSearch) error {
	if search.within < 0 {
		search.within = search.model.Threshold
	}
	found, more, err := s.nearFaces(c.Request.Context(), search)
	if err != nil {
		return err
	}
	models, err := s.store.Models(c.Request.Context())
	if err != nil {
		return err
	}
	answer := api.FoundFaces{
		Box: wireBox(search.box), Model: search.model.ID, Threshold: search.model.Threshold, MaxDistance: search.within, More: more,
	}
	answer.Faces = mapped(found, func(f foundFace) api.FoundFace {
		return api.FoundFace{
			Distance: f.distance, WithinThreshold: f.distance <= search.model.Threshold, Face: wireFace(f.Face, models),
			Image: api.FoundImage{ID: f.Image.ID, Path: f.Image.Path, Status: api.Status(f.Image.Status.String())},
		}
	})
	c.JSON(http.StatusOK, answer)
	return nil
}

// foundFace is a face in the answer of a search.
type foundFace struct {
	store.FoundFace
	distance float64
}

// nearFaces searches. The recognizers' index may have faces that were replaced or
// deleted a moment ago. They are left out, so more are asked for than are wanted. more
// reports whether there may be more than search.limit.
func (s *Server) nearFaces(ctx context.Context, search faceSearch) (found []foundFace, more bool, err error) {
	const spare = 50
	for ask := search.limit + 1 + spare; ; ask = min(4*ask, faces.MaxNearFaces) {
		near, err := s.askForFaces(ctx, search, ask)
		if err != nil {
			return nil, false, err
		}
		if found, err = s.existing(ctx, search, near); err != nil {
			return nil, false, err
		}
		if len(found) > search.limit {
			return found[:search.limit], true, nil
		}
		if len(near) < ask || ask == faces.MaxNearFaces {
			return found, len(near) == ask, nil
		}
	}
}

func (s *Server) askForFaces(ctx context.Context, search faceSearch, limit int) (near []faces.NearFace, err error) {
	err = s.recognizers.call(ctx, func(ctx context.Context, r Recognizer) error {
		searcher, ok := r.(FaceSearcher)
		if !ok {
			return faces.ErrNotOffered
		}
		lists, err := searcher.SearchFaces(ctx, faces.FaceQuery{
			Model: search.model.ID, Descriptors: []faces.Descriptor{search.descriptor}, Within: search.within, Limit: limit,
		})
		if err == nil {
			near = lists[0]
		}
		return err
	})
	switch {
	case faces.ErrorCode(err) == faces.CodeConflict:
		return nil, api.Errorf(api.CodeUnavailable, "the recognizers have different model sets at the moment; try again")
	case errors.Is(err, faces.ErrNotOffered):
		return nil, api.Errorf(api.CodeRecognizerUnavailable, "the recognizers are of an older release, which does not search for faces; update them")
	}
	return near, err
}

// existing returns those faces that are stored and within the distance. The database is
// right where the index differs.
func (s *Server) existing(ctx context.Context, search faceSearch, near []faces.NearFace) ([]foundFace, error) {
	ids := make([]int64, len(near))
	for i, n := range near {
		ids[i] = n.ID
	}
	stored, err := s.store.FoundFaces(ctx, ids)
	if err != nil {
		return nil, err
	}
	var found []foundFace
	for _, f := range stored {
		if f.ID == search.except || f.Model != search.model.ID || f.Reason == faces.NotAFace || len(f.Descriptor) != len(search.descriptor) {
			continue
		}
		if d := search.descriptor.Distance(f.Descriptor); d <= search.within {
			found = append(found, foundFace{FoundFace: f, distance: d})
		}
	}
	slices.SortFunc(found, func(a, b foundFace) int { return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.ID, b.ID)) })
	return found, nil
}

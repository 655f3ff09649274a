package receiver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// maxLook is the size of the largest group that is looked at at another distance.
	maxLook = 500
	// maxAround is how many faces a look reads, those in other groups and of known people
	// included.
	maxAround = 5000
	// middleFrom is how many faces of a group its middle is computed from.
	middleFrom = 500
)

// lookAt returns the faces of the group at another distance, and notes in body what
// they are. It begins in the middle of the group.
func (s *Server) lookAt(ctx context.Context, m faces.Model, g store.FaceGroup, usual float64, text string, body *api.GroupDetail) ([]int64, error) {
	distance, err := strconv.ParseFloat(text, 64)
	switch {
	case usual == 0:
		return nil, api.Errorf(api.CodeConflict, "the distance of groups is not known yet; try again when the groups have been made")
	case err != nil || !(distance >= body.MinDistance && distance <= body.MaxDistance): // also true for NaN
		return nil, api.Errorf(api.CodeInvalidRequest, `"distance" must be a number from %.3f to %.3f`, body.MinDistance, body.MaxDistance)
	case len(g.Members) > maxLook:
		return nil, tooLarge(g)
	}
	middle, err := s.middleOf(ctx, m, g, 1)
	if err != nil {
		return nil, err
	}
	body.Distance, body.Faces, body.Images = distance, 0, 0
	if len(middle) == 0 {
		return nil, nil
	}
	around := &around{server: s, model: m, found: map[int64]store.FoundFace{}}
	rule := groups.Rule{Distance: usual, Min: groups.MinFaces, Width: m.Threshold}
	near, more, err := groups.Look(ctx, around, rule, around.has, middle[0].ID, distance, maxLook)
	switch {
	case errors.Is(err, errTooMany) || more:
		return nil, tooLarge(g)
	case err != nil:
		return nil, searchProblem(err)
	}
	images := map[int64]bool{}
	for _, id := range near.Faces {
		images[around.face(id).Image.ID] = true
	}
	body.Faces, body.Images = len(near.Faces), len(images)
	return near.Faces, nil
}

func tooLarge(g store.FaceGroup) error {
	return api.Errorf(api.CodeConflict,
		"group %d is too large to look at at another distance: that works up to %d faces, with at most %d faces around them", g.Key, maxLook, maxAround)
}

// middleOf returns the faces of a group that are nearest to the mean of its first
// faces: those with many neighbours.
func (s *Server) middleOf(ctx context.Context, m faces.Model, g store.FaceGroup, n int) ([]store.FoundFace, error) {
	ids := g.IDs()
	found, err := s.store.FoundFaces(ctx, ids[:min(len(ids), middleFrom)])
	if err != nil {
		return nil, err
	}
	var list []store.FoundFace
	mean := make(faces.Descriptor, m.Size)
	for _, f := range found {
		if groups.Eligible(f.Face, m) {
			list = append(list, f)
			for i, v := range f.Descriptor {
				mean[i] += v
			}
		}
	}
	for i := range mean {
		mean[i] /= float32(max(len(list), 1))
	}
	from := map[int64]float64{}
	for _, f := range list {
		from[f.ID] = f.Descriptor.Distance(mean)
	}
	slices.SortFunc(list, func(a, b store.FoundFace) int {
		return cmp.Or(cmp.Compare(from[a.ID], from[b.ID]), cmp.Compare(a.ID, b.ID))
	})
	return list[:min(n, len(list))], nil
}

// errTooMany means that there are too many faces near a group.
var errTooMany = errors.New("there are too many faces around")

// around is the part of the stored faces that is around a group. It is a groups.Search
// that asks the recognizers, and reads from the database what they find, which is right
// where the two differ.
type around struct {
	server *Server
	model  faces.Model

	mu    sync.Mutex // guards found
	found map[int64]store.FoundFace
}

// face returns a face that was found.
func (a *around) face(id int64) store.FoundFace {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.found[id]
}

// has reports whether a face may be in a group.
func (a *around) has(id int64) bool { return groups.Eligible(a.face(id).Face, a.model) }

// read reads those of the faces that were not read yet.
func (a *around) read(ctx context.Context, ids []int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var missing []int64
	for _, id := range ids {
		if _, ok := a.found[id]; !ok {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	if len(a.found)+len(missing) > maxAround {
		return errTooMany
	}
	found, err := a.server.store.FoundFaces(ctx, missing)
	for _, id := range missing {
		a.found[id] = found[id] // also if it is gone, so that it is not asked for again
	}
	return err
}

// Within implements groups.Search.
func (a *around) Within(ctx context.Context, ids []int64, distance float64, _ int64) ([][]faces.NearFace, error) {
	if err := a.read(ctx, ids); err != nil {
		return nil, err
	}
	lists := make([][]faces.NearFace, len(ids))
	for i, id := range ids {
		if a.face(id).Descriptor == nil {
			return nil, fmt.Errorf("face %d: %w", id, faces.Errorf(faces.CodeStale, "the group has changed meanwhile; read it again"))
		}
		near, err := a.server.askForFaces(ctx, faceSearch{model: a.model, descriptor: a.face(id).Descriptor, within: distance}, maxAround)
		if err != nil {
			return nil, err
		}
		if len(near) == maxAround {
			return nil, errTooMany
		}
		if lists[i], err = a.exactly(ctx, id, near, distance); err != nil {
			return nil, err
		}
	}
	return lists, nil
}

// exactly returns those of the near faces that are stored and within the distance, and
// the face itself.
func (a *around) exactly(ctx context.Context, id int64, near []faces.NearFace, distance float64) ([]faces.NearFace, error) {
	ids := make([]int64, len(near))
	for i, n := range near {
		ids[i] = n.ID
	}
	if err := a.read(ctx, ids); err != nil {
		return nil, err
	}
	self := a.face(id)
	list := []faces.NearFace{{ID: id}}
	for _, other := range ids {
		f := a.face(other)
		if other == id || !groups.Eligible(f.Face, a.model) {
			continue
		}
		if d := self.Descriptor.Distance(f.Descriptor); d <= distance {
			list = append(list, faces.NearFace{ID: other, Distance: d})
		}
	}
	return list, nil
}

// Descriptors implements groups.Search.
func (a *around) Descriptors(ctx context.Context, ids []int64) ([]faces.Descriptor, error) {
	if err := a.read(ctx, ids); err != nil {
		return nil, err
	}
	list := make([]faces.Descriptor, len(ids))
	for i, id := range ids {
		list[i] = a.face(id).Descriptor
	}
	return list, nil
}

// searchProblem explains an error of a search to the client.
func searchProblem(err error) error {
	switch {
	case faces.ErrorCode(err) == faces.CodeConflict:
		return api.Errorf(api.CodeUnavailable, "the recognizers have different model sets at the moment; try again")
	case errors.Is(err, faces.ErrNotOffered):
		return api.Errorf(api.CodeRecognizerUnavailable, "the recognizers are of an older release, which does not search for faces; update them")
	default:
		return err
	}
}

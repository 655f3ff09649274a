package compreface

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// compared is a face with its similarity to another one.
type compared struct {
	found
	Similarity float64 `json:"similarity"`
	Subject    string  `json:"subject,omitempty"`
}

// verification is the answer of verify: one pair of pictures.
type verification struct {
	Result []verified `json:"result"`
}

type verified struct {
	Source   found             `json:"source_image_face"`
	Matches  []compared        `json:"face_matches"`
	Versions map[string]string `json:"plugins_versions,omitempty"`
}

// verify answers whether the one face of a picture is in another picture.
func (h *Handlers) verify(c *gin.Context) error {
	const source, target = "source_image", "target_image"
	r, err := h.read(c, source, target)
	if err != nil {
		return err
	}
	q, err := r.question()
	if err != nil {
		return err
	}
	var sights [2]sight
	group, ctx := errgroup.WithContext(c.Request.Context())
	for i, part := range []string{source, target} {
		content, err := r.picture(part)
		if err != nil {
			return err
		}
		group.Go(func() (err error) {
			sights[i], err = h.look(ctx, content, q)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	from, to := sights[0], sights[1]
	if n := len(from.rec.Sightings) + from.rec.Omitted; n > 1 {
		return problemf(codeManyFaces, "the source picture has %d faces; it must have one", n)
	}
	matches, err := compare(from.rec.Sightings[0], from.rec.Model, to)
	if err != nil {
		return err
	}
	return ok(c, verification{Result: []verified{{Source: from.found(0), Matches: matches, Versions: to.versions()}}})
}

// compare compares a face with the faces of a picture that are shown, the most alike
// first.
func compare(face faces.Sighting, m faces.Model, to sight) ([]compared, error) {
	if m.ID != to.rec.Model.ID { // in the middle of a rollout
		return nil, api.Errorf(api.CodeUnavailable, "the recognizers have different model sets at the moment; try again")
	}
	list := make([]compared, to.shown())
	for i := range list {
		list[i] = compared{found: to.found(i), Similarity: alike(face, to.rec.Sightings[i], to.rec.Model)}
	}
	slices.SortStableFunc(list, func(a, b compared) int { return cmp.Compare(b.Similarity, a.Similarity) })
	return list, nil
}

// alike returns the similarity of two faces. It is below 0.5 if one of them is below
// a floor of quality, which decides nothing.
func alike(a, b faces.Sighting, m faces.Model) float64 {
	one := func(s faces.Sighting) []faces.Face {
		return []faces.Face{{Box: s.Box, Descriptor: s.Descriptor, Quality: s.Quality}}
	}
	pairs, _ := faces.Compare(one(a), one(b), m)
	return scaleOf(m).decided(pairs[0].Distance, pairs[0].Likeness == faces.LikeSame)
}

// verifiedFace is the answer of verifyFace.
type verifiedFace struct {
	Result   []compared        `json:"result"`
	Versions map[string]string `json:"plugins_versions,omitempty"`
}

// verifyFace answers whether the faces of a picture are that of a known picture.
func (h *Handlers) verifyFace(c *gin.Context) error {
	ctx := c.Request.Context()
	known, err := h.knownPicture(c)
	if err != nil {
		return err
	}
	s, err := h.lookAt(c)
	if err != nil {
		return err
	}
	face, m, err := h.faceOf(ctx, known)
	if err != nil {
		return err
	}
	list, err := compare(face, m, s)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Subject = known.Owner.DisplayName()
	}
	return ok(c, verifiedFace{Result: list, Versions: s.versions()})
}

// faceOf returns the face of a known picture. A recognizer looks at its file again:
// its own index may not have a picture that was added a moment ago.
func (h *Handlers) faceOf(ctx context.Context, known store.PublicPicture) (faces.Sighting, faces.Model, error) {
	content, err := h.content(ctx, known)
	if err != nil {
		return faces.Sighting{}, faces.Model{}, err
	}
	s, err := h.look(ctx, content, question{})
	var p *problem
	if errors.As(err, &p) && p.Code == codeNoFace {
		return faces.Sighting{}, faces.Model{}, problemf(codeOther, "no face is found in the known picture itself").at(http.StatusBadRequest)
	}
	if err != nil {
		return faces.Sighting{}, faces.Model{}, err
	}
	return s.rec.Sightings[0], s.rec.Model, nil
}

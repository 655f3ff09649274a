package receiver

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// identify answers who is in a picture. Nothing is stored.
func (s *Server) identify(c *gin.Context) error {
	file, err := s.readPicture(c)
	if err != nil {
		return err
	}
	seen, err := s.look(c.Request.Context(), file)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, wireSeen(seen))
	return nil
}

// compare answers whether two pictures show the same people.
func (s *Server) compare(c *gin.Context) error {
	a, b, err := s.readPair(c)
	if err != nil {
		return err
	}
	var seen [2]seenPicture
	group, ctx := errgroup.WithContext(c.Request.Context())
	for i, file := range [][]byte{a, b} {
		group.Go(func() (err error) {
			seen[i], err = s.look(ctx, file)
			if err != nil {
				err = nameError(err, "ab"[i:i+1])
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if seen[0].model.ID != seen[1].model.ID { // in the middle of a rollout
		return api.Errorf(api.CodeUnavailable, "the recognizers have different model sets at the moment; try again")
	}
	pairs, omitted := faces.Compare(seen[0].outcome.Faces, seen[1].outcome.Faces, seen[0].model)
	c.JSON(http.StatusOK, api.Comparison{
		A: wireSeen(seen[0]), B: wireSeen(seen[1]), Pairs: mapped(pairs, wirePair), OmittedPairs: omitted,
	})
	return nil
}

// seenPicture is a picture that was looked at now, and the model set that decided.
type seenPicture struct {
	outcome faces.Outcome
	model   faces.Model
}

// look has a recognizer look at a picture, and decides who is in it as for a picture
// of the queue.
func (s *Server) look(ctx context.Context, file []byte) (seenPicture, error) {
	rec, err := s.recognizeNow(ctx, file)
	if err != nil {
		return seenPicture{}, err
	}
	deciding, err := faces.PrepareDeciding(ctx, s.store, rec)
	if err != nil {
		return seenPicture{}, err
	}
	return seenPicture{outcome: deciding.Decide(rec), model: rec.Model}, nil
}

// recognizeNow has a recognizer look at a picture. The answer has the rule that
// decides about the pictures of the queue.
func (s *Server) recognizeNow(ctx context.Context, file []byte) (rec faces.Recognition, err error) {
	models, err := s.store.Models(ctx)
	if err != nil {
		return rec, err
	}
	inUse, _, err := s.store.ModelInUse(ctx)
	if err != nil {
		return rec, err
	}
	err = s.recognizers.call(ctx, func(ctx context.Context, r Recognizer) (err error) {
		rec, err = r.RecognizeContent(ctx, file, inUse)
		return err
	})
	if rule, ok := models[rec.Model.ID]; ok {
		rec.Model = rule // with the processor's own threshold and margin
	}
	return rec, err
}

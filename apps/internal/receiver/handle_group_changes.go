package receiver

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	defaultEnrol = 3
	maxEnrol     = 5
	// enrolTime limits how long the answer to a name waits for known pictures.
	enrolTime = 20 * time.Second
	// enrolTries is how many faces more than wanted are tried.
	enrolTries = 3
	// maxFaceIDs is the largest number of faces that a request names.
	maxFaceIDs = 5000
	// maxListedImages is how many images an answer lists.
	maxListedImages = 100
)

// nameGroup says who the faces of a group are.
func (s *Server) nameGroup(c *gin.Context) error {
	say := store.GroupStatement{Says: store.GroupIs}
	if err := s.readStatement(c, &say); err != nil {
		return err
	}
	var body api.GroupName
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return err
	}
	if body.PersonID == nil && body.Name == nil {
		return api.Errorf(api.CodeInvalidRequest, `who is it? send {"person_id":1} or {"name":"Ada"}`)
	}
	var err error
	if say.PersonID, say.Name, err = whoItIs(body.PersonID, body.Name); err != nil {
		return err
	}
	enrol := defaultEnrol
	if body.Enrol != nil {
		enrol = *body.Enrol
	}
	if enrol < 0 || enrol > maxEnrol {
		return api.Errorf(api.CodeInvalidRequest, `"enrol" must be a number between 0 and %d`, maxEnrol)
	}
	if say.Faces, err = faceIDs("face_ids", body.FaceIDs); err != nil {
		return err
	}
	done, err := s.store.ChangeGroup(c.Request.Context(), say)
	if err != nil {
		return err
	}
	answer := wireGroupChange(done, say.Says, say.Key)
	answer.Enrolled, answer.NotEnrolled = s.enrolBest(c.Request.Context(), done, enrol)
	s.logGroupChange(c, done, say.Says, say.Key)
	c.JSON(http.StatusOK, answer)
	return nil
}

// readStatement reads which group a statement is about, and which version of it.
func (s *Server) readStatement(c *gin.Context, say *store.GroupStatement) (err error) {
	if say.Key, err = httpapi.PathParam(c, "key", "a group"); err != nil {
		return err
	}
	if say.Version, err = imageVersion(c); err != nil {
		return err
	}
	m, _, err := s.store.ModelInUse(c.Request.Context())
	say.Model = m.ID
	return err
}

// faceIDs checks a list of ids of faces. nil means that there is none.
func faceIDs(field string, list *[]int64) ([]int64, error) {
	if list == nil {
		return nil, nil
	}
	if len(*list) == 0 || len(*list) > maxFaceIDs {
		return nil, api.Errorf(api.CodeInvalidRequest, "%q must have 1 to %d ids of faces; leave it out for the whole group", field, maxFaceIDs)
	}
	for _, id := range *list {
		if id < 1 {
			return nil, api.Errorf(api.CodeInvalidRequest, "%q has %d, which is no id of a face", field, id)
		}
	}
	return *list, nil
}

// dismissGroup says that the faces of a group do not count.
func (s *Server) dismissGroup(says store.GroupSays) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		say := store.GroupStatement{Says: says}
		if err := s.readStatement(c, &say); err != nil {
			return err
		}
		var body api.GroupPart
		if err := httpapi.ReadOptionalStrictJSON(c, &body); err != nil {
			return err
		}
		var err error
		if say.Faces, err = faceIDs("face_ids", body.FaceIDs); err != nil {
			return err
		}
		done, err := s.store.ChangeGroup(c.Request.Context(), say)
		if err != nil {
			return err
		}
		s.logGroupChange(c, done, says, say.Key)
		c.JSON(http.StatusOK, wireGroupChange(done, says, say.Key))
		return nil
	}
}

// splitGroup says that a group shows two people.
func (s *Server) splitGroup(c *gin.Context) error {
	var say store.GroupStatement
	if err := s.readStatement(c, &say); err != nil {
		return err
	}
	var body api.GroupSplit
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return err
	}
	split := store.GroupSplitting{Model: say.Model, Key: say.Key, Version: say.Version}
	var err error
	if split.Faces, err = faceIDs("face_ids", &body.FaceIDs); err != nil {
		return err
	}
	if split.Others, err = faceIDs("other_face_ids", body.OtherFaceIDs); err != nil {
		return err
	}
	done, err := s.store.SplitGroup(c.Request.Context(), split)
	if err != nil {
		return err
	}
	s.logGroupChange(c, done, store.GroupApart, say.Key)
	c.JSON(http.StatusOK, wireGroupChange(done, store.GroupApart, say.Key))
	return nil
}

func (s *Server) logGroupChange(c *gin.Context, done store.ChangedGroup, says store.GroupSays, key int64) {
	s.log.Info("group changed", "group", key, "says", says, "group_change", done.ID, "person", done.Person.ID, "faces", done.Faces,
		"images", len(done.Images), "request_id", httpapi.RequestID(c))
}

// enrolBest makes some of the best faces of a named group known pictures of the person,
// so that other faces follow. The corrections are stored: a face that cannot be enrolled
// is told of, and no error.
func (s *Server) enrolBest(ctx context.Context, done store.ChangedGroup, n int) ([]api.EnrolledFace, []api.NotEnrolledFace) {
	enrolled, not := []api.EnrolledFace{}, []api.NotEnrolledFace{}
	ctx, cancel := context.WithTimeout(ctx, enrolTime)
	defer cancel()
	for _, face := range done.Best[:min(len(done.Best), n+enrolTries)] {
		if len(enrolled) >= n || ctx.Err() != nil {
			break
		}
		id, err := s.enrolFace(ctx, done.Person.ID, face)
		if err == nil {
			enrolled = append(enrolled, api.EnrolledFace{FaceID: face, KnownPictureID: id})
			continue
		}
		problem := httpapi.Body(err)
		if problem.Code == api.CodeInternal {
			s.log.Error("a face of a named group is not enrolled", "face", face, "error", err, "request_id", requestOf(ctx))
		}
		refusals := problem.Refusals
		if refusals == nil {
			refusals = []api.Refusal{}
		}
		not = append(not, api.NotEnrolledFace{FaceID: face, Message: problem.Message, Refusals: refusals})
		if problem.Code == api.CodeRecognizerUnavailable || problem.Code == api.CodeUnavailable {
			break // the next one would wait as long
		}
	}
	return enrolled, not
}

// enrolFace makes a face a known picture of a person, if the picture is not refused.
func (s *Server) enrolFace(ctx context.Context, person, face int64) (int64, error) {
	p, err := s.cutOut(ctx, face)
	if err != nil {
		return 0, err
	}
	if _, err := s.checkKnownPicture(ctx, person, p, nil); err != nil {
		return 0, err
	}
	e, _, err := s.enrol(ctx, person, p)
	return e.ID, err
}

// undoGroupChange undoes all that was said about a group in one request.
func (s *Server) undoGroupChange(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a change of a group")
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	done, err := s.store.UndoGroupChange(ctx, id)
	if err != nil {
		return err
	}
	for _, e := range done.Pictures { // a file that stays is swept away within hours, see sweepKnown
		if err := s.known.remove(ctx, e.Name, s.store.ListedPictures); err != nil {
			s.log.Warn("the file of a known picture that was undone is still there", "error", err, "request_id", httpapi.RequestID(c))
		}
	}
	s.log.Info("group change undone", "group_change", id, "images", len(done.Images), "request_id", httpapi.RequestID(c))
	c.JSON(http.StatusOK, api.UndoneGroupChange{
		ID: id, Says: api.GroupSays(done.Says), Key: done.Key, Faces: done.Faces, ChangedImages: wireChangedImages(done.Images),
		DeletedKnownPictures: len(done.Pictures), EmptyPerson: wirePersonOrNull(done.Empty),
	})
	return nil
}

func wireChangedImages(ids []int64) api.ChangedImages {
	return api.ChangedImages{Count: len(ids), IDs: append([]int64{}, ids[:min(len(ids), maxListedImages)]...)}
}

func wireGroupChange(done store.ChangedGroup, says store.GroupSays, key int64) api.GroupChange {
	w := api.GroupChange{
		ID: done.ID, Says: api.GroupSays(says), Key: key, NewPerson: done.NewPerson, Faces: done.Faces,
		ChangedImages: wireChangedImages(done.Images), Skipped: done.Skipped, Left: done.Left,
		Enrolled: []api.EnrolledFace{}, NotEnrolled: []api.NotEnrolledFace{},
	}
	if says == store.GroupIs {
		w.Person = wirePersonOrNull(&faces.Person{ID: done.Person.ID, Name: done.Person.Name})
	}
	return w
}

func wireGroup(g store.GroupSummary) api.Group {
	return api.Group{
		Key: g.Key, Faces: g.Faces, Images: g.Faces, Version: g.Version,
		Samples: mapped(g.Samples, func(m store.GroupMember) api.SampleFace {
			return api.SampleFace{FaceID: m.FaceID, ImageID: m.ImageID}
		}),
	}
}

func wireGrouping(model string, state store.GroupingState) api.Grouping {
	return api.Grouping{
		Model: model, State: state.State, Complete: state.IsComplete(), Faces: state.Faces, Total: state.Total, UpdatedAt: timeOrNull(state.UpdatedAt),
	}
}

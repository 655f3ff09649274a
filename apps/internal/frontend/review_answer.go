package frontend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// answerTries is how often an answer about a face is tried while other faces of its
	// picture change.
	answerTries = 3
	// enoughKnown is how many known pictures a person needs so that no more are made of
	// single faces.
	enoughKnown = 3
)

// What the address says was done, beside the answers.
const (
	saidGone    = "gone"
	saidStale   = "stale"
	saidChanged = "changed"
	saidUndone  = "undone"
	saidNoName  = "noname"
)

var (
	// errSettled means that somebody else has answered a question.
	errSettled = errors.New("the question is settled")
	// errChanged means that a question has changed, and is to be looked at again.
	errChanged = errors.New("the question has changed")
)

// reviewSays is an answer of a reviewer.
type reviewSays struct {
	api    *client.Client
	what   string // yes, no, name, ignore or none
	person int64
	name   string
	seen   string
	chosen []int64 // of a group, only these faces; nil for all
}

// reviewDone is what an answer did.
type reviewDone struct {
	undo     string // see parseReviewUndo
	faces    int
	pictures int
	person   *api.Person
	stays    bool // the question is still one, with another suggestion
}

// reviewReply is the answer for the script.
type reviewReply struct {
	Text   string `json:"text"`
	Undo   string `json:"undo,omitempty"`
	Person int64  `json:"person,omitempty"`
	State  string `json:"state"` // saved, stays, stale, changed, undone
}

// reviewAnswer settles a question, and leads to the next one.
func (s *Server) reviewAnswer(c *gin.Context) {
	p, ok := parseReviewPlace(c.Param("question"))
	switch {
	case !ok:
		s.problem(c, pageMissing())
		return
	case !s.mayChange(c):
		s.problem(c, readOnly())
		return
	}
	ctx, cancel := changeContext(c)
	defer cancel()
	by, _ := s.reviewer(c)
	q, err := s.newReviewQueue(ctx, parseReviewTrail(c.PostForm), by)
	if err != nil {
		s.failed(c, err)
		return
	}
	says := s.readSays(c)
	if says.what == "name" && says.name == "" {
		s.reviewReply(c, q.trail.URL(&p, "said", saidNoName), reviewReply{State: saidChanged, Text: s.words("review.noname")})
		return
	}
	done, err := q.answer(ctx, p, says)
	s.reviewAnswered(c, q, p, done, err)
}

func (s *Server) readSays(c *gin.Context) reviewSays {
	says := reviewSays{api: s.actAs(c), what: c.PostForm("say"), name: strings.TrimSpace(c.PostForm("name")), seen: c.PostForm("seen")}
	says.person, _ = strconv.ParseInt(c.PostForm("person_id"), 10, 64) // 0 is refused where it counts
	says.chosen = splitIDs(strings.Join(c.PostFormArray("face"), " "))
	if says.what == "" {
		says.what = "name"
	}
	return says
}

// reviewAnswered tells what an answer did.
func (s *Server) reviewAnswered(c *gin.Context, q *reviewQueue, p reviewPlace, done reviewDone, err error) {
	to := q.trail.URL(nil)
	if next, ok := parseReviewPlace(c.PostForm("next")); ok {
		to = q.trail.without(next).URL(&next)
	}
	add := func(to, said string) string {
		sign := "?"
		if strings.Contains(to, "?") {
			sign = "&"
		}
		return to + sign + "said=" + said
	}
	switch {
	case errors.Is(err, errSettled):
		s.reviewReply(c, add(to, saidStale), reviewReply{State: saidStale, Text: s.words("review.stale")})
	case errors.Is(err, errChanged):
		s.reviewReply(c, q.trail.URL(&p, "said", saidChanged), reviewReply{State: saidChanged, Text: s.words("review.changed")})
	case err != nil:
		s.refusedBy(c, err)
	case done.stays:
		s.reviewReply(c, q.trail.URL(&p, "said", done.undo), reviewReply{State: "stays", Undo: done.undo, Text: s.answered(done)})
	default:
		s.holds.drop(p.question(), q.by)
		reply := reviewReply{State: "saved", Undo: done.undo, Text: s.answered(done)}
		if done.person != nil {
			reply.Person = done.person.ID
		}
		s.reviewReply(c, add(to, done.undo), reply)
	}
}

// reviewReply sends the reply to the script, or leads to a page.
func (s *Server) reviewReply(c *gin.Context, to string, reply reviewReply) {
	if strings.Contains(c.GetHeader("Accept"), "application/json") {
		c.Header("Cache-Control", "no-store")
		c.JSON(http.StatusOK, reply)
		return
	}
	c.Redirect(http.StatusSeeOther, s.link(to))
}

// answered says what an answer did.
func (s *Server) answered(d reviewDone) string {
	if d.faces == 0 {
		return s.words("review.saved.not")
	}
	in := s.words("review.settles", s.counted("review.faces", d.faces), s.counted("review.pictures", d.pictures))
	if d.person != nil {
		return s.words("review.saved.name", in, s.isolatedName(faces.Person{ID: d.person.ID, Name: d.person.Name}))
	}
	return s.words("review.saved", in)
}

// reviewNotice is what a page says about the answer before.
type reviewNotice struct {
	Text string
	Undo string // what to undo; "" for nothing
}

// reviewNotice returns what an address says about the answer before: nothing if there was no
// such answer lately, whatever the address says.
func (s *Server) reviewNotice(ctx context.Context, said string) *reviewNotice {
	known := map[string]string{
		saidGone: s.words("review.gone"), saidStale: s.words("review.stale"), saidChanged: s.words("review.changed"),
		saidUndone: s.words("review.undone"), saidNoName: s.words("review.noname"),
	}
	if text, ok := known[said]; ok {
		return &reviewNotice{Text: text}
	}
	u, ok := parseReviewUndo(said)
	if !ok {
		return nil
	}
	_, done, err := s.undoable(ctx, u)
	if err != nil {
		if !errors.Is(err, errTooLate) {
			s.log.WarnContext(ctx, "an answer of the review cannot be read", "error", err)
		}
		return nil
	}
	return &reviewNotice{Text: s.answered(done), Undo: said}
}

// answer says about the faces of a question what the reviewer says.
func (q *reviewQueue) answer(ctx context.Context, p reviewPlace, says reviewSays) (reviewDone, error) {
	switch says.what {
	case "yes", "no":
		if says.person < 1 {
			return reviewDone{}, wrong("form.person")
		}
	case "name", "ignore", "none":
	default:
		return reviewDone{}, wrong("form.say")
	}
	if p.kind != askGroup {
		return q.answerFace(ctx, p, says)
	}
	if says.what == "no" {
		return q.notThisGroup(ctx, p, says)
	}
	return q.answerGroup(ctx, p, says)
}

// answerFace says something about one face. What the reviewer has seen of the face counts:
// its picture may have another version because another of its faces was answered.
func (q *reviewQueue) answerFace(ctx context.Context, p reviewPlace, says reviewSays) (reviewDone, error) {
	q.ctx = ctx
	for range answerTries {
		img, _, ok, err := q.face(p)
		if err != nil {
			return reviewDone{}, err
		}
		said, err := q.saidOf(p)
		if err != nil {
			return reviewDone{}, err
		}
		if !ok || said != says.seen {
			return reviewDone{}, errSettled
		}
		done, err := answerFace(ctx, p.id, img.Version, says)
		switch {
		case isAPI(err, api.CodeStale):
			continue
		case isAPI(err, api.CodeNotFound):
			return reviewDone{}, errSettled
		case err != nil:
			return reviewDone{}, err
		}
		return q.afterFace(ctx, p.id, says, done), nil
	}
	return reviewDone{}, errChanged
}

func isAPI(err error, code api.ErrorCode) bool {
	var said *api.Error
	return errors.As(err, &said) && said.Code == code
}

func answerFace(ctx context.Context, face int64, version string, says reviewSays) (api.CorrectedFace, error) {
	switch says.what {
	case "yes":
		return says.api.AssignFaceIf(ctx, face, api.FaceAssignment{PersonID: &says.person}, version)
	case "name":
		return says.api.AssignFaceIf(ctx, face, api.FaceAssignment{Name: &says.name}, version)
	case "no":
		return says.api.ExcludeFaceIf(ctx, face, says.person, version)
	case "ignore":
		return says.api.IgnoreFace(ctx, face, version)
	default:
		return says.api.DismissFace(ctx, face, version)
	}
}

// afterFace makes a named face a known picture of a person of whom there are few, as an
// answer to a group does: else the next picture of that person would be asked about, too.
func (q *reviewQueue) afterFace(ctx context.Context, face int64, says reviewSays, corrected api.CorrectedFace) reviewDone {
	done := reviewDone{undo: "c" + strconv.FormatInt(corrected.Correction.ID, 10), faces: 1, pictures: 1}
	if says.what != "yes" && says.what != "name" {
		return done
	}
	done.person = corrected.Correction.Person
	if done.person == nil {
		return done
	}
	who, err := q.server.store.Profile(ctx, done.person.ID)
	if err != nil || who.KnownPictures >= enoughKnown {
		return done
	}
	added, err := says.api.AddKnownFace(ctx, done.person.ID, face, api.AddKnownPictureParams{})
	if err != nil || added.KnownPicture == nil {
		q.server.log.DebugContext(ctx, "a face is no known picture", "face", face, "error", err)
		return done
	}
	done.undo += fmt.Sprintf("k%d-%d", done.person.ID, added.KnownPicture.ID)
	return done
}

// notThisGroup says that a group does not show the suggested person, by what it says of the
// chosen faces, or of the faces that the reviewer has seen. No group has a suggestion that one of its faces
// excludes.
func (q *reviewQueue) notThisGroup(ctx context.Context, p reviewPlace, says reviewSays) (reviewDone, error) {
	q.ctx = ctx
	g, err := q.server.store.Group(ctx, q.model.ID, p.id)
	if faces.ErrorCode(err) == faces.CodeMissing {
		return reviewDone{}, errSettled
	}
	if err != nil {
		return reviewDone{}, err
	}
	about, err := q.aboutOf(g, says)
	if err != nil {
		return reviewDone{}, err
	}
	var said []string
	for _, m := range about {
		id, err := q.notThisFace(ctx, m, says)
		switch {
		case err == nil:
			said = append(said, strconv.FormatInt(id, 10))
		case isAPI(err, api.CodeStale) || isAPI(err, api.CodeNotFound): // somebody else says something about it
		case len(said) == 0:
			return reviewDone{}, err
		}
	}
	if len(said) == 0 {
		return reviewDone{}, errChanged
	}
	return reviewDone{undo: "c" + strings.Join(said, "_"), stays: true}, nil
}

// aboutOf returns the faces of a group that an answer is about: the chosen ones, or else
// those that are shown and were shown to the reviewer. Others may have come since.
func (q *reviewQueue) aboutOf(g store.FaceGroup, says reviewSays) ([]store.GroupMember, error) {
	if len(says.chosen) > 0 {
		chosen := slices.DeleteFunc(slices.Clone(g.Members), func(m store.GroupMember) bool {
			return m.ImageID == 0 || !slices.Contains(says.chosen, m.FaceID)
		})
		return chosen[:min(len(chosen), reviewCrops)], nil
	}
	shown, err := q.bestMembers(g)
	version, seenText, _ := strings.Cut(says.seen, " ")
	if err != nil || version == g.Version {
		return shown, err
	}
	seen := splitIDs(seenText)
	return slices.DeleteFunc(slices.Clone(shown), func(m store.GroupMember) bool { return !slices.Contains(seen, m.FaceID) }), nil
}

// notThisFace excludes a person for one face of a group, and returns the id of the
// correction.
func (q *reviewQueue) notThisFace(ctx context.Context, m store.GroupMember, says reviewSays) (int64, error) {
	img, err := q.server.store.Image(ctx, m.ImageID)
	if err != nil {
		return 0, err
	}
	done, err := says.api.ExcludeFaceIf(ctx, m.FaceID, says.person, img.Version)
	return done.Correction.ID, err
}

// answerGroup says something about a group, or about the chosen faces of it. If the group
// has changed, the answer is about those of the faces that the reviewer has seen and that
// are still in it.
func (q *reviewQueue) answerGroup(ctx context.Context, p reviewPlace, says reviewSays) (reviewDone, error) {
	version, seenText, _ := strings.Cut(says.seen, " ")
	seen := splitIDs(seenText)
	done, err := sayOfGroup(ctx, p.id, version, says, says.chosen)
	if !isAPI(err, api.CodeStale) && !isAPI(err, api.CodeNotFound) {
		return done, err
	}
	about := says.chosen
	if len(about) == 0 {
		about = seen
	}
	key, version, rest, err := q.stillTogether(ctx, p.id, about)
	switch {
	case err != nil:
		return done, err
	case key == 0:
		return done, errSettled
	case len(rest) == 0 && len(seen) == 0: // too many to be in the form
		return done, errChanged
	case len(rest) == 0:
		return done, errSettled
	}
	done, err = sayOfGroup(ctx, key, version, says, rest)
	if isAPI(err, api.CodeStale) || isAPI(err, api.CodeNotFound) {
		return done, errChanged
	}
	return done, err
}

// stillTogether returns the group that a group has become, and which of some faces are in
// it. key is 0 if there is none.
func (q *reviewQueue) stillTogether(ctx context.Context, was int64, about []int64) (key int64, version string, rest []int64, err error) {
	const tries = 20
	key, err = q.server.store.GroupOf(ctx, q.model.ID, was)
	for i := 0; err == nil && key == 0 && i < min(tries, len(about)); i++ {
		key, err = q.server.store.GroupOf(ctx, q.model.ID, about[i])
	}
	if err != nil || key == 0 {
		return 0, "", nil, err
	}
	g, err := q.server.store.Group(ctx, q.model.ID, key)
	if faces.ErrorCode(err) == faces.CodeMissing {
		return 0, "", nil, nil
	}
	for _, id := range g.IDs() {
		if slices.Contains(about, id) {
			rest = append(rest, id)
		}
	}
	return key, g.Version, rest, err
}

func sayOfGroup(ctx context.Context, key int64, version string, says reviewSays, chosen []int64) (reviewDone, error) {
	var part *[]int64
	if len(chosen) > 0 {
		part = &chosen
	}
	var change api.GroupChange
	var err error
	switch says.what {
	case "yes":
		change, err = says.api.NameGroup(ctx, key, version, api.GroupName{PersonID: &says.person, FaceIDs: part})
	case "name":
		change, err = says.api.NameGroup(ctx, key, version, api.GroupName{Name: &says.name, FaceIDs: part})
	case "ignore":
		change, err = says.api.IgnoreGroup(ctx, key, version, api.GroupPart{FaceIDs: part})
	default:
		change, err = says.api.DismissGroup(ctx, key, version, api.GroupPart{FaceIDs: part})
	}
	return reviewDone{
		undo: "g" + strconv.FormatInt(change.ID, 10), faces: change.Faces, pictures: change.ChangedImages.Count, person: change.Person,
	}, err
}

package frontend

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// reviewCrops is how many faces of a group are shown.
	reviewCrops = 12
	// maxSeen is how many faces of a group the form names. Of a larger group, the version
	// must be exactly that which the reviewer has seen.
	maxSeen = 500
	// suggestFor is how long a page waits for the suggestions of a recognizer.
	suggestFor = 1500 * time.Millisecond
)

// reviewView is the body of the page of the review. Place is "" if nothing is left.
type reviewView struct {
	Place     string
	Title     string
	Settles   string // how many faces in how many pictures an answer settles
	Left      string
	Choices   []reviewChoice
	Group     bool
	Crops     []reviewCrop
	More      string           // faces that are not shown; "" for none
	Suggested *reviewSuggested // nil: nobody
	Face      *faceView        // of a question about one face
	Path      string           // of its picture
	Context   string           // URL of its picture
	Box       *drawing         // of the face in its picture; nil if that is not known
	Images    string           // ids of the pictures, for the script
	Seen      string           // what the reviewer has seen, for the answer
	Action    string
	Next      string // address of the next question; the first one if there is none
	NextPlace string
	Skip      string
	Trail     reviewTrail
	Skipped   string // kept in the forms
	Waits     bool   // a group that was undone comes back in a moment
	Held      bool   // what is left is in front of other reviewers
	Anyway    string // address that shows it
	Further   string // address to look further from; "" at the end of the queue
	Changes   bool   // the reviewer may answer
	Elsewhere bool   // another reviewer looks at this question, too
	Notice    *reviewNotice
	Empty     reviewEmpty
}

type reviewChoice struct {
	Label, URL string
	Current    bool
}

// reviewCrop is one face of a question.
type reviewCrop struct {
	ID     int64
	Number int
	Crop   string
	URL    string // of its picture
}

// reviewSuggested is the person of a question that can be answered with yes.
type reviewSuggested struct {
	ID       int64
	Name     string
	URL      string
	Picture  string // URL of a known picture; "" if there is none
	Distance string
	Near     string
	Bar      *bar
}

// reviewEmpty says why there is no question.
type reviewEmpty struct{ Title, Text string }

// groupQuestion returns the view of a group; ok is false if there is no such group.
func (q *reviewQueue) groupQuestion(c *gin.Context, p reviewPlace) (v *reviewView, moved reviewPlace, ok bool, err error) {
	s := q.server
	g, err := s.store.Group(q.ctx, q.model.ID, p.id)
	if faces.ErrorCode(err) == faces.CodeMissing {
		key, err := s.store.GroupOf(q.ctx, q.model.ID, p.id)
		return nil, reviewPlace{kind: askGroup, order: p.order, id: key}, false, err
	}
	if err != nil {
		return nil, p, false, err
	}
	v = &reviewView{Group: true, Seen: g.Version}
	if len(g.Members) <= maxSeen {
		v.Seen += " " + joinIDs(g.IDs())
	}
	v.Settles = s.words("review.settles", s.counted("review.faces", len(g.Members)), s.counted("review.pictures", g.Images()))
	members, err := q.bestMembers(g)
	if err != nil {
		return nil, p, false, err
	}
	var images []int64
	for _, m := range g.Members[:min(len(g.Members), maxSeen)] {
		images = append(images, m.ImageID)
	}
	v.Images = joinIDs(images)
	for i, m := range members {
		id := strconv.FormatInt(m.FaceID, 10)
		v.Crops = append(v.Crops, reviewCrop{
			ID: m.FaceID, Number: i + 1, Crop: "/faces/" + id + "/crop", URL: "/images/" + strconv.FormatInt(m.ImageID, 10),
		})
	}
	if more := len(g.Members) - len(members); more > 0 {
		v.More = s.counted("review.more", more)
	}
	v.Suggested = q.suggestion(c, g.Key)
	return v, p, true, nil
}

// bestMembers returns the faces of a group to show.
func (q *reviewQueue) bestMembers(g store.FaceGroup) ([]store.GroupMember, error) {
	list, _, err := q.server.store.Groups(q.ctx, store.GroupFilter{
		Model: q.model.ID, After: store.GroupCursor{Faces: int64(len(g.Members)), Key: g.Key + 1}, Limit: 1, Samples: reviewCrops,
	})
	if err != nil {
		return nil, err
	}
	if len(list) == 1 && list[0].Key == g.Key {
		return list[0].Samples, nil
	}
	members := slices.DeleteFunc(slices.Clone(g.Members), func(m store.GroupMember) bool { return m.ImageID == 0 })
	return members[:min(len(members), reviewCrops)], nil
}

// suggestion asks the receiver whom a group may show. A page without an answer is a page
// without a suggestion.
func (q *reviewQueue) suggestion(c *gin.Context, key int64) *reviewSuggested {
	s := q.server
	to := s.reads(c)
	if to == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(q.ctx, suggestFor)
	defer cancel()
	found, err := to.SuggestPeople(ctx, key)
	if err != nil {
		s.log.DebugContext(c, "nobody is suggested for a group", "group", key, "error", err)
		return nil
	}
	if len(found.Suggestions) == 0 {
		return nil
	}
	best := found.Suggestions[0]
	who := faces.Person{ID: best.Person.ID, Name: best.Person.Name}
	return &reviewSuggested{
		ID: who.ID, Name: s.personName(who), URL: personLink(who), Picture: "/review/known/" + strconv.FormatInt(who.ID, 10),
		Distance: distance(best.Distance), Near: s.nearness(best.Distance, found.Threshold), Bar: s.newBar(best.Distance, found.Threshold, true),
	}
}

// faceQuestion returns the view of one face; ok is false if it is settled.
func (q *reviewQueue) faceQuestion(p reviewPlace) (v *reviewView, ok bool, err error) {
	s := q.server
	img, at, ok, err := q.face(p)
	if !ok || err != nil {
		return nil, false, err
	}
	said, err := q.saidOf(p)
	if err != nil {
		return nil, false, err
	}
	whole := s.viewImage(img, q.models)
	f := whole.Faces[at]
	v = &reviewView{
		Face: &f, Path: whole.Path, Seen: said, Images: strconv.FormatInt(img.ID, 10), Context: "/images/" + strconv.FormatInt(img.ID, 10),
		Settles: s.words("review.settles", s.counted("review.faces", 1), s.counted("review.pictures", 1)),
	}
	if whole.Drawing != nil && at < len(whole.Drawing.Faces) {
		box := *whole.Drawing
		box.Faces = box.Faces[at : at+1]
		v.Box = &box
	}
	if f.Crop != "" {
		v.Crops = []reviewCrop{{ID: f.ID, Number: 1, Crop: f.Crop, URL: v.Context}}
	}
	if best := f.Best; f.Suggested != nil && best != nil {
		v.Suggested = &reviewSuggested{ID: best.ID, Name: best.Name, URL: best.URL, Picture: best.Picture, Distance: best.Distance, Near: f.Near, Bar: f.Bar}
	}
	return v, true, nil
}

// saidOf returns what somebody has said about a face so far, as a mark for the form: an
// answer to a question that somebody else has answered meanwhile has another one.
func (q *reviewQueue) saidOf(p reviewPlace) (string, error) {
	list, err := q.server.store.ImageCorrections(q.ctx, p.image)
	if err != nil && faces.ErrorCode(err) != faces.CodeMissing {
		return "", err
	}
	last := int64(0)
	for _, c := range list {
		if c.FaceID == p.id && c.UndoneAt.IsZero() {
			last = c.ID
		}
	}
	return strconv.FormatInt(last, 10), nil
}

func joinIDs(ids []int64) string {
	list := make([]string, 0, len(ids))
	for _, id := range ids {
		list = append(list, strconv.FormatInt(id, 10))
	}
	return strings.Join(list, " ")
}

// splitIDs is the reverse of joinIDs. It leaves out what is no id.
func splitIDs(text string) (ids []int64) {
	for _, part := range strings.Fields(text) {
		if id, err := strconv.ParseInt(part, 10, 64); err == nil && id > 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// title asks the question.
func (s *Server) title(v *reviewView) string {
	if v.Suggested != nil {
		return s.words("review.is", isolated(v.Suggested.Name))
	}
	return s.words("review.who")
}

// left says how much there is to do. A count of more than a thousand groups is not exact.
func (q *reviewQueue) left() (string, error) {
	const most = 1000
	s := q.server
	n, err := s.store.CountGroups(q.ctx, q.model.ID, most+1)
	if err != nil {
		return "", err
	}
	groups := s.counted("review.left.groups", n)
	if n > most {
		groups = s.counted("review.left.many", most)
	}
	counts, err := s.counts.soon(q.ctx)
	if err != nil {
		return "", err
	}
	images := int64(0)
	for _, c := range counts {
		if c.Reason == faces.Uncertain {
			images += c.Images
		}
	}
	return s.words("review.left", groups, s.counted("review.left.uncertain", images)), nil
}

// choices are the kinds of questions to choose from.
func (q *reviewQueue) choices() []reviewChoice {
	s := q.server
	one := func(only, label string) reviewChoice {
		t := reviewTrail{Only: only, skipped: q.trail.skipped}
		return reviewChoice{Label: label, URL: t.URL(nil), Current: only == q.trail.Only}
	}
	return []reviewChoice{
		one("", s.words("review.all")), one(onlyGroups, s.words("review.groups")),
		one(onlyUncertain, s.words("review.uncertain")), one(onlySingle, s.words("review.single")),
	}
}

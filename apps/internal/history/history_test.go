package history_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

var (
	ada   = faces.Person{ID: 1, Name: "Ada"}
	bruno = faces.Person{ID: 2, Name: "Bruno"}
	model = faces.Model{ID: "m1", Threshold: 0.5, Margin: 0.125}
)

func TestSummarize(t *testing.T) {
	t.Parallel()
	unknown, isAda := history.Outcome{Reason: faces.UnknownPerson}, history.Outcome{Reason: faces.Identified, Person: &ada}
	many := make([]history.Movement, 7)
	for i := range many {
		many[i] = history.Movement{From: unknown, To: isAda, Images: 1}
	}
	for _, c := range []struct {
		name   string
		images int64
		list   []history.Movement
		want   string
	}{
		{"none", 0, nil, "no image changes"},
		{"one", 1, many[:1], "1 image changes: 1 unknown → Ada"},
		{
			"two ways", 12, []history.Movement{{From: unknown, To: isAda, Images: 9}, {From: isAda, To: unknown, Images: 3}},
			"12 images change: 9 unknown → Ada, 3 Ada → unknown",
		},
		{
			"more than a line holds", 7, many,
			"7 images change: 1 unknown → Ada, 1 unknown → Ada, 1 unknown → Ada, 1 unknown → Ada, 1 unknown → Ada, 2 others",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := history.Summarize(c.images, c.list); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// known returns people who are known by pictures, each "NAME/N.jpg", with the
// picture's name as its content.
func known(owners map[string]faces.Person, pictures ...string) *history.KnownPeople {
	set := faces.KnownSet{Gallery: "g", Model: model}
	for _, p := range pictures {
		set.Pictures = append(set.Pictures, faces.KnownPicture{Image: p, Content: p})
	}
	return history.NewKnownPeople(set, model, owners)
}

func TestPlan(t *testing.T) {
	t.Parallel()
	owners := map[string]faces.Person{"ada/1.jpg": ada, "ada/2.jpg": ada, "ada/3.jpg": ada, "bruno/1.jpg": bruno}
	before := known(owners, "ada/1.jpg", "ada/2.jpg", "bruno/1.jpg")
	reflected := history.Reflected{Basis: before.Basis, FaceMark: 7}
	dirty, otherRule := reflected, reflected
	dirty.Dirty = true
	otherRule.Threshold = 0.25
	moved := map[string]faces.Person{"ada/1.jpg": ada, "ada/2.jpg": bruno, "bruno/1.jpg": bruno}
	for _, c := range []struct {
		name           string
		state          history.Reflected
		now            *history.KnownPeople
		full           bool
		scope          history.Scope
		cause          history.Cause
		added, removed int
		empty          bool
	}{
		{name: "nothing", state: reflected, now: before, scope: history.ScopeTouched, cause: history.CauseKnown, empty: true},
		{
			name: "a picture was added", state: reflected, now: known(owners, "ada/1.jpg", "ada/2.jpg", "ada/3.jpg", "bruno/1.jpg"),
			scope: history.ScopeAdded, cause: history.CauseKnown, added: 1,
		},
		{
			name: "a picture was removed", state: reflected, now: known(owners, "ada/1.jpg", "bruno/1.jpg"),
			scope: history.ScopeTouched, cause: history.CauseKnown, removed: 1,
		},
		{
			name: "a picture is another person's", state: reflected, now: known(moved, "ada/1.jpg", "ada/2.jpg", "bruno/1.jpg"),
			scope: history.ScopeAdded, cause: history.CauseKnown, added: 1, removed: 1,
		},
		{
			name: "a picture of nobody was added", state: reflected, now: known(owners, "ada/1.jpg", "ada/2.jpg", "bruno/1.jpg", "nobody.jpg"),
			scope: history.ScopeTouched, cause: history.CauseKnown, empty: true,
		},
		{name: "most were removed", state: reflected, now: known(owners, "ada/1.jpg"), scope: history.ScopeFull, cause: history.CauseKnown, removed: 2},
		{name: "another rule", state: otherRule, now: before, scope: history.ScopeFull, cause: history.CauseModel},
		{name: "a job was cut off", state: dirty, now: before, scope: history.ScopeFull, cause: history.CauseKnown},
		{name: "somebody asks for all", state: reflected, now: before, full: true, scope: history.ScopeFull, cause: history.CauseKnown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := history.NewPlan(c.state, before.Pictures, c.now, c.full)
			if p.Scope != c.scope || p.Cause != c.cause || len(p.Added) != c.added || len(p.Removed) != c.removed || p.IsEmpty() != c.empty {
				t.Errorf("got %s because of %s, %d added, %d removed, empty %v; want %s because of %s, %d added, %d removed, empty %v",
					p.Scope, p.Cause, len(p.Added), len(p.Removed), p.IsEmpty(), c.scope, c.cause, c.added, c.removed, c.empty)
			}
		})
	}
}

// stored returns an image with a face for each list of candidates, as the rule
// decides them, and with ids from 1 on.
func stored(near ...[]faces.Candidate) history.StoredImage {
	img := history.StoredImage{ID: 9}
	var list []faces.Face
	for i, candidates := range near {
		f := faces.Face{ID: int64(i + 1), Box: faces.Box{X: 100 * i, Width: 50, Height: 50}, Model: model.ID}
		list = append(list, f.Judge(faces.Nearby{Candidates: candidates}, model, faces.Verdict{}))
	}
	faces.NameOnce(list)
	for _, f := range list {
		img.Faces = append(img.Faces, history.StoredFace{FaceAnswer: history.AnswerOf(f), ImageID: img.ID, Box: f.Box, Model: f.Model})
		img.Answer.Faces = append(img.Answer.Faces, history.AnswerOf(f))
	}
	reason, person := faces.Conclude(list, model)
	img.Answer.Reason, img.Answer.Person = reason, faces.NoPerson
	if person != nil {
		img.Answer.Person = person.ID
	}
	return img
}

func TestCorrect(t *testing.T) {
	t.Parallel()
	isAda := faces.Candidate{Person: ada, Distance: 0.25, Image: "ada/1.jpg"}
	farAda := faces.Candidate{Person: ada, Distance: 0.375, Image: "ada/1.jpg"}
	isBruno := faces.Candidate{Person: bruno, Distance: 0.4375, Image: "bruno/1.jpg"}
	first := faces.Box{Width: 50, Height: 50}
	models := map[string]faces.Model{model.ID: model}
	for _, c := range []struct {
		name        string
		img         history.StoredImage
		corrections []faces.Correction
		memories    []history.PastCorrection
		want        []string // of the faces
		person      int64
	}{
		{"nothing was said", stored([]faces.Candidate{isAda}), nil, nil, []string{"identified 1"}, 1},
		{
			"it is somebody else", stored([]faces.Candidate{isAda}), []faces.Correction{{ID: 1, Box: first, Person: bruno}}, nil,
			[]string{"identified 2"}, 2,
		},
		{
			"it is not her, and he is near", stored([]faces.Candidate{isAda, isBruno}),
			[]faces.Correction{{ID: 1, Box: first, Person: ada, Not: true}}, nil, []string{"identified 2"}, 2,
		},
		{
			"it is not her, and he was near when that was said before", stored([]faces.Candidate{isAda}),
			[]faces.Correction{{ID: 2, Box: first, Person: ada, Not: true, Model: model.ID}},
			[]history.PastCorrection{{
				Correction: faces.Correction{ID: 1, Box: first, Model: model.ID},
				Candidates: []history.StoredCandidate{{Person: 2, Distance: 0.4375, Image: "bruno/1.jpg"}},
			}},
			[]string{"identified 2"}, 2,
		},
		{
			"another face gets the name that this one gives up", stored([]faces.Candidate{isAda}, []faces.Candidate{farAda}),
			[]faces.Correction{{ID: 1, Box: first, Person: ada, Not: true}}, nil, []string{"unknown_person -1", "identified 1"}, 1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			change := history.Correct(c.img, c.corrections, c.memories, models)
			var got []string
			for _, f := range change.After.Faces {
				shown := "-1"
				if f.BestPerson != faces.NoPerson {
					shown = string(rune('0' + f.BestPerson))
				}
				got = append(got, string(f.Reason)+" "+shown)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("faces (-want +got):\n%s", diff)
			}
			if change.After.Person != c.person || change.ImageID != c.img.ID || !change.Before.Equal(c.img.Answer) {
				t.Errorf("person %d of image %d, want %d", change.After.Person, change.ImageID, c.person)
			}
		})
	}
}

// Whatever is said about a face that the far threshold named, with nobody else in
// the list, undoing it names the face again at once.
func TestCorrectUndoesTheFarThreshold(t *testing.T) {
	t.Parallel()
	m := model
	m.FarThreshold, m.FarMargin = m.Threshold+0.25, 0.125
	models := map[string]faces.Model{m.ID: m}
	isAda := faces.Candidate{Person: ada, Distance: m.Threshold + 0.125, Image: "ada/1.jpg"}
	box, other := faces.Box{Width: 50, Height: 50}, faces.Box{X: 100, Width: 50, Height: 50}
	image := func() history.StoredImage {
		list := []faces.Face{{ID: 1, Box: box, Model: m.ID}, {ID: 2, Box: other, Model: m.ID}}
		for i, nearby := range []faces.Nearby{
			{Candidates: []faces.Candidate{isAda}, Horizon: 2, People: 9},
			{Candidates: []faces.Candidate{{Person: ada, Distance: isAda.Distance + 0.0625, Image: "ada/2.jpg"}}, Horizon: 2, People: 9},
		} {
			list[i] = list[i].Judge(nearby, m, faces.Verdict{})
		}
		faces.NameOnce(list)
		img := history.StoredImage{ID: 9}
		for _, f := range list {
			img.Faces = append(img.Faces, history.StoredFace{FaceAnswer: history.AnswerOf(f), ImageID: 9, Box: f.Box, Model: m.ID})
		}
		return withAnswer(img, list, m)
	}
	before := image()
	if got := before.Faces[0].Reason; got != faces.Identified {
		t.Fatalf("the face is %s before", got)
	}
	for name, c := range map[string]faces.Correction{
		"ignore":       {ID: 1, Box: box, Model: m.ID, Kind: faces.SaysIgnore},
		"is another":   {ID: 1, Box: box, Model: m.ID, Person: bruno},
		"is she":       {ID: 1, Box: box, Model: m.ID, Person: ada},
		"is not she":   {ID: 1, Box: box, Model: m.ID, Person: ada, Not: true},
		"is not he":    {ID: 1, Box: box, Model: m.ID, Person: bruno, Not: true},
		"is the other": {ID: 1, Box: other, Model: m.ID, Person: ada},
	} {
		img := image()
		at := 0
		if c.Box == other {
			at = 1
		}
		past := []history.PastCorrection{{Correction: c, Candidates: img.Faces[at].Candidates()}}
		change := history.Correct(img, []faces.Correction{c}, past, models)
		img.Answer = change.After
		for i := range img.Faces {
			img.Faces[i].FaceAnswer = change.After.Faces[i]
		}
		if undone := history.Correct(img, nil, past, models); !undone.After.Equal(before.Answer) {
			t.Errorf("%s and undone: %+v, want %+v", name, undone.After, before.Answer)
		}
	}
}

// withAnswer returns the image with the answer that follows from its faces.
func withAnswer(img history.StoredImage, list []faces.Face, m faces.Model) history.StoredImage {
	reason, person := faces.Conclude(list, m)
	img.Answer.Reason, img.Answer.Person = reason, faces.NoPerson
	if person != nil {
		img.Answer.Person = person.ID
	}
	for _, f := range img.Faces {
		img.Answer.Faces = append(img.Answer.Faces, f.FaceAnswer)
	}
	return img
}

// A stored answer is read as it was written, also in the forms that release
// 0.1.0 needs.
func TestAnswerOfIsReversible(t *testing.T) {
	t.Parallel()
	near := &faces.Candidate{Person: ada, Distance: 0.25, Image: "ada/1.jpg", Parts: faces.Parts{0.25, 0, 1e-9}}
	next := &faces.Candidate{Person: bruno, Distance: 0.375, Image: "bruno/1.jpg"}
	names := func(id int64) string { return map[int64]string{1: "Ada", 2: "Bruno"}[id] }
	for _, c := range []struct {
		name string
		face faces.Face
	}{
		{"a stranger", faces.Face{ID: 3, Reason: faces.UnknownPerson}},
		{"identified", faces.Face{ID: 3, Reason: faces.Identified, Person: &ada, Best: near, Second: next, MatchedImage: near.Image}},
		{"uncertain with nobody else near", faces.Face{ID: 3, Reason: faces.Uncertain, Best: near, MatchedImage: near.Image}},
		{"confirmed and out of reach", faces.Face{ID: 3, Reason: faces.Identified, Person: &bruno, Corrected: true, Confirmed: true}},
		{"corrected", faces.Face{ID: 3, Reason: faces.UnknownPerson, Best: next, MatchedImage: next.Image, Corrected: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.face, history.AnswerOf(c.face).Face(names)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

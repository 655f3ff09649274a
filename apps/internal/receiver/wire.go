package receiver

// Conversions from the domain's types to those of the API. All of them are here.

import (
	"strconv"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// mapped converts a list. It never returns nil, so that JSON has [] and not null.
func mapped[T, W any](list []T, wire func(T) W) []W {
	out := make([]W, len(list))
	for i, v := range list {
		out[i] = wire(v)
	}
	return out
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func wirePerson(p faces.Person) api.Person { return api.Person{ID: p.ID, Name: p.Name} }

func wirePersonOrNull(p *faces.Person) *api.Person {
	if p == nil {
		return nil
	}
	w := wirePerson(*p)
	return &w
}

func wireProfile(p faces.Profile) api.PersonDetail {
	w := api.PersonDetail{ID: p.ID, Name: p.Name, Hidden: p.Hidden, KnownPictures: p.KnownPictures, Version: p.Version}
	if p.Cover != 0 {
		w.Cover = &p.Cover
	}
	return w
}

func wireMerge(m faces.Merge) api.Merge {
	return api.Merge{
		ID: m.ID, Person: wirePerson(m.Person), Merged: wirePerson(m.Merged), Images: m.Images, KnownPictures: m.KnownMoved,
		CreatedAt: m.CreatedAt.UTC(), UndoneAt: timeOrNull(m.UndoneAt),
	}
}

func wireKnownPicture(e faces.Enrolled) api.KnownPicture {
	source := api.KnownPictureSource(e.Source)
	if e.Source == faces.SourceFolder {
		source = api.SourceFolder
	}
	return api.KnownPicture{ID: e.ID, Path: e.Name, Source: source, SHA256: e.SHA256, AddedAt: timeOrNull(e.AddedAt)}
}

func wireRefusal(r faces.Refusal) api.Refusal {
	return api.Refusal{Reason: api.RefusalReason(r.Reason), Message: r.Message, Person: wirePersonOrNull(r.Person)}
}

func wireImage(img faces.Image) api.Image {
	w := api.Image{
		ID: img.ID, Path: img.Path, FileName: img.FileName, Status: api.Status(img.Status.String()), Reason: api.Reason(img.Reason),
		Detail: faces.Describe(img), Warning: img.Warning, Omitted: img.Omitted, Person: wirePersonOrNull(img.Person),
		Width: img.Width, Height: img.Height, Model: img.Model, Attempts: img.Attempts, DuplicateOf: img.DuplicateOf,
		CreatedAt: img.CreatedAt.UTC(), UpdatedAt: img.UpdatedAt.UTC(),
	}
	if f := img.File; !f.IsZero() {
		w.File = &api.File{Size: f.Size, Modified: time.Unix(0, f.Modified).UTC(), SHA256: f.SHA256}
	}
	if r := img.Rescan; r.State != faces.RescanNone {
		w.Rescan = &api.ImageRescan{State: api.ImageRescanState(r.State), Reason: api.Reason(r.Reason), Detail: r.Detail, Since: r.Since.UTC()}
	}
	return w
}

// wireFace converts a face, with the rule of its model set from models.
func wireFace(f faces.Face, models map[string]faces.Model) api.Face {
	m, known := models[f.Model]
	return api.Face{ID: f.ID, SeenFace: wireSeenFace(f, m, known)}
}

// wireSeenFace converts a face without its id. known says whether its model set m
// is known.
func wireSeenFace(f faces.Face, m faces.Model, known bool) api.SeenFace {
	w := api.SeenFace{
		Box: wireBox(f.Box), Reason: api.FaceReason(f.Reason), Explanation: f.Explain(m),
		Landmarks: mapped(f.Landmarks, func(p faces.Point) api.Point { return api.Point{X: p.X, Y: p.Y} }),
		Person:    wirePersonOrNull(f.Person), Corrected: f.Corrected, Drawn: f.Drawn, MatchedImage: f.MatchedImage,
		Best: wireCandidate(f.Best, m), Second: wireCandidate(f.Second, m),
		Model: f.Model, Gallery: f.Gallery, Quality: wireQuality(f.Quality, m.Floors),
	}
	if known {
		w.Rule = &api.Rule{Threshold: m.Threshold, Margin: m.Margin, FarThreshold: m.FarThreshold, FarMargin: m.FarMargin}
	}
	if f.Best != nil {
		w.Distance = &f.Best.Distance
	}
	return w
}

func wireFaces(found []faces.Face, models map[string]faces.Model) []api.Face {
	return mapped(found, func(f faces.Face) api.Face { return wireFace(f, models) })
}

func wireSeen(p seenPicture) api.SeenPicture {
	out := p.outcome
	summary := faces.Image{Status: out.Reason.Status(), Faces: out.Faces, Rule: p.model}
	return api.SeenPicture{
		Status: api.Status(summary.Status.String()), Reason: api.Reason(out.Reason), Person: wirePersonOrNull(out.Person),
		Detail: faces.Describe(summary), Warning: out.Warning, Omitted: out.Omitted, Width: out.Width, Height: out.Height, Model: out.Model,
		Faces: mapped(out.Faces, func(f faces.Face) api.SeenFace { return wireSeenFace(f, p.model, true) }),
	}
}

func wirePair(p faces.Pair) api.FacePair {
	return api.FacePair{A: p.A, B: p.B, Distance: p.Distance, Verdict: api.Verdict(p.Likeness)}
}

func wireBox(b faces.Box) api.Box { return api.Box{X: b.X, Y: b.Y, Width: b.Width, Height: b.Height} }

// wireQuality returns nil for a face whose quality was never measured.
func wireQuality(q faces.Quality, floors faces.Floors) *api.Quality {
	if q == (faces.Quality{}) {
		return nil
	}
	w := &api.Quality{
		Score: q.Score, Size: q.Size, Sharpness: q.Sharpness, Yaw: q.Yaw, Roll: q.Roll, Detection: q.Detection, CutOff: q.CutOff,
	}
	if s, failed := floors.Shortfall(q); failed {
		w.Floor = &api.QualityFloor{Measure: api.QualityMeasure(s.Measure), Value: s.Value, Limit: s.Limit}
	}
	return w
}

func wireCandidate(c *faces.Candidate, m faces.Model) *api.Candidate {
	if c == nil {
		return nil
	}
	w := &api.Candidate{Person: wirePerson(c.Person), Distance: c.Distance}
	names := m.NetworkNames()
	for i, d := range c.Parts.List() {
		name := strconv.Itoa(i + 1)
		if i < len(names) {
			name = names[i]
		}
		w.Parts = append(w.Parts, api.NetworkDistance{Network: name, Distance: float64(d)})
	}
	return w
}

func wireCorrection(c faces.Correction) api.Correction {
	w := api.Correction{
		ID: c.ID, ImageID: c.ImageID, Box: wireBox(c.Box), Says: wireSays(c), CreatedAt: c.CreatedAt.UTC(), UndoneAt: timeOrNull(c.UndoneAt),
	}
	if c.Kind == faces.AboutPerson {
		w.Person = wirePersonOrNull(&c.Person)
	}
	return w
}

func wireSays(c faces.Correction) api.Says {
	switch {
	case c.Kind != faces.AboutPerson:
		return api.Says(c.Kind)
	case c.Not:
		return api.SaysIsNot
	default:
		return api.SaysIs
	}
}

func wirePlacedCorrection(p store.PlacedCorrection) api.ImageCorrection {
	w := api.ImageCorrection{Correction: wireCorrection(p.Correction)}
	if p.FaceID != 0 {
		w.FaceID = &p.FaceID
	}
	return w
}

func wireCorrected(done store.Corrected, models map[string]faces.Model) api.CorrectedFace {
	w := api.CorrectedFace{
		Correction: wireCorrection(done.Correction), Image: wireImage(done.Image), Version: done.Image.Version, ChangedImages: api.ChangedImages{IDs: []int64{}},
	}
	if done.Changed {
		w.ChangedImages = api.ChangedImages{Count: 1, IDs: []int64{done.Image.ID}}
	}
	for _, f := range done.Image.Faces {
		if f.ID == done.FaceID {
			face := wireFace(f, models)
			w.Face = &face
		}
	}
	return w
}

func wireOutcome(v history.Outcome) api.Outcome {
	return api.Outcome{Status: api.Status(v.Reason.Status().String()), Reason: api.Reason(v.Reason), Person: wirePersonOrNull(v.Person)}
}

func wireRematch(r history.Job) api.Rematch {
	return api.Rematch{
		ID: r.ID, State: api.RematchState(r.State), Cause: api.JobCause(r.Cause), Scope: api.RematchScope(r.Scope),
		Apply: r.Apply, Full: r.Full, Detail: r.Detail, Model: r.Model, Gallery: r.Gallery,
		Threshold: r.Basis.Threshold, Margin: r.Basis.Margin,
		PicturesAdded: r.Added, PicturesRemoved: r.Removed, Faces: r.Faces, Images: r.Images, Skipped: r.Skipped,
		CreatedAt: r.Created.UTC(), StartedAt: timeOrNull(r.Started), FinishedAt: timeOrNull(r.Finished),
	}
}

func wireMovement(m history.Movement) api.Movement {
	return api.Movement{From: wireOutcome(m.From), To: wireOutcome(m.To), Images: m.Images}
}

func wireImageChange(c history.ImageChange) api.ImageChange {
	return api.ImageChange{
		ImageID: c.ImageID, Path: c.Path, State: api.ImageChangeState(c.State), From: wireOutcome(c.From), To: wireOutcome(c.To),
	}
}

func wireRescan(r history.Rescan) api.Rescan {
	return api.Rescan{
		ID: r.ID, State: api.RescanState(r.State), Cause: api.JobCause(r.Cause), Model: r.Model, Full: r.Full, Detail: r.Detail,
		Total: r.Total, Done: r.Done, Changed: r.Changed, Failed: r.Failed,
		PeopleFound: r.PeopleFound, PeopleLost: r.PeopleLost, FacesFound: r.FacesFound, FacesLost: r.FacesLost,
		CorrectionsUnplaced: r.Unplaced,
		CreatedAt:           r.Created.UTC(), StartedAt: timeOrNull(r.Started), FinishedAt: timeOrNull(r.Finished),
	}
}

func wireRescanResult(r history.RescanResult) api.RescanResult {
	return api.RescanResult{
		ImageID: r.ImageID, Path: r.Path, State: api.RescanResultState(r.State), From: wireOutcome(r.From), To: wireOutcome(r.To),
		FacesBefore: r.FacesBefore, FacesAfter: r.FacesAfter,
		PeopleFound: mapped(r.Found, wirePerson), PeopleLost: mapped(r.Lost, wirePerson),
		CorrectionsUnplaced: r.Unplaced, Detail: r.Detail,
	}
}

// postedImages is api.PostedImages for entries that encoding/json writes at once. What
// their own marshaler returns, it would read again: a bulk post has thousands.
type postedImages struct {
	Images []any `json:"images"`
}

func wirePosted(entries []api.PostedEntry) postedImages {
	w := postedImages{Images: make([]any, len(entries))}
	for i := range entries {
		if e := &entries[i]; e.Error != nil {
			w.Images[i] = api.RefusedPath{Path: e.Path, Error: *e.Error}
		} else {
			w.Images[i] = &e.PostedImage
		}
	}
	return w
}

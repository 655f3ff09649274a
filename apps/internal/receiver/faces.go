package receiver

import (
	"strconv"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

type candidateJSON struct {
	Person   personJSON `json:"person"`
	Distance float64    `json:"distance"`
	Parts    []partJSON `json:"parts,omitempty"` // absent where they are not known
}

// partJSON is the distance by one network of the model set, in its own units.
type partJSON struct {
	Network  string  `json:"network"`
	Distance float64 `json:"distance"`
}

type faceJSON struct {
	ID           int64          `json:"id"`
	Box          faces.Box      `json:"box"`
	Landmarks    []faces.Point  `json:"landmarks"`
	Reason       faces.Reason   `json:"reason"`
	Explanation  string         `json:"explanation"` // the reason in plain words
	Person       *personJSON    `json:"person"`
	Corrected    bool           `json:"corrected"`
	Distance     *float64       `json:"distance"`
	MatchedImage string         `json:"matched_image"`
	Best         *candidateJSON `json:"best"`
	Second       *candidateJSON `json:"second"`
	Model        string         `json:"model"`
	Rule         *ruleJSON      `json:"rule"` // null where the model set is not known
	Gallery      string         `json:"gallery,omitempty"`
	Quality      *qualityJSON   `json:"quality"`
}

// ruleJSON is the rule of the face's model set: see faces.Model.
type ruleJSON struct {
	Threshold    float64 `json:"threshold"`
	Margin       float64 `json:"margin"`
	FarThreshold float64 `json:"far_threshold"`
	FarMargin    float64 `json:"far_margin"`
}

// qualityJSON is null for a face whose quality was never measured.
type qualityJSON struct {
	Score     float64 `json:"score"`
	Size      int     `json:"size"`
	Sharpness float64 `json:"sharpness"`
	Yaw       float64 `json:"yaw"`
	Roll      float64 `json:"roll"`
	Detection float64 `json:"detection"`
	CutOff    float64 `json:"cut_off"`
	// Floor is the first floor of the model set that the face fails; null where
	// it fails none.
	Floor *floorJSON `json:"floor"`
}

// floorJSON is a measure that fails its floor. The limit is the most that is
// allowed for cut_off and yaw, else the least.
type floorJSON struct {
	Measure string  `json:"measure"` // size, cut_off, yaw, sharpness or detection
	Value   float64 `json:"value"`
	Limit   float64 `json:"limit"`
}

// toFace shows a face by the rule of its model set, which is one of models.
func toFace(f faces.Face, models map[string]faces.Model) faceJSON {
	m, known := models[f.Model]
	j := faceJSON{
		ID: f.ID, Box: f.Box, Landmarks: f.Landmarks, Reason: f.Reason, Explanation: f.Explain(m),
		Person: toPerson(f.Person), Corrected: f.Corrected, MatchedImage: f.MatchedImage,
		Best: toCandidate(f.Best, m), Second: toCandidate(f.Second, m),
		Model: f.Model, Gallery: f.Gallery, Quality: toQuality(f.Quality, m.Floors),
	}
	if known {
		j.Rule = &ruleJSON{Threshold: m.Threshold, Margin: m.Margin, FarThreshold: m.FarThreshold, FarMargin: m.FarMargin}
	}
	if j.Landmarks == nil {
		j.Landmarks = []faces.Point{} // a list, also where it is empty
	}
	if f.Best != nil {
		j.Distance = &f.Best.Distance
	}
	return j
}

func toQuality(q faces.Quality, floors faces.Floors) *qualityJSON {
	if q == (faces.Quality{}) {
		return nil
	}
	j := &qualityJSON{
		Score: q.Score, Size: q.Size, Sharpness: q.Sharpness, Yaw: q.Yaw, Roll: q.Roll, Detection: q.Detection, CutOff: q.CutOff,
	}
	if s, failed := floors.Shortfall(q); failed {
		j.Floor = &floorJSON{Measure: s.Measure, Value: s.Value, Limit: s.Limit}
	}
	return j
}

func toCandidate(c *faces.Candidate, m faces.Model) *candidateJSON {
	if c == nil {
		return nil
	}
	j := &candidateJSON{Person: *toPerson(&c.Person), Distance: c.Distance}
	names := m.NetworkNames()
	for i, d := range c.Parts.List() {
		name := strconv.Itoa(i + 1)
		if i < len(names) {
			name = names[i]
		}
		j.Parts = append(j.Parts, partJSON{Network: name, Distance: float64(d)})
	}
	return j
}

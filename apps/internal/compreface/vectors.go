package compreface

import (
	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// maxVectors is how many vectors one request may have.
const maxVectors = 1000

// vectors is the body of a request about vectors that the plugin calculator gave.
type vectors struct {
	Embeddings []faces.Descriptor `json:"embeddings"`
}

// recognizedVector is a vector with the people near it.
type recognizedVector struct {
	Embedding    faces.Descriptor `json:"embedding"`
	Similarities []subject        `json:"similarities"`
}

// comparedVector is a vector with its similarity to another one.
type comparedVector struct {
	Embedding  faces.Descriptor `json:"embedding"`
	Similarity float64          `json:"similarity"`
}

// list is the answer of all calls about vectors.
type list[T any] struct {
	Result []T `json:"result"`
}

// recognizeVectors answers whose vectors these are.
func (h *Handlers) recognizeVectors(c *gin.Context) error {
	ctx := c.Request.Context()
	most, err := queryOf(c.Request.URL.RawQuery).number("prediction_count", 1, 1)
	if err != nil {
		return err
	}
	asked, m, err := h.readVectors(c)
	if err != nil {
		return err
	}
	q := faces.MatchQuery{Model: m.ID, Limit: faces.NeighbourLimit{Count: faces.MaxNeighbours}}
	for _, v := range asked {
		q.Descriptors = append(q.Descriptors, v.Bytes())
	}
	near, err := h.pictures.Match(ctx, q)
	if err != nil {
		return err
	}
	body := list[recognizedVector]{Result: make([]recognizedVector, len(asked))}
	for i, v := range asked {
		// Each vector may be of a picture of its own.
		alone := faces.Recognition{Model: m, Sightings: []faces.Sighting{{Descriptor: v, Neighbours: near[i], Horizon: q.Limit.Horizon(near[i])}}}
		people, err := h.subjects(ctx, alone, most)
		if err != nil {
			return err
		}
		body.Result[i] = recognizedVector{Embedding: v, Similarities: people[0]}
	}
	return ok(c, body)
}

// readVectors reads vectors of the model set in use.
func (h *Handlers) readVectors(c *gin.Context) ([]faces.Descriptor, faces.Model, error) {
	var body vectors
	if err := readObject(c, &body); err != nil {
		return nil, faces.Model{}, err
	}
	m, err := h.pictures.Rule(c.Request.Context())
	if err != nil {
		return nil, m, err
	}
	if len(body.Embeddings) == 0 {
		return nil, m, problemf(codeInvalid, "embeddings must be a list of at least one vector")
	}
	return body.Embeddings, m, checkVectors(m, body.Embeddings...)
}

// checkVectors returns an error if vectors cannot be of a model set.
func checkVectors(m faces.Model, list ...faces.Descriptor) error {
	if len(list) > maxVectors {
		return problemf(codeInvalid, "there are %d vectors; send at most %d at a time", len(list), maxVectors)
	}
	for i, v := range list {
		if len(v) != m.Size {
			return problemf(codeInvalid, "vector %d has %d numbers; those of the model set %s have %d", i, len(v), m.ID, m.Size)
		}
	}
	return nil
}

// verifyVectorsOfFace compares vectors with the face of a known picture.
func (h *Handlers) verifyVectorsOfFace(c *gin.Context) error {
	known, err := h.knownPicture(c)
	if err != nil {
		return err
	}
	asked, m, err := h.readVectors(c)
	if err != nil {
		return err
	}
	face, _, err := h.faceOf(c.Request.Context(), known)
	if err != nil {
		return err
	}
	return ok(c, compareVectors(face.Descriptor, asked, m))
}

// verifyVectors compares a vector with others.
func (h *Handlers) verifyVectors(c *gin.Context) error {
	var body struct {
		Source  faces.Descriptor   `json:"source"`
		Targets []faces.Descriptor `json:"targets"`
	}
	if err := readObject(c, &body); err != nil {
		return err
	}
	m, err := h.pictures.Rule(c.Request.Context())
	if err != nil {
		return err
	}
	if len(body.Targets) == 0 {
		return problemf(codeInvalid, "targets must be a list of at least one vector")
	}
	if err := checkVectors(m, append([]faces.Descriptor{body.Source}, body.Targets...)...); err != nil {
		return err
	}
	return ok(c, compareVectors(body.Source, body.Targets, m))
}

func compareVectors(source faces.Descriptor, targets []faces.Descriptor, m faces.Model) list[comparedVector] {
	body := list[comparedVector]{Result: make([]comparedVector, len(targets))}
	for i, v := range targets {
		body.Result[i] = comparedVector{Embedding: v, Similarity: scaleOf(m).of(source.Distance(v))}
	}
	return body
}

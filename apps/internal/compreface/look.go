package compreface

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// box is where a face is, in pixels of the upright picture.
type box struct {
	Probability float64 `json:"probability"`
	XMax        int     `json:"x_max"`
	YMax        int     `json:"y_max"`
	XMin        int     `json:"x_min"`
	YMin        int     `json:"y_min"`
}

// found is a face of a picture. Fields that nobody asked for are left out.
type found struct {
	Box           box                `json:"box"`
	Embedding     faces.Descriptor   `json:"embedding,omitempty"`
	Landmarks     [][2]int           `json:"landmarks,omitempty"`
	ExecutionTime map[string]float64 `json:"execution_time,omitempty"`
}

// sight is a picture that a recognizer looked at, as far as the question goes.
type sight struct {
	question
	rec  faces.Recognition // its faces are the largest first
	took time.Duration
}

// look has a recognizer look at a picture. A picture without a face is an error.
func (h *Handlers) look(ctx context.Context, content []byte, q question) (sight, error) {
	begin := time.Now()
	rec, err := h.pictures.Recognize(ctx, content)
	if err != nil {
		return sight{}, err
	}
	rec.Sightings = slices.DeleteFunc(slices.Clone(rec.Sightings), func(s faces.Sighting) bool { return isBelow(s, q.detection) })
	if len(rec.Sightings) == 0 {
		return sight{}, errNoFace()
	}
	slices.SortStableFunc(rec.Sightings, func(a, b faces.Sighting) int {
		return cmp.Compare(b.Box.Width*b.Box.Height, a.Box.Width*a.Box.Height)
	})
	return sight{question: q, rec: rec, took: time.Since(begin)}, nil
}

// isBelow reports whether a face's score is below a client's threshold. A detector
// without scores gives none.
func isBelow(s faces.Sighting, threshold float64) bool {
	return s.Quality.Detection != 0 && s.Quality.Detection < threshold
}

// shown returns how many faces the client wants.
func (s sight) shown() int {
	if s.limit == 0 {
		return len(s.rec.Sightings)
	}
	return min(s.limit, len(s.rec.Sightings))
}

// found returns face i in CompreFace's words.
func (s sight) found(i int) found {
	f := s.rec.Sightings[i]
	w := found{Box: s.box(f)}
	if s.embedding {
		w.Embedding = f.Descriptor
	}
	if s.landmarks {
		for _, p := range f.Landmarks {
			w.Landmarks = append(w.Landmarks, [2]int{p.X, p.Y})
		}
	}
	if s.status {
		w.ExecutionTime = map[string]float64{"detector": math.Round(float64(s.took.Microseconds())) / 1000}
	}
	return w
}

// box returns a face's box within the picture: programs cut the face out by it.
func (s sight) box(f faces.Sighting) box {
	p := f.Quality.Detection
	if p == 0 {
		p = 1
	}
	within := func(v, size int) int {
		if size > 0 {
			v = min(v, size)
		}
		return max(v, 0)
	}
	return box{
		Probability: round(p),
		XMin:        within(f.Box.X, s.rec.Width), XMax: within(f.Box.X+f.Box.Width, s.rec.Width),
		YMin: within(f.Box.Y, s.rec.Height), YMax: within(f.Box.Y+f.Box.Height, s.rec.Height),
	}
}

// versions returns what looked at the picture, if the client wants to know.
func (s sight) versions() map[string]string {
	if !s.status {
		return nil
	}
	return map[string]string{"detector": "rollcall", "calculator": s.rec.Model.ID}
}

// detection is the answer of detect.
type detection struct {
	Result   []found           `json:"result"`
	Versions map[string]string `json:"plugins_versions,omitempty"`
}

// detect answers where faces are in a picture.
func (h *Handlers) detect(c *gin.Context) error {
	s, err := h.lookAt(c)
	if err != nil {
		return err
	}
	body := detection{Result: make([]found, s.shown()), Versions: s.versions()}
	for i := range body.Result {
		body.Result[i] = s.found(i)
	}
	return ok(c, body)
}

// lookAt looks at the one picture of a request.
func (h *Handlers) lookAt(c *gin.Context) (sight, error) {
	r, err := h.read(c, "file")
	if err != nil {
		return sight{}, err
	}
	q, err := r.question()
	if err != nil {
		return sight{}, err
	}
	content, err := r.picture("file")
	if err != nil {
		return sight{}, err
	}
	return h.look(c.Request.Context(), content, q)
}

func ok(c *gin.Context, body any) error {
	c.JSON(http.StatusOK, body)
	return nil
}

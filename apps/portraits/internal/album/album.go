package album

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
	"github.com/rollcall-faces/rollcall/apps/portraits/internal/portrait"
)

const (
	jpegQuality  = 88
	expectedFile = "expected.json"
)

// expectation is an entry of expected.json. It repeats samples.Expectation,
// because that package embeds the files made here.
type expectation struct {
	People []string `json:"people"`
	Faces  int      `json:"faces"`
	Reason string   `json:"reason"`
}

// Write draws every picture below dir and writes expected.json. It replaces
// files of the same name and leaves other files alone.
func Write(ctx context.Context, dir string, seed uint64) error {
	shots, cast := Shots(), Cast()
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, s := range shots {
		work.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			picture, err := s.Render(cast, seed)
			if err != nil {
				return err
			}
			return writeFile(dir, s.File, picture)
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	list, err := json.MarshalIndent(expectations(shots), "", "\t")
	if err != nil {
		return fmt.Errorf("list the pictures: %w", err)
	}
	return writeFile(dir, expectedFile, append(list, '\n'))
}

func writeFile(dir, name string, data []byte) error {
	f := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
		return fmt.Errorf("create the folder of a picture: %w", err)
	}
	if err := os.WriteFile(f, data, 0o644); err != nil {
		return fmt.Errorf("write a picture: %w", err)
	}
	return nil
}

// expectations returns the expectation of each file in unknown/.
func expectations(shots []Shot) map[string]expectation {
	known := map[string]bool{}
	for _, s := range shots {
		if name, ok := strings.CutPrefix(path.Dir(s.File), "known/"); ok {
			known[name] = true
		}
	}
	out := map[string]expectation{}
	for _, s := range shots {
		if path.Dir(s.File) == "unknown" {
			out[path.Base(s.File)] = expect(s, known)
		}
	}
	return out
}

func expect(s Shot, known map[string]bool) expectation {
	e := expectation{People: []string{}, Faces: len(s.Sitters)}
	for _, sitter := range s.Sitters {
		if known[sitter.Name] {
			e.People = append(e.People, sitter.Name)
		}
	}
	slices.Sort(e.People)
	switch {
	case e.Faces == 0:
		e.Reason = "no_face"
	case len(e.People) == 0:
		e.Reason = "unknown_person"
	default:
		e.Reason = "identified"
	}
	return e
}

// Render returns the picture as a JPEG. The same seed gives the same bytes.
func (s Shot) Render(cast map[string]portrait.Person, seed uint64) ([]byte, error) {
	c := canvas.New(s.Width, s.Height)
	h := fnv.New64a()
	h.Write([]byte(s.File)) // so that the strands of hair differ between pictures
	seed ^= h.Sum64()
	if len(s.Sitters) == 0 {
		landscape(c, s.Width, s.Height, seed)
	} else {
		s.wall(c)
	}
	for i, sitter := range s.Sitters {
		p, ok := cast[sitter.Name]
		if !ok {
			return nil, fmt.Errorf("%s: unknown person %q; add it to Cast", s.File, sitter.Name)
		}
		portrait.Draw(c, p, s.setting(sitter, seed+uint64(i)))
	}
	var out bytes.Buffer
	if err := c.EncodeJPEG(&out, jpegQuality); err != nil {
		return nil, fmt.Errorf("%s: %w", s.File, err)
	}
	return out.Bytes(), nil
}

func (s Shot) setting(who Sitter, seed uint64) portrait.Setting {
	return portrait.Setting{
		Eyes: canvas.Point{X: who.X * float64(s.Width), Y: who.Y * float64(s.Height)},
		Unit: who.Unit, Tilt: who.Tilt * math.Pi / 180, Turn: who.Turn, Smile: who.Smile,
		Light: s.Light, Clothes: canvas.Hex(who.Clothes), Seed: seed,
	}
}

// wall paints the background. It is brightest where the light falls on it.
func (s Shot) wall(c *canvas.Canvas) {
	above, below := canvas.Hex(s.Wall[0]), canvas.Hex(s.Wall[1])
	c.PaintAll(func(p canvas.Point) (canvas.Colour, float64) {
		x, y := p.X/float64(s.Width), p.Y/float64(s.Height)
		dx, dy := x-0.5-0.3*s.Light.From.X, y-0.3
		glow := math.Exp(-3 * (dx*dx + dy*dy))
		return above.Mix(below, min(max(y+0.25-0.45*glow, 0), 1)), 1
	})
}

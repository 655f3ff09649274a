package album_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/portraits/internal/album"
	"github.com/rollcall-faces/rollcall/apps/portraits/internal/portrait"
)

func TestRenderFollowsTheSeedAlone(t *testing.T) {
	t.Parallel()
	for name, shot := range map[string]album.Shot{
		"a person":    small(album.Shots()[0]),
		"a landscape": small(landscape(t)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, again, other := render(t, shot, 7), render(t, shot, 7), render(t, shot, 8)
			if !bytes.Equal(first, again) {
				t.Error("the same seed gave other bytes")
			}
			if bytes.Equal(first, other) {
				t.Error("another seed gave the same bytes")
			}
		})
	}
}

func TestRenderRefusesAStrangerToTheCast(t *testing.T) {
	t.Parallel()
	if _, err := album.Shots()[0].Render(map[string]portrait.Person{}, 1); err == nil {
		t.Error("got no error for a sitter whom the cast does not have")
	}
}

func TestEverySitterIsCast(t *testing.T) {
	t.Parallel()
	cast := album.Cast()
	seen := map[string]bool{}
	for _, shot := range album.Shots() {
		for _, sitter := range shot.Sitters {
			seen[sitter.Name] = true
			if _, ok := cast[sitter.Name]; !ok {
				t.Errorf("%s: nobody is called %q", shot.File, sitter.Name)
			}
		}
	}
	for name := range cast {
		if !seen[name] {
			t.Errorf("%s is in no picture", name)
		}
	}
}

// small returns a picture at a third of its size, which is quicker to draw.
func small(s album.Shot) album.Shot {
	s.Width, s.Height = s.Width/3, s.Height/3
	s.Sitters = slices.Clone(s.Sitters)
	for i := range s.Sitters {
		s.Sitters[i].Unit /= 3
	}
	return s
}

func landscape(t *testing.T) album.Shot {
	t.Helper()
	for _, shot := range album.Shots() {
		if len(shot.Sitters) == 0 {
			return shot
		}
	}
	t.Fatal("no picture is without people")
	return album.Shot{}
}

func render(t *testing.T, shot album.Shot, seed uint64) []byte {
	t.Helper()
	raw, err := shot.Render(album.Cast(), seed)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

package smallsystem_test

import (
	"fmt"
	"image/color"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/smallsystem"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
)

// Pictures of strangers get into a group. When the group has a name, another picture follows.
func TestGroupsAndFollowers(t *testing.T) {
	t.Parallel()
	s, err := smallsystem.Start(t.Context(), t.TempDir(), smallsystem.WithGroups())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c := client.New(s.URL)
	post := func(name string, people ...color.RGBA) int64 {
		t.Helper()
		if err := s.Draw(name, people...); err != nil {
			t.Fatal(err)
		}
		img, err := c.PostImage(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return img.ID
	}
	carla := color.RGBA{R: 30, G: 60, B: 120, A: 255}
	for n := range 3 {
		post(fmt.Sprintf("carla%d.png", n), smallsystem.Shade(carla, n/2), smallsystem.Ada)
	}
	near := post("near.png", color.RGBA{R: 75, G: 60, B: 120, A: 255}) // too far for the group
	var list []smallsystem.Group
	wait.Until(t, "the group of three", func() bool {
		list, err = s.Groups(t.Context())
		return err == nil && len(list) == 1 && list[0].Faces == 3
	})
	name := "Carla"
	done, err := c.NameGroup(t.Context(), list[0].Key, list[0].Version, api.GroupName{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	if done.Faces != 3 || len(done.Enrolled) == 0 {
		t.Errorf("got %+v, want three faces and known pictures", done)
	}
	wait.Until(t, "the other picture follows", func() bool {
		img, err := c.GetImage(t.Context(), near)
		return err == nil && len(img.Faces) == 1 && img.Faces[0].Person != nil && img.Faces[0].Person.Name == name
	})
}

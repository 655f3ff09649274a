package frontend_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
)

func TestImageSentences(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna", "Bela", "דנה")
	working := a.post(root + "/working.jpg")[0]
	a.claim(working)
	h := serve(t, a)
	for _, tc := range []struct {
		id   int64
		want string
	}{
		{working, "This picture is being processed."},
		{a.post(root + "/wait.jpg")[0], "This picture is waiting in the queue."},
		{a.answer(root+"/1.jpg", sight(0, "Anna", 0.2)), "Anna is in this picture."},
		{a.answer(root+"/2.jpg", sight(0, "Bela", 0.3), sight(200, "Anna", 0.2)),
			"Anna and Bela are in this picture."},
		{a.answer(root+"/3.jpg", sight(0), sight(200, "Anna", 0.2)),
			"Anna is in this picture; 1 other face is unknown."},
		{a.answer(root+"/4.jpg", sight(0), sight(200, "Anna", 0.2), sight(400)),
			"Anna is in this picture; 2 other faces are unknown."},
		{a.answer(root+"/5.jpg", sight(0, "Anna", 0.3), sight(200, "Anna", 0.2)),
			"Anna is in this picture; one more face looks like Anna."},
		{a.answer(root+"/6.jpg", sight(0)), "There is 1 face in this picture, and it is nobody known."},
		{a.answer(root+"/7.jpg", sight(0), sight(200, "Anna", 0.8)),
			"There are 2 faces in this picture, and none of them is known."},
		{a.answer(root+"/8.jpg", sight(0, "Anna", 0.30, "Bela", 0.32)),
			"One face could be Anna or Bela, too close to call."},
		{a.answer(root+"/9.jpg", sight(0, "Anna", 0.30, "Bela", 0.32), sight(200), sight(400, "Bela", 0.1)),
			"Bela is in this picture; one face could be Anna or Bela, too close to call; 1 other face is unknown."},
		{a.answer(root + "/10.jpg"), "There is no face in this picture."},
		{a.answer(root+"/11.jpg", sight(0, "דנה", 0.2)), "\u2068דנה\u2069 is in this picture."},
		{a.fail(root+"/12.jpg", faces.NotFound, "gone"), "There is no file at this path."},
		{a.fail(root+"/13.jpg", faces.CorruptImage, "torn"), "The file is damaged: it cannot be decoded."},
		{a.fail(root+"/14.jpg", faces.UnsupportedFormat, "PDF"), "The file is not in a format that Rollcall reads."},
		{a.fail(root+"/15.jpg", faces.ImageTooLarge, "big"),
			"The picture is larger than the configured limit."},
		{a.fail(root+"/16.jpg", faces.PathNotAllowed, "link"), "The path leaves the folder of pictures."},
		{a.fail(root+"/17.jpg", faces.RecognizerUnavailable, "away"), "The recognizer could not be reached."},
		{a.fail(root+"/18.jpg", faces.Timeout, "slow"), "The recognizer did not answer in time."},
		{a.fail(root+"/19.jpg", faces.Internal, "oops"), "An error in Rollcall prevented an answer."},
	} {
		t.Run(tc.want, func(t *testing.T) {
			t.Parallel()
			page := get(t, h, fmt.Sprintf("/images/%d", tc.id))
			if got := page.words("h1"); page.Code != http.StatusOK || got != tc.want {
				t.Errorf("got code %d and %q, want %q", page.Code, got, tc.want)
			}
		})
	}
}

func TestImageFaces(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna", "Bela")
	a.check(a.UseModel(t.Context(), model))
	a.answer(root+"/group.jpg", sight(10, "Anna", 0.3, "Bela", 0.45), sight(300, "Bela", 0.75), sight(600),
		sight(450, "Anna", 0.5, "Bela", 0.52))
	page := get(t, serve(t, a), "/images/1")
	want := []string{
		"Face 1 Anna Identified Distance 0.300 very near threshold 0.600 distance 0.300, within the threshold of 0.600." +
			" Next nearest: Bela at 0.450, 0.150 farther (must be 0.050) Details Nearest Anna Known picture Anna.jpg Position 120 × 130 at (10, 100)",
		"Face 2 Unknown Unknown person Distance 0.750 far threshold 0.600" +
			" the nearest known person is at distance 0.750, beyond the threshold of 0.600. Details Nearest Bela Known picture Bela.jpg Position 120 × 130 at (300, 100)",
		"Face 3 Unknown Unknown person there is no known person near this face. Details Position 120 × 130 at (600, 100)",
		"Face 4 Anna or Bela? Uncertain Distance 0.500 near threshold 0.600" +
			" too close to call: the second person is only 0.020 farther, at least 0.050 is needed. Next nearest: Bela at 0.520, 0.020 farther (must be 0.050)" +
			" Details Nearest Anna Known picture Anna.jpg Position 120 × 130 at (450, 100)",
	}
	if diff := cmp.Diff(want, page.each(".face")); diff != "" {
		t.Errorf("faces (-want +got):\n%s", diff)
	}
	bars := page.Find("svg.bar")
	if got, want := bars.First().AttrOr("aria-label", ""), "distance 0.300, threshold 0.600"; got != want {
		t.Errorf("got bar %q, want %q", got, want)
	}
	if got := bars.First().Find(".fill").AttrOr("width", ""); got != "50" { // a quarter of 200: the bar ends at twice the threshold
		t.Errorf("got a bar of width %s, want 50", got)
	}
	if got := page.Find("svg.bar.beyond").Length(); got != 1 {
		t.Errorf("got %d bars beyond the threshold, want 1", got)
	}
	if got := page.Find("#face-1 h3 a").AttrOr("href", ""); got != "/?person=Anna" {
		t.Errorf("got link %q", got)
	}
}

// A corrected face differs from a recognized one, and the quality of a face is
// shown.
func TestImageFaceQualityAndCorrections(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna", "Bela")
	left, middle, right := sight(10, "Anna", 0.3), sight(300, "Anna", 0.35), sight(600, "Anna", 0.4)
	left.Quality = faces.Quality{Score: 0.614, Size: 120, Sharpness: 0.8, Yaw: -12.4, Roll: 3.6}
	id := a.answer(root+"/group.jpg", left, middle, right)
	img, err := a.Image(t.Context(), id)
	a.check(err)
	for i, say := range []faces.Statement{{FaceID: img.Faces[0].ID, Name: "Bela"}, {FaceID: img.Faces[1].ID, Name: "Anna", Not: true},
		{FaceID: img.Faces[2].ID, Name: "Carla"}} { // who has no known picture to be compared with
		if _, err := a.CorrectFace(t.Context(), say); err != nil {
			t.Fatalf("correction %d: %v", i, err)
		}
	}
	page := get(t, serve(t, a), fmt.Sprintf("/images/%d", id))
	for i, want := range []struct{ has, hasNot string }{
		{"Quality 0.61 of 1: 120 px, sharpness 0.80, turned 12°, tilted 4° Correction who this is", "who this is not"},
		{"Correction who this is not", "Quality"},
		{"Carla Identified a person said who it is. Next nearest: Anna at 0.400 Details Position", "farther"},
	} {
		got := page.each(".face")[i]
		if !strings.Contains(got, want.has) || strings.Contains(got, want.hasNot) {
			t.Errorf("face %d: got %q, want %q and not %q", i+1, got, want.has, want.hasNot)
		}
	}
}

// A face that does not count is greyed, and nobody is suggested for it.
func TestImageDismissedFaces(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	id := a.answer(root+"/group.jpg", sight(10, "Anna", 0.3), sight(300, "Anna", 0.9))
	img, err := a.Image(t.Context(), id)
	a.check(err)
	for i, kind := range []faces.Kind{faces.SaysIgnore, faces.SaysNoFace} {
		if _, err := a.CorrectFace(t.Context(), faces.Statement{FaceID: img.Faces[i].ID, Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
	page := get(t, serve(t, a), fmt.Sprintf("/images/%d", id))
	for i, want := range []string{"Ignored Ignored a person said that this face is to be ignored.", "Not a face Not a face a person said that this is not a face."} {
		if got := page.each(".face.dismissed")[i]; !strings.Contains(got, want) || strings.Contains(got, "Anna") {
			t.Errorf("face %d: got %q, want %q and no name", i+1, got, want)
		}
	}
	if got := page.Find(".drawing .quiet").Length(); got != 2 {
		t.Errorf("%d grey faces in the drawing, want 2", got)
	}
	if got := page.Find("main").Text(); !strings.Contains(got, "No face in this picture counts") {
		t.Errorf("got %q", got)
	}
}

// A face that somebody drew is marked.
func TestImageDrawnFace(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	id := a.answer(root+"/group.jpg", sight(10, "Anna", 0.3))
	if _, err := a.DrawFace(t.Context(), faces.Drawing{ImageID: id, Box: faces.Box{X: 400, Y: 5, Width: 60, Height: 70}}); err != nil {
		t.Fatal(err)
	}
	got := get(t, serve(t, a), fmt.Sprintf("/images/%d", id)).each(".face")
	if want := "60 × 70 at (400, 5), drawn by hand"; strings.Contains(got[0], "drawn") || !strings.Contains(got[1], want) || !strings.Contains(got[1], "a person drew it") {
		t.Errorf("got %q, want %q in the second only", got, want)
	}
}

// The page explains a face that is found but not named, a damaged file and faces
// that were left out.
func TestImageFaceBelowAFloor(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna", "Bela")
	m := model
	m.Floors.Size, m.Networks = 24, "dlib,mobilefacenet"
	a.check(a.UseModel(t.Context(), m))
	small := sight(10, "Anna", 0.3, "Bela", 0.9)
	small.Quality = faces.Quality{Score: 0.25, Size: 18, Sharpness: 0.5, CutOff: 0.25, Detection: 0.75}
	small.Neighbours[0].Parts = faces.Parts{0.25, 0.5}
	again := sight(300, "Bela", 0.4)
	id := a.finish(root+"/a.jpg", faces.Decide(
		faces.Recognition{Width: 800, Height: 600, Model: m, Omitted: 2, Warning: "the file ends early", Sightings: []faces.Sighting{small, again, sight(600, "Bela", 0.2)}},
		func(image string) (faces.Person, bool) { p, ok := a.people[image]; return p, ok },
	))
	page := get(t, serve(t, a), fmt.Sprintf("/images/%d", id))
	if got, want := page.words("h1"), "Bela is in this picture; one face could be Anna, but is too small to be named: 18 px, at least 24 are needed;"+
		" one more face looks like Bela."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for i, want := range []string{
		"Face 1 Anna? Too small Distance 0.300 very near threshold 0.600 too small to be named: 18 px, at least 24 are needed." +
			" Next nearest: Bela at 0.900, 0.600 farther (must be 0.050) Details Nearest Anna: dlib 0.250, mobilefacenet 0.500",
		"Face 2 Bela? Uncertain Distance 0.400 near threshold 0.600 distance 0.400, but another face of this picture fits the same person better.",
		"Face 3 Bela Identified",
	} {
		if got := page.each(".face")[i]; !strings.HasPrefix(got, want) {
			t.Errorf("face %d: got %q, want %q", i+1, got, want)
		}
	}
	header := page.words("header")
	for _, want := range []string{"The file is damaged but could be read: the file ends early", "2 smaller faces were found but left out"} {
		if !strings.Contains(header, want) {
			t.Errorf("%q lacks %q", header, want)
		}
	}
	if got := page.each(".face")[0]; !strings.Contains(got, "25 % outside the picture, detector's score 0.75") {
		t.Errorf("the quality is not told: %q", got)
	}
}

func TestImageOfAnotherModelHasNoThreshold(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna", "Bela")
	a.check(a.UseModel(t.Context(), faces.Model{ID: "newer", Threshold: 0.9, Margin: 0.1}))
	a.answer(root+"/a.jpg", sight(10, "Anna", 0.3, "Bela", 0.45))
	page := get(t, serve(t, a), "/images/1")
	if got := page.words(".distance"); got != "Distance 0.300" {
		t.Errorf("got %q: the threshold of another model set", got)
	}
	if got := page.words(".face dl"); strings.Contains(got, "must be") {
		t.Errorf("got %q: the margin of another model set", got)
	}
}

func TestImageDrawing(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna", "Bela")
	a.answer(root+"/group.jpg", sight(10, "Anna", 0.3), sight(60, "Bela", 0.3), sight(690))
	page := get(t, serve(t, a), "/images/1")
	// Attribute selectors are in lower case, so viewBox needs a text search.
	if !strings.Contains(page.Text, `viewBox="0 0 800 600"`) {
		t.Error("the drawing has not the picture's size")
	}
	if diff := cmp.Diff([]string{"1 Anna 1 Anna", "2 Bela 2 Bela", "3 Unknown 3 Unknown"}, page.each(".drawing g")); diff != "" {
		t.Errorf("boxes (-want +got):\n%s", diff)
	}
	box := page.Find(".drawing rect.box").First()
	for name, want := range map[string]string{"x": "10", "y": "100", "width": "120", "height": "130"} {
		if got := box.AttrOr(name, ""); got != want {
			t.Errorf("got %s=%s, want %s", name, got, want)
		}
	}
	labels := page.Find(".drawing text")
	if labels.Eq(0).AttrOr("y", "") == labels.Eq(1).AttrOr("y", "") {
		t.Error("labels of boxes that are close lie on each other")
	}
	if got := labels.Eq(2).AttrOr("text-anchor", ""); got != "end" {
		t.Errorf("the label at the right edge starts there: text-anchor %q", got)
	}
	failed := a.fail(root+"/gone.jpg", faces.NotFound, "gone")
	if got := get(t, serve(t, a), fmt.Sprintf("/images/%d", failed)).Find(".drawing").Length(); got != 0 {
		t.Error("a picture that was never decoded is drawn")
	}
}

func TestImageFacts(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	id := a.fail(root+"/sub/gone.jpg", faces.NotFound, "there is no such file")
	a.check(a.MarkPublished(t.Context(), []int64{id}, noon.Add(30*time.Second)))
	page := get(t, serve(t, a), "/images/1")
	want := "Image 1 Path /unknown_people/sub/gone.jpg Status failed Reason not_found Detail there is no such file" +
		" Attempts 1 Added 1 min ago Queued 30 s ago Changed 1 min ago"
	if got := page.words(".about dl"); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := page.words("title"); got != "sub/gone.jpg · image 1 – Rollcall" {
		t.Errorf("got title %q", got)
	}
	if got := page.words(".next"); !strings.Contains(got, "not retried automatically") || !strings.Contains(got, "redeemer -id ") {
		t.Errorf("got %q, want what happens next", got)
	}
	if got := page.Find("noscript").Length(); got != 0 {
		t.Error("a settled picture's page refreshes itself")
	}
	waiting := a.post(root + "/new.jpg")[0]
	if got := get(t, serve(t, a), fmt.Sprintf("/images/%d", waiting)).Find("noscript").Length(); got != 1 {
		t.Error("a waiting picture's page does not refresh itself")
	}
}

// An image written by another program has a person and no faces. The person's
// row, or that of the duplicated image, may be gone.
func TestImageOfAnotherProgram(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		img  faces.Image
		h1   string
		link string
	}{
		"person":               {faces.Image{Person: &faces.Person{ID: 3, Name: "Anna"}}, "Anna is in this picture.", ""},
		"person without a row": {faces.Image{Person: &faces.Person{ID: 3}}, "person 3 is in this picture.", ""},
		"nobody":               {faces.Image{}, "Somebody known is in this picture.", ""},
		"duplicate":            {faces.Image{DuplicateOf: 2}, "Somebody known is in this picture.", "/images/2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.img.ID, tc.img.Path = 7, root+"/a.jpg"
			tc.img.Status, tc.img.Reason = faces.Processed, faces.Identified
			page := get(t, serve(t, fake{image: func(context.Context) (faces.Image, error) { return tc.img, nil }}), "/images/7")
			if got := page.words("h1"); got != tc.h1 {
				t.Errorf("got %q, want %q", got, tc.h1)
			}
			if got := page.Find(".about dd a").AttrOr("href", ""); got != tc.link {
				t.Errorf("got link %q, want %q", got, tc.link)
			}
		})
	}
}

func TestImageHostileText(t *testing.T) {
	t.Parallel()
	const name = `</title></svg><img src=x onerror="alert(1)">`
	a := newAlbum(t, name)
	a.answer(root+`/<b>"'&.jpg`, sight(10, name, 0.2), sight(300, name, 0.9))
	page := get(t, serve(t, a, func(o *frontend.Options) { o.UnknownPeople = "" }), "/images/1")
	if n := page.Find("img, b").Length(); n > 0 {
		t.Errorf("text became %d elements", n)
	}
	if got := page.words("h1"); got != name+" is in this picture; 1 other face is unknown." {
		t.Errorf("got %q", got)
	}
	if got := page.words(".image header .path"); got != root+`/<b>"'&.jpg` {
		t.Errorf("got path %q", got)
	}
}

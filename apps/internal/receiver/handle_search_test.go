package receiver_test

import (
	"context"
	"fmt"
	"image/color"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api"
	apiclient "github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/facefeed"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
)

// SearchFaces is SearchFaces of the recognizer's client.
func (l *lab) SearchFaces(ctx context.Context, q faces.FaceQuery) ([][]faces.NearFace, error) {
	return l.seer.SearchFaces(ctx, q)
}

// feed fills the recognizer's index, as a processor does, until the test ends.
func (l *lab) feed() {
	l.t.Helper()
	replicas := recognizerclient.NewReplicas(recognizerclient.Options{Address: l.address, Timeout: waitTime})
	o := facefeed.Defaults()
	o.Poll = 10 * time.Millisecond
	f := facefeed.New(l.store, replicas.List, func() bool { return true }, o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	f.Start()
	l.t.Cleanup(func() {
		if err := f.Stop(context.Background()); err != nil {
			l.t.Error(err)
		}
		replicas.Close()
	})
}

// find searches for a stored face until the answer has a number of faces.
func (l *lab) find(path string, count int) (found api.FoundFaces) {
	l.t.Helper()
	wait.Until(l.t, fmt.Sprintf("%s has %d faces", path, count), func() bool {
		a := l.get(path)
		if a.code == http.StatusServiceUnavailable {
			return false
		}
		found = read[api.FoundFaces](a.expect(http.StatusOK))
		return len(found.Faces) == count
	})
	return found
}

// paths returns the names of the pictures in an answer.
func paths(found api.FoundFaces) (names []string) {
	for _, f := range found.Faces {
		names = append(names, filepath.Base(f.Image.Path))
	}
	return names
}

func TestSearchFaces(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	orange := color.RGBA{R: 240, G: 75, B: 30, A: 255} // rather near to red, 0.18
	pictures := map[string][]byte{
		"red.png": fakeengine.Portrait(red), "red and green.png": fakeengine.Group(red, green),
		"orange.png": fakeengine.Portrait(orange), "green.png": fakeengine.Portrait(green), "none.png": fakeengine.Group(),
	}
	for _, name := range []string{"red.png", "red and green.png", "orange.png", "green.png", "none.png"} {
		l.write(filepath.Join(l.dir, name), pictures[name])
		l.queue(name)
	}
	starting := l.send("/api/v1/search", "image/png", pictures["red.png"])
	starting.refused(http.StatusServiceUnavailable, "unavailable")
	if starting.header.Get("Retry-After") == "" {
		t.Error("an index that is not complete has no Retry-After")
	}
	l.feed()
	wait.Until(t, "the index is complete", func() bool {
		return l.send("/api/v1/search", "image/png", pictures["red.png"]).code == http.StatusOK
	})

	found := read[api.FoundFaces](l.send("/api/v1/search", "image/png", pictures["red.png"]).expect(http.StatusOK))
	if got := fmt.Sprint(paths(found)); got != "[red.png red and green.png orange.png]" || found.More || found.MaxDistance != fakeengine.Model().Threshold {
		t.Errorf("red is in %v, %+v", got, found)
	}
	for i, f := range found.Faces {
		if want := i < 2; (f.Distance == 0) != want || !f.WithinThreshold || f.Face.Box.Width == 0 || f.Face.Person == nil && want || f.Image.Status != api.StatusProcessed && want {
			t.Errorf("face %d is %+v", i, f)
		}
	}
	one := read[api.FoundFaces](l.send("/api/v1/search?limit=1&max_distance=2", "image/png", pictures["red.png"]).expect(http.StatusOK))
	if got := fmt.Sprint(paths(one)); got != "[red.png]" || !one.More || one.MaxDistance != 2 {
		t.Errorf("the nearest is %v, %+v", got, one)
	}
	all := read[api.FoundFaces](l.send("/api/v1/search?max_distance=2", "image/png", pictures["red.png"]).expect(http.StatusOK))
	if got := fmt.Sprint(paths(all)); got != "[red.png red and green.png orange.png red and green.png green.png]" || all.Faces[3].WithinThreshold {
		t.Errorf("all are %v, %+v", got, all)
	}
	kind, form := pictureForm(t, "file", pictures["orange.png"])
	if got := fmt.Sprint(paths(read[api.FoundFaces](l.send("/api/v1/search?max_distance=0", kind, form).expect(http.StatusOK)))); got != "[orange.png]" {
		t.Errorf("exactly orange are %v", got)
	}
	none := read[api.ErrorResponse](l.send("/api/v1/search", "image/png", pictures["none.png"]).expect(http.StatusUnprocessableEntity))
	if e := none.Error; e.Code != api.CodePictureRefused || len(e.Refusals) != 1 || e.Refusals[0].Reason != api.RefusedNoFace {
		t.Errorf("a picture without a face: %+v", none)
	}
	l.send("/api/v1/search", "image/png", []byte("<script>")).refused(http.StatusUnprocessableEntity, "unsupported_format")
	for _, wrong := range []string{"max_distance=-1", "max_distance=NaN", "max_distance=5", "max_distance=", "limit=0", "limit=1001"} {
		l.send("/api/v1/search?"+wrong, "image/png", pictures["red.png"]).refused(http.StatusBadRequest, "invalid_request")
	}
}

// A stored face finds the other faces, whether it has a person or not.
func TestSimilarFaces(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var images []int64
	for _, name := range []string{"a.png", "b.png", "c.png"} {
		l.write(filepath.Join(l.dir, name), fakeengine.Group(red, green))
		images = append(images, l.queue(name))
	}
	l.feed()
	first := read[api.ImageDetail](l.get(fmt.Sprintf("/api/v1/images/%d", images[0])).expect(http.StatusOK))
	similar := func(i int) string { return fmt.Sprintf("/api/v1/faces/%d/similar", first.Faces[i].ID) }
	for i, known := range []bool{true, false} {
		found := l.find(similar(i), 2)
		if got := fmt.Sprint(paths(found)); got != "[b.png c.png]" || found.Box != first.Faces[i].Box || (found.Faces[0].Face.Person != nil) != known {
			t.Errorf("face %d is similar to %v, %+v", i, got, found)
		}
	}
	c := apiclient.New(l.url, apiclient.WithHTTPClient(l.http))
	limit := 1
	if found, err := c.ListSimilarFaces(t.Context(), first.Faces[1].ID, api.ListSimilarFacesParams{Limit: &limit}); err != nil || len(found.Faces) != 1 || !found.More {
		t.Errorf("the client got %+v, %v", found, err)
	}
	if found, err := c.SearchFaces(t.Context(), fakeengine.Portrait(green), api.SearchFacesParams{}); err != nil || len(found.Faces) != 3 {
		t.Errorf("the client got %+v, %v", found, err)
	}

	// What is gone is not in an answer, even if the index still has it.
	if _, err := l.store.DeleteImage(t.Context(), images[1]); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(paths(read[api.FoundFaces](l.get(similar(0)).expect(http.StatusOK)))); got != "[c.png]" {
		t.Errorf("after b.png was deleted: %v", got)
	}
	third := read[api.ImageDetail](l.get(fmt.Sprintf("/api/v1/images/%d", images[2])).expect(http.StatusOK))
	if _, err := l.store.CorrectFace(t.Context(), faces.Statement{FaceID: third.Faces[0].ID, Kind: faces.SaysNoFace}); err != nil {
		t.Fatal(err)
	}
	if got := paths(read[api.FoundFaces](l.get(similar(0)).expect(http.StatusOK))); got != nil {
		t.Errorf("after the face of c.png was dismissed as none: %v", got)
	}

	l.get("/api/v1/faces/999/similar").refused(http.StatusNotFound, "not_found")
	l.get("/api/v1/faces/x/similar").refused(http.StatusBadRequest, "invalid_request")
	other := fakeengine.Model()
	other.ID = "fake-2"
	if err := l.store.UseModel(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	l.get(similar(0)).refused(http.StatusConflict, "conflict")
}

// beforeSearch is a recognizer of a release that does not search.
type beforeSearch struct{ old }

func (beforeSearch) RecognizeContent(context.Context, []byte, faces.Model) (faces.Recognition, error) {
	d := make(faces.Descriptor, fakeengine.Size)
	return faces.Recognition{Model: fakeengine.Model(), Sightings: []faces.Sighting{{Box: faces.Box{Width: 80, Height: 80}, Descriptor: d}}}, nil
}

// Recognizers of an older release do not search, and answer all else.
func TestSearchByAnOldRecognizer(t *testing.T) {
	t.Parallel()
	b := newBenchAsking(t, newStore(t), beforeSearch{}, options())
	l := &lab{client: b.client, t: t}
	for range 5 {
		l.send("/api/v1/search", "image/png", fakeengine.Portrait(red)).refused(http.StatusServiceUnavailable, "recognizer_unavailable")
	}
	l.send("/api/v1/identify", "image/png", fakeengine.Portrait(red)).expect(http.StatusOK)
}

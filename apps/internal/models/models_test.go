package models_test

// This file tests what counts as a model set and which one is chosen.

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/models"
)

const (
	resnetName    = "dlib_face_recognition_resnet_model_v1.dat"
	landmarksName = "shape_predictor_5_face_landmarks.dat"
	detectorName  = "mmod_human_face_detector.dat"
)

// writeSet makes a folder with a complete set and returns its path. The
// changes replace files; a file whose content is "-" is left out.
func writeSet(t *testing.T, changes map[string]string) string {
	t.Helper()
	files := map[string]string{
		resnetName: "r", landmarksName: "l", detectorName: "d",
		"model.json": `{"id": "rollcall-lite-1", "threshold": 0.40, "margin": 0.02, "cnn_detector": false}`,
	}
	for name, content := range changes {
		files[name] = content
	}
	dir := t.TempDir()
	for name, content := range files {
		if content == "-" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad(t *testing.T) {
	t.Parallel()
	lite := models.Set{ID: "rollcall-lite-1", Threshold: 0.4, Margin: 0.02}
	official := models.Set{
		ID: "dlib-resnet-v1", Threshold: 0.6, Margin: 0.02, CNNDetector: true, Official: true,
	}
	for _, tc := range []struct {
		name       string
		changes    map[string]string
		want       models.Set
		wantErr    string
		incomplete bool
	}{
		{name: "lite", want: lite},
		{
			name:    "official",
			changes: map[string]string{"model.json": `{"id":"dlib-resnet-v1","threshold":0.6,"margin":0.02,"cnn_detector":true}`},
			want:    official,
		},
		{name: "no manifest", changes: map[string]string{"model.json": "-"}, wantErr: "model.json is missing", incomplete: true},
		{name: "no resnet", changes: map[string]string{resnetName: "-"}, wantErr: resnetName + " is missing", incomplete: true},
		{name: "no landmarks", changes: map[string]string{landmarksName: "-"}, wantErr: landmarksName + " is missing", incomplete: true},
		{name: "empty detector", changes: map[string]string{detectorName: ""}, wantErr: detectorName + " is empty", incomplete: true},
		{name: "not json", changes: map[string]string{"model.json": "{"}, wantErr: "model.json"},
		{name: "misspelt", changes: map[string]string{"model.json": `{"id":"x","treshold":1}`}, wantErr: "treshold"},
		{name: "no id", changes: map[string]string{"model.json": `{"threshold":1}`}, wantErr: `"id" is missing`},
		{name: "no threshold", changes: map[string]string{"model.json": `{"id":"x"}`}, wantErr: `"threshold" is 0`},
		{name: "negative margin", changes: map[string]string{"model.json": `{"id":"x","threshold":1,"margin":-1}`}, wantErr: `"margin" is -1`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := writeSet(t, tc.changes)
			got, err := models.Load(dir)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("error %v, want one with %q", err, tc.wantErr)
				}
				if got, want := errors.Is(err, models.ErrIncomplete), tc.incomplete; got != want {
					t.Errorf("ErrIncomplete: got %v, want %v", got, want)
				}
				if tc.incomplete && !strings.Contains(err.Error(), "make models") {
					t.Errorf("error %q does not say what to do", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			tc.want.Dir = dir
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("set (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	official := map[string]string{
		"model.json": `{"id":"dlib-resnet-v1","threshold":0.6,"margin":0.02,"cnn_detector":true}`,
	}
	half := map[string]string{"model.json": official["model.json"], resnetName: "-"}
	for _, tc := range []struct {
		name           string
		official, lite map[string]string
		wantID         string
		wantErr        string
	}{
		{name: "both", official: official, wantID: "dlib-resnet-v1"},
		{name: "official half fetched", official: half, wantID: "rollcall-lite-1"},
		{name: "lite broken", official: official, lite: half, wantID: "dlib-resnet-v1"},
		{name: "neither", official: half, lite: half, wantErr: "make models"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set, err := models.Choose(writeSet(t, tc.official), writeSet(t, tc.lite))
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("error %v, want one with %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, want := set.ID, tc.wantID; got != want {
				t.Errorf("chose %s, want %s", got, want)
			}
		})
	}
}

// The committed lite set must be one that programs can use.
func TestCommittedLiteSet(t *testing.T) {
	t.Parallel()
	set, err := models.Choose("no such folder", "../../recognizer/models/lite")
	if err != nil {
		t.Fatal(err)
	}
	want := faces.Model{ID: "rollcall-lite-1", Size: 128, Threshold: 0.4, Margin: 0.02}
	if diff := cmp.Diff(want, set.Model()); diff != "" {
		t.Errorf("model (-want +got):\n%s", diff)
	}
	if set.CNNDetector {
		t.Error("the lite set's CNN detector is a placeholder, but the set offers it")
	}
}

func TestOfficialLock(t *testing.T) {
	t.Parallel()
	lock, err := models.OfficialLock()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lock.ID, "dlib-resnet-v1"; got != want {
		t.Errorf("id %q, want %q", got, want)
	}
	if got, want := lock.Threshold, 0.6; got != want {
		t.Errorf("threshold %v, want %v", got, want)
	}
}

func TestParseLockRefuses(t *testing.T) {
	t.Parallel()
	good := string(lockText("http://example.org", archives(t)))
	if _, err := models.ParseLock([]byte(good)); err != nil {
		t.Fatalf("the good lock: %v", err)
	}
	for _, tc := range []struct {
		name, old, new string
		wantErr        string
	}{
		{"a name that leaves the folder", resnetName + `"`, `../` + resnetName + `"`, "plain file name"},
		{"another file", `"` + resnetName + `"`, `"other.dat"`, "a model set has"},
		{"a file address", "http://example.org/detector", "file:///detector", "not an http"},
		{"no archive", "detector.bz2", "detector.zip", "not a .bz2"},
		{"a short checksum", `"sha256":"`, `"sha256":"00`, "64 hexadecimal"},
		{"an unknown field", `"id"`, `"size":1,"id"`, "size"},
		{"no id", `"id":"test-1"`, `"id":""`, `"id" is missing`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := models.ParseLock([]byte(strings.Replace(good, tc.old, tc.new, 1)))
			if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("error %v, want one with %q", err, tc.wantErr)
			}
		})
	}
}

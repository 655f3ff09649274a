package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/draw"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/doctor"
	"github.com/rollcall-faces/rollcall/apps/internal/doctorcli"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

func TestDoctorCommandLine(t *testing.T) {
	t.Parallel()
	code, stdout, _ := commandtest.Run(t, spec(), nil, "doctor", "-h")
	if code != command.ExitOK {
		t.Errorf("help: exit code %d", code)
	}
	documented := commandtest.Documented(t, filepath.FromSlash("../../docs/doctor.md"))
	for _, s := range command.Settings(doctorSpec()) {
		if !strings.Contains(stdout, "  "+s.Name+" ") {
			t.Errorf("-h does not name %s", s.Name)
		}
		if def, ok := documented[s.Name]; !ok || def != s.Default {
			t.Errorf("docs/doctor.md: %s is %q (there %v), want %q", s.Name, def, ok, s.Default)
		}
	}
	if code, _, _ := commandtest.Run(t, spec(), nil, "doctor", "-nonsense"); code != doctorcli.ExitFailed {
		t.Errorf("wrong flag: exit code %d, want %d", code, doctorcli.ExitFailed)
	}
}

func TestDoctorFindsPlantedFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := samples.Extract(dir); err != nil {
		t.Fatal(err)
	}
	known := filepath.Join(dir, "known")
	env := map[string]string{
		"KNOWN_PEOPLE": known, "ROLLCALL_MODELS": "models", "ROLLCALL_ENGINES": "2",
	}
	before := diagnose(t, env)
	if before.Pictures.All != 16 || before.Pictures.Usable != 16 || before.People != 6 {
		t.Fatalf("pictures %+v of %d people", before.Pictures, before.People)
	}
	if !before.QualityMeasured {
		t.Error("quality was not measured")
	}
	for _, f := range before.Findings {
		if f.Severity == doctor.Error {
			t.Errorf("the samples themselves: %+v", f)
		}
	}

	ada := read(t, known, "Ada/1.jpg")
	write(t, known, "Ada/copy.jpg", encode(t, ada, 75)) // the same photograph in other bytes
	write(t, known, "Ada/meadow.jpg", encode(t, image.NewUniform(color.RGBA{R: 90, G: 160, B: 60, A: 255}), 90))
	if err := os.Rename(filepath.Join(known, "Clara", "3.jpg"), filepath.Join(known, "Bruno", "clara.jpg")); err != nil {
		t.Fatal(err)
	}
	write(t, known, "Ada/blurred.jpg", encode(t, blurred(read(t, known, "Ada/2.jpg")), 90))
	after := diagnose(t, env)
	for _, c := range []struct {
		kind    doctor.Kind
		picture string
	}{
		{doctor.Doubled, "Ada/copy.jpg"}, {doctor.NoFace, "Ada/meadow.jpg"}, {doctor.Mislabelled, "Bruno/clara.jpg"},
		{doctor.Blurred, "Ada/blurred.jpg"},
	} {
		if !slices.ContainsFunc(after.Findings, func(f doctor.Finding) bool {
			return f.Kind == c.kind && slices.Contains(f.Pictures, c.picture)
		}) {
			t.Errorf("%s is not found to be %s: %+v", c.picture, c.kind, after.Findings)
		}
	}
}

// diagnose runs the command and returns its report.
func diagnose(t *testing.T, env map[string]string) doctor.Report {
	t.Helper()
	code, stdout, stderr := commandtest.Run(t, spec(), env, "doctor", "-json")
	var report doctor.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("exit code %d, %v; stderr %s", code, err, stderr)
	}
	if want := map[bool]int{false: doctorcli.ExitHealthy, true: doctorcli.ExitFindings}[report.NeedsPerson()]; code != want {
		t.Errorf("exit code %d, want %d", code, want)
	}
	return report
}

func read(t *testing.T, dir, name string) image.Image {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := jpeg.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// encode returns a JPEG. A picture without bounds becomes 400 pixels square.
func encode(t *testing.T, img image.Image, quality int) []byte {
	t.Helper()
	if _, endless := img.(*image.Uniform); endless {
		square := image.NewRGBA(image.Rect(0, 0, 400, 400))
		draw.Draw(square, square.Bounds(), img, image.Point{}, draw.Src)
		img = square
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// blurred returns a picture of the same size with a twelfth of the details.
func blurred(img image.Image) image.Image {
	size := img.Bounds().Size()
	small := image.NewRGBA(image.Rectangle{Max: size.Div(12)})
	draw.CatmullRom.Scale(small, small.Bounds(), img, img.Bounds(), draw.Src, nil)
	large := image.NewRGBA(image.Rectangle{Max: size})
	draw.CatmullRom.Scale(large, large.Bounds(), small, small.Bounds(), draw.Src, nil)
	return large
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

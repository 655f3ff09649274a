package standard_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/enginetest"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
)

// Photographs that other programs got wrong: turned, with small faces, blurred,
// dark.
func TestCasesOfTheField(t *testing.T) {
	t.Parallel()
	root := os.Getenv("ROLLCALL_TEST_CASES")
	if root == "" {
		t.Skip("ROLLCALL_TEST_CASES does not name the folder of cases, which holds real photographs")
	}
	const budget = 10 * time.Second // of one picture; the time limit is twice that
	e := open(t)
	set, _ := enginetest.Load(t, modelset.Default)
	floors := set.Model().Floors
	for _, tt := range []struct {
		name  string
		faces int
		poor  bool // below a floor: nobody is named by it
	}{
		{name: "rotated/rot090.jpg", faces: 1}, {name: "rotated/rot180.jpg", faces: 1}, {name: "rotated/rot270.jpg", faces: 1},
		{name: "rotated/group-rot180.jpg", faces: 6},
		{name: "small-faces/big-1.25.jpg", faces: 6}, {name: "small-faces/big-1.75.jpg", faces: 6}, {name: "small-faces/tiny-1.jpg", faces: 6},
		{name: "small-faces/group-thumb.jpg", faces: 6},
		{name: "low-quality/blur6.jpg", faces: 1, poor: true},
		{name: "low-quality/bright-0.05.jpg"},          // nearly black: no face is certain enough
		{name: "low-quality/bright-0.1.jpg", faces: 1}, // dark, but sharp for its contrast
	} {
		file, err := os.ReadFile(filepath.Join(root, tt.name))
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		seen := e.look(t, file)
		took := time.Since(begin)
		named := 0
		for _, f := range seen.Faces {
			short, low := floors.Shortfall(f.Quality)
			t.Logf("%s, %d x %d: %+v %+v %s, %v", tt.name, seen.Width, seen.Height, f.Box, f.Quality, short.Reason, took)
			if !low {
				named++
			}
		}
		if len(seen.Faces) != tt.faces || tt.poor && named > 0 || took > budget {
			t.Errorf("%s: %d faces, %d of them good enough for a name, in %v; want %d", tt.name, len(seen.Faces), named, took, tt.faces)
		}
	}
}

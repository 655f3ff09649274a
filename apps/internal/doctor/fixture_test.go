package doctor_test

import (
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/doctor"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// model has a rule that is easy to calculate with.
var model = faces.Model{ID: "test-1", Size: 128, Threshold: 0.4, Margin: 0.02}

var good = faces.Quality{Score: 0.9, Size: 200, Sharpness: 0.8, Yaw: 5, Roll: 2}

// point returns a descriptor with these first values.
func point(values ...float32) faces.Descriptor {
	d := make(faces.Descriptor, model.Size)
	copy(d, values)
	return d
}

func person(id int64, name string) faces.Person { return faces.Person{ID: id, Name: name} }

// picture returns a usable picture with one descriptor and unique bytes.
func picture(name string, owner faces.Person, at faces.Descriptor) doctor.Picture {
	at = slices.Clone(at) // tests move pictures afterwards
	return doctor.Picture{
		Name: name, Owners: []faces.Person{owner}, Sum: sha256.Sum256([]byte(name)),
		Asked: at, Known: []faces.Descriptor{at}, Quality: good,
	}
}

// crowd returns people with a few pictures each, some with two descriptors.
// In few dimensions, some people are close to each other and some pictures
// are far from their person. In many dimensions it resembles real faces.
func crowd(r *rand.Rand, people, dimensions int) []doctor.Picture {
	scatter := func(d faces.Descriptor, length float64) {
		for i := range dimensions {
			d[i] += float32(r.NormFloat64() * length / math.Sqrt(float64(dimensions)))
		}
	}
	var list []doctor.Picture
	for p := range people {
		who := person(int64(1+p), fmt.Sprintf("person %d", p))
		centre := point()
		scatter(centre, 0.5)
		for k := range 1 + r.IntN(5) {
			d := slices.Clone(centre)
			scatter(d, 0.2)
			pic := picture(fmt.Sprintf("%d/%d.jpg", p, k), who, d)
			if r.IntN(2) == 0 {
				d = slices.Clone(d)
				scatter(d, 0.1)
				pic.Known = append(pic.Known, d)
			}
			list = append(list, pic)
		}
	}
	return list
}

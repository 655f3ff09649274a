package store

import (
	"slices"
	"testing"
)

// A list that a database has cut off is noticed, wherever it was cut.
func TestSplitIDs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		sum  int64
		want []int64
		ok   bool
	}{
		"whole":            {"3,1234,56", 1293, []int64{3, 56, 1234}, true},
		"one":              {"7", 7, []int64{7}, true},
		"cut in a number":  {"3,12", 1237, []int64{3, 12}, false},
		"cut at a comma":   {"3,", 1237, nil, false},
		"cut whole":        {"", 5, nil, false},
		"a number is gone": {"3", 1237, []int64{3}, false},
	} {
		if got, ok := splitIDs([]byte(c.text), c.sum); !slices.Equal(got, c.want) || ok != c.ok {
			t.Errorf("%s: got %v, %v, want %v, %v", name, got, ok, c.want, c.ok)
		}
	}
}

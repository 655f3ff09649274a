package scaling_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/e2e/internal/scaling"
)

// at is a sample of one program.
func at(second int, depth float64, wanted, ready, stopping int) scaling.Sample {
	return scaling.Sample{
		At: time.Duration(second) * time.Second, Depth: depth, Posts: 2,
		Replicas: map[string]scaling.Replicas{"processor": {Wanted: wanted, Ready: ready, Stopping: stopping}},
	}
}

// run is a load from second 10 to second 30.
func run(samples ...scaling.Sample) scaling.Run {
	return scaling.Run{Rise: 10 * time.Second, Fall: 30 * time.Second, Samples: samples}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	limits := scaling.Limits{Rise: 15 * time.Second, Fall: 20 * time.Second}
	tests := []struct {
		name string
		run  scaling.Run
		want scaling.Followed
		err  string // part of it; "" for none
	}{
		{
			"as it should", run(at(0, 0, 1, 1, 0), at(10, 0, 1, 1, 0), at(14, 300, 2, 1, 0), at(20, 300, 3, 2, 0), at(25, 300, 3, 3, 0), at(35, 0, 3, 3, 0), at(45, 0, 1, 1, 2), at(50, 0, 1, 1, 0), at(55, 0, 1, 1, 0)),
			scaling.Followed{Least: 1, Most: 3, Rose: 10 * time.Second, Full: 15 * time.Second, Fell: 20 * time.Second}, "",
		},
		{
			"the wait in the queue counts as load", run(at(0, 0, 1, 1, 0), at(20, 300, 3, 3, 0), at(60, 300, 3, 3, 0), at(70, 0, 1, 1, 0)),
			scaling.Followed{Least: 1, Most: 3, Rose: 10 * time.Second, Full: 10 * time.Second, Fell: 10 * time.Second}, "",
		},
		{
			"never more", run(at(0, 0, 1, 1, 0), at(20, 300, 2, 1, 0), at(40, 0, 1, 1, 0)),
			scaling.Followed{Least: 1, Most: 1}, "never more than 1",
		},
		{
			"late", run(at(0, 0, 1, 1, 0), at(29, 300, 2, 2, 0), at(40, 0, 1, 1, 0)),
			scaling.Followed{Least: 1, Most: 2, Rose: 19 * time.Second, Full: 19 * time.Second, Fell: 10 * time.Second}, "after 19s, not within 15s",
		},
		{
			"never fewer", run(at(0, 0, 1, 1, 0), at(20, 300, 2, 2, 0), at(40, 0, 2, 2, 0)),
			scaling.Followed{Least: 1, Most: 2, Rose: 10 * time.Second, Full: 10 * time.Second}, "still more than 1",
		},
		{
			"fewer, and more again", run(at(0, 0, 1, 1, 0), at(20, 300, 2, 2, 0), at(40, 0, 1, 1, 0), at(45, 0, 2, 2, 0), at(55, 0, 1, 1, 0)),
			scaling.Followed{Least: 1, Most: 2, Rose: 10 * time.Second, Full: 10 * time.Second, Fell: 25 * time.Second}, "after 25s, not within 20s",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.want.Program = "processor"
			got := tt.run.Follow("processor")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			err := got.Check(limits)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got the error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestShown(t *testing.T) {
	t.Parallel()
	r := run(at(0, 0, 1, 1, 0), at(20, 300, 2, 2, 0), at(40, 0, 1, 1, 0))
	table := scaling.Table([]scaling.Followed{r.Follow("processor"), {Program: "frontend", Least: 2, Most: 2}})
	for _, row := range []string{"| processor | 1 to 2 | 10 s | 10 s | 10 s |", "| frontend | 2 | – | – | – |"} {
		if !strings.Contains(table, row) {
			t.Errorf("the table lacks %q:\n%s", row, table)
		}
	}
	if svg := string(r.SVG([]string{"processor"})); !strings.Contains(svg, "Ready replicas") || !strings.Contains(svg, "polyline") {
		t.Errorf("the plot: %.300s", svg)
	}
}

package scaling

import (
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/plot"
)

// smooth is the time over which posts are counted for the plot.
const smooth = 10 * time.Second

// SVG draws the load, what waited, and the replicas of programs, over time.
func (r Run) SVG(programs []string) []byte {
	return plot.Page{Width: 900, Height: 260, Panels: []plot.Panel{r.posts(), r.waiting(), r.oldest(), r.replicas(programs)}}.SVG()
}

func (r Run) axis(label string) plot.Axis {
	end := 1.0
	if n := len(r.Samples); n > 0 {
		end = r.Samples[n-1].At.Seconds()
	}
	return plot.Axis{Label: label, Max: end}
}

func (r Run) posts() plot.Panel {
	line := plot.Line{Label: "posts a second", Color: plot.Ochre}
	begin, posts := time.Duration(0), 0
	for _, s := range r.Samples {
		posts += s.Posts
		if took := s.At - begin; took >= smooth {
			line.Add((begin + took/2).Seconds(), float64(posts)/took.Seconds())
			begin, posts = s.At, 0
		}
	}
	return plot.Panel{Title: "Load", X: r.axis(""), Lines: []plot.Line{line}}
}

func (r Run) waiting() plot.Panel {
	all := plot.Line{Label: "pictures without an outcome", Color: plot.Grey}
	depth := plot.Line{Label: "of them in the queue: what KEDA looks at", Color: plot.Purple}
	for _, s := range r.Samples {
		all.Add(s.At.Seconds(), s.Waiting)
		depth.Add(s.At.Seconds(), s.Depth)
	}
	return plot.Panel{Title: "What waits", X: r.axis(""), Lines: []plot.Line{all, depth}}
}

func (r Run) oldest() plot.Panel {
	line := plot.Line{Label: "the picture that has waited longest, seconds", Color: plot.Red}
	for _, s := range r.Samples {
		line.Add(s.At.Seconds(), s.Oldest.Seconds())
	}
	return plot.Panel{Title: "How long", X: r.axis(""), Lines: []plot.Line{line}}
}

func (r Run) replicas(programs []string) plot.Panel {
	colors := []string{plot.Blue, plot.Green, plot.Ochre, plot.Grey, plot.Purple, plot.Red}
	p := plot.Panel{Title: "Ready replicas", X: r.axis("seconds")}
	for i, program := range programs {
		line := plot.Line{Label: program, Color: colors[i%len(colors)]}
		for _, s := range r.Samples {
			// Lines of the same number would hide each other.
			line.Add(s.At.Seconds(), float64(s.Replicas[program].Ready)+0.05*float64(i))
		}
		p.Lines = append(p.Lines, line)
	}
	return p
}

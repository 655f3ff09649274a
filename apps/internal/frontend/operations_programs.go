package frontend

import (
	"cmp"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
)

// processorView is a processor and its circuit.
type processorView struct {
	Name    string
	Circuit outcome
	Why     string // the circuit is open
	Since   moment
	Next    string
	Seen    moment
	Silent  bool
	Held    int
}

// queueView is how many messages the queue has.
type queueView struct{ Waiting, InFlight, Deferred int64 }

// recognizersView is which recognizers there are, and whether they agree.
type recognizersView struct {
	Verdict string
	Tone    string
	List    []recognizerView
}

type recognizerView struct {
	Address, Model           string
	Away                     bool
	Known, Problems, Engines int
}

// passView is the last pass of the redeemer.
type passView struct {
	At     moment
	Took   string
	Failed bool
	Did    operations.Run
}

// lastRetentionView is the last run of retention.
type lastRetentionView struct {
	At     moment
	Images int64
	Files  int64
	Ended  bool
}

// volumeView is the room of a volume.
type volumeView struct {
	Name, Free, Size string
	Used             int // per cent
	Full             bool
}

// viewPrograms fills in what programs say about themselves. What none says is not known.
func (s *Server) viewPrograms(v *operationsView, now time.Time, found *operationsFound) {
	heard := slices.DeleteFunc(slices.Clone(found.programs), func(p program) bool { return now.Sub(p.seen) > operations.Silent })
	slices.SortStableFunc(heard, func(a, b program) int { return b.seen.Compare(a.seen) })
	recognizers, volumes := map[string]operations.Recognizer{}, map[string]bool{}
	for _, p := range heard {
		if q := p.state.Queue; q != nil && v.Queue == nil {
			v.Queue = &queueView{q.Waiting, q.InFlight, q.Deferred}
		}
		for _, r := range p.state.Recognizers {
			if _, ok := recognizers[r.Address]; !ok {
				recognizers[r.Address] = r
			}
		}
		for _, one := range p.state.Volumes {
			if !volumes[one.Name] {
				volumes[one.Name] = true
				v.Volumes = append(v.Volumes, s.viewVolume(one))
			}
		}
	}
	v.Recognize = s.viewRecognizers(recognizers)
	var last time.Time
	for _, p := range found.programs {
		if p.state.Processor != nil {
			v.Processors = append(v.Processors, s.viewProcessor(p, now))
		}
		if run := p.state.Redeemer; run != nil && run.Finished.After(last) {
			last = run.Finished
			v.Redeemer = &passView{At: s.moment(run.Finished), Took: s.took(time.Duration(run.Took) * time.Millisecond), Failed: run.Failed, Did: *run}
		}
	}
	if r := found.retention; !r.Started.IsZero() {
		v.Retention = &lastRetentionView{At: s.moment(r.Started), Images: r.Images, Files: r.Files, Ended: !r.Finished.IsZero()}
	}
}

func (s *Server) viewProcessor(p program, now time.Time) processorView {
	state := p.state.Processor
	v := processorView{
		Name: visible(p.instance), Seen: s.moment(p.seen), Held: state.InFlight + state.Received,
		Circuit: outcome{Label: s.words("operations.circuit.closed"), Tone: "good"},
	}
	switch {
	case now.Sub(p.seen) > operations.Silent:
		v.Silent, v.Circuit = true, outcome{Label: s.words("operations.circuit.unknown"), Tone: "wait"}
	case state.Open:
		v.Circuit = outcome{Label: s.words("operations.circuit.open"), Tone: "bad"}
		v.Why, v.Since, v.Next = s.label(faces.Reason(state.Why)), s.moment(state.Since), s.until(state.NextTry)
	}
	return v
}

// viewRecognizers says whether all recognizers are of one model set, and know the same
// number of pictures.
func (s *Server) viewRecognizers(all map[string]operations.Recognizer) recognizersView {
	v := recognizersView{Tone: "good"}
	models, known, away := map[string]bool{}, map[int]bool{}, 0
	for _, r := range all {
		v.List = append(v.List, recognizerView{
			Address: visible(r.Address), Model: visible(r.Model), Away: r.Away, Known: r.Known, Problems: r.Problems, Engines: r.Engines,
		})
		if r.Away {
			away++
			continue
		}
		models[r.Model], known[r.Known] = true, true
	}
	slices.SortFunc(v.List, func(a, b recognizerView) int { return cmp.Compare(a.Address, b.Address) })
	switch {
	case len(v.List) == 0:
		v.Tone, v.Verdict = "wait", s.words("operations.recognizers.unknown")
	case away == len(v.List):
		v.Tone, v.Verdict = "bad", s.words("operations.recognizers.away")
	case len(models) > 1:
		v.Tone, v.Verdict = "warn", s.counted("operations.recognizers.sets", len(models))
	case len(known) > 1:
		v.Tone, v.Verdict = "warn", s.words("operations.recognizers.known")
	case away > 0:
		v.Tone, v.Verdict = "warn", s.counted("operations.recognizers.some", away)
	default:
		v.Verdict = s.words("operations.recognizers.agree")
	}
	return v
}

// nearlyFull is the share of a volume from which the page warns, in per cent.
const nearlyFull = 90

func (s *Server) viewVolume(one operations.Volume) volumeView {
	v := volumeView{Name: s.words("operations.volume." + one.Name), Free: s.bytes(one.Free), Size: s.bytes(one.Size)}
	if one.Size > 0 && one.Free <= one.Size {
		v.Used = int(100 * float64(one.Size-one.Free) / float64(one.Size))
	}
	v.Full = v.Used >= nearlyFull
	return v
}

package main

// This file owns the measures of pictures: by size, by step, against a bare
// loop, and the recognizer's memory.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // for the sizes of the pictures
	_ "image/png"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
	"github.com/rollcall-faces/rollcall/apps/internal/pipelinebench"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// shot is one picture file.
type shot struct {
	path         string // of the file as it is
	preparedPath string
	megapixels   float64
	data         []byte
	prepared     []byte
}

// sizes are the rows of the table, by megapixels.
var sizes = []struct {
	name string
	most float64
}{{"under 0.5 MP", 0.5}, {"0.5 to 2 MP", 2}, {"2 to 8 MP", 8}, {"over 8 MP", 1e9}}

func benchPictures(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	known, unknown, err := o.folders(dir)
	if err != nil {
		return err
	}
	desk := filepath.Join(dir, "desk") // the recognizer looks here, at copies
	shots, err := readShots(unknown, known, desk)
	if err != nil {
		return err
	}
	model, dir, err := loadModels(ctx, o.models)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Models: %s. BLAS: %s. Pictures: %d.\n", model.ID, dlib.BLAS(), len(shots))
	proc, client, err := startRecognizer(ctx, o, known, desk)
	if err != nil {
		return err
	}
	defer proc.stop()
	var whole *pipelinebench.Whole
	if o.pipeline {
		if whole, err = openWhole(ctx, desk, proc.address); err != nil {
			return err
		}
		defer whole.Close()
	}
	if err := benchSteps(ctx, o, shots, desk, client, whole, out); err != nil {
		return err
	}
	if err := benchLoops(ctx, o, dir, shots, desk, client, whole, out); err != nil {
		return err
	}
	now, peak := proc.memory()
	fmt.Fprintf(out, "\nRecognizer's memory after these pictures, with %d engine(s): %d MiB resident, %d MiB at its peak.\n",
		runtime.NumCPU(), now, peak)
	return nil
}

// readShots reads the pictures below a folder, but for those of known people,
// and puts them on the desk: as they are, and prepared.
func readShots(dir, known, desk string) ([]shot, error) {
	var shots []shot
	if err := os.MkdirAll(desk, 0o755); err != nil {
		return nil, err
	}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (name == known || name == filepath.Join(dir, "people")):
			return fs.SkipDir
		case e.IsDir():
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		cfg, _, err := image.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			return nil // not a picture of the kinds that are measured
		}
		p, err := picture.Prepare(data, picture.Defaults())
		if err != nil {
			return fmt.Errorf("prepare %s: %w", name, err)
		}
		s := shot{
			path: filepath.Join(desk, fmt.Sprintf("%03d-%s", len(shots), filepath.Base(name))),
			data: data, prepared: p.JPEG, megapixels: float64(cfg.Width*cfg.Height) / 1e6,
		}
		s.preparedPath = s.path + ".prepared.jpg"
		shots = append(shots, s)
		return errors.Join(os.WriteFile(s.path, s.data, 0o644), os.WriteFile(s.preparedPath, s.prepared, 0o644))
	})
	if err == nil && len(shots) == 0 {
		err = fmt.Errorf("there are no pictures in %s", dir)
	}
	return shots, err
}

// process is the recognizer that is measured.
type process struct {
	cmd     *exec.Cmd
	address string
	conn    *grpc.ClientConn
}

func startRecognizer(ctx context.Context, o options, known, unknown string) (*process, recognizerv1.RecognizerClient, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, self, childName)
	cmd.Env = append(os.Environ(), "KNOWN_PEOPLE="+known, "UNKNOWN_PEOPLE="+unknown, "ROLLCALL_LISTEN_ADDRESS="+address,
		"ROLLCALL_ADMIN_ADDRESS=127.0.0.1:0", "ROLLCALL_LOG_LEVEL=error", "OPENBLAS_NUM_THREADS=1")
	cmd.Env = append(cmd.Env, o.models.Env()...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	p := &process{cmd: cmd, address: address, conn: conn}
	probe, err := recognizerclient.Dial(recognizerclient.Options{Address: address, Timeout: time.Minute})
	if err != nil {
		return nil, nil, err
	}
	defer probe.Close()
	for probe.Ping(ctx) != nil {
		select {
		case <-ctx.Done():
			p.stop()
			return nil, nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return p, recognizerv1.NewRecognizerClient(conn), nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (p *process) stop() {
	_ = p.conn.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait() // a measured child's end is of no interest
}

// memory returns the resident size and its peak, in MiB.
func (p *process) memory() (now, peak int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		var kib int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			now = kib >> 10
		}
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			peak = kib >> 10
		}
	}
	return now, peak
}

func ask(ctx context.Context, c recognizerv1.RecognizerClient, path string) (*recognizerv1.RecognizeResponse, error) {
	return c.Recognize(ctx, &recognizerv1.RecognizeRequest{Picture: &recognizerv1.RecognizeRequest_Path{Path: path}})
}

// stepNames are the columns of the table of steps. Describing has the landmarks
// in it: go-face does both at once. What call has beyond the others is gRPC;
// store is the transaction of one outcome, and post the whole way to it.
var stepNames = [...]string{"read", "decode", "scale", "detect", "describe", "match", "call", "store", "post"}

// benchSteps asks about one picture at a time, then posts it, and shows the
// median of each step, by size. whole is nil where there is no pipeline.
func benchSteps(ctx context.Context, o options, shots []shot, desk string, client recognizerv1.RecognizerClient, whole *pipelinebench.Whole, out io.Writer) error {
	type row struct {
		pictures, faces int
		steps           [len(stepNames)][]float64
	}
	rows := make([]row, len(sizes))
	for _, s := range shots {
		at := slices.IndexFunc(sizes, func(z struct {
			name string
			most float64
		}) bool {
			return s.megapixels < z.most
		})
		r := &rows[at]
		r.pictures++
		for i := range o.rounds {
			begin := time.Now()
			res, err := ask(ctx, client, s.path)
			if err != nil {
				return fmt.Errorf("%s: %w", s.path, err)
			}
			if i == 0 {
				r.faces += len(res.GetFaces())
			}
			call := time.Since(begin)
			t := res.GetTimings()
			var stored, posted time.Duration
			if whole != nil {
				name := filepath.Join(desk, fmt.Sprintf("step-%d-%s", i, filepath.Base(s.path)))
				if err := os.Link(s.path, name); err != nil {
					return err
				}
				if posted, _, err = whole.Run(ctx, []string{name}); err != nil {
					return fmt.Errorf("post %s: %w", name, err)
				}
				stored = whole.Stored()
			}
			for j, micros := range []uint32{
				t.GetRead(), t.GetDecode(), t.GetPrepare() - t.GetDecode(), t.GetDetect(), t.GetDescribe(), t.GetMatch(),
				uint32(call.Microseconds()), uint32(stored.Microseconds()), uint32(posted.Microseconds()),
			} {
				r.steps[j] = append(r.steps[j], float64(micros)/1000)
			}
		}
	}
	fmt.Fprint(out, "\nOne picture at a time, median milliseconds of each step:\n\n")
	tw := tabwriter.NewWriter(out, 0, 8, 1, ' ', 0)
	fmt.Fprintln(tw, "| size\t| pictures\t| faces\t| "+strings.Join(stepNames[:], "\t| ")+"\t|")
	fmt.Fprintln(tw, "|"+strings.Repeat(" ---\t|", 3+len(stepNames)))
	for i, r := range rows {
		if r.pictures == 0 {
			continue
		}
		fmt.Fprintf(tw, "| %s\t| %d\t| %d\t|", sizes[i].name, r.pictures, r.faces)
		for _, values := range r.steps {
			fmt.Fprintf(tw, " %.3g\t|", median(values))
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// loop is one way to get through all pictures, and how it did.
type loop struct {
	name  string
	run   func(round int) (took time.Duration, faces int, err error)
	took  time.Duration
	faces int
}

// benchLoops compares pictures a second on all cores. The loops take turns, so
// that a busy moment falls on all; the pictures' order is the same.
func benchLoops(ctx context.Context, o options, models string, shots []shot, desk string, client recognizerv1.RecognizerClient, whole *pipelinebench.Whole, out io.Writer) error {
	engines := make([]*dlib.Engine, runtime.NumCPU())
	for i := range engines {
		var err error
		if engines[i], err = dlib.Open(models); err != nil {
			return err
		}
		defer engines[i].Close()
	}
	bare := func(bytesOf func(shot) []byte) func(int) (time.Duration, int, error) {
		return func(int) (time.Duration, int, error) {
			return onAllCores(shots, func(worker int, s shot) (int, error) {
				found, err := engines[worker].Recognize(bytesOf(s))
				return len(found), err
			})
		}
	}
	grpc := func(pathOf func(shot) string) func(int) (time.Duration, int, error) {
		return func(int) (time.Duration, int, error) {
			return onAllCores(shots, func(_ int, s shot) (int, error) {
				res, err := ask(ctx, client, pathOf(s))
				return len(res.GetFaces()), err
			})
		}
	}
	file, prepared := func(s shot) string { return s.path }, func(s shot) string { return s.preparedPath }
	loops := []*loop{
		{name: "(a) bare go-face, prepared pictures", run: bare(func(s shot) []byte { return s.prepared })},
		{name: "(b) recognizer over gRPC, prepared pictures", run: grpc(prepared)},
		{name: "(d) bare go-face, files as they are", run: bare(func(s shot) []byte { return s.data })},
		{name: "recognizer over gRPC, files as they are", run: grpc(file)},
	}
	if whole != nil {
		loops = append(loops,
			&loop{name: "(c) whole pipeline, prepared pictures", run: posting(ctx, whole, desk, shots, prepared)},
			&loop{name: "(c) whole pipeline, files as they are", run: posting(ctx, whole, desk, shots, file)})
	}
	for round := range o.rounds {
		for _, l := range loops {
			took, n, err := l.run(round)
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			l.took += took
			l.faces = n
		}
	}
	a, d := loops[0].took.Seconds(), loops[2].took.Seconds()
	fmt.Fprint(out, "\nAll cores busy, the same pictures in turns:\n\n| loop | pictures/s | of (a) | of (d) | faces |\n| --- | ---: | ---: | ---: | ---: |\n")
	for _, l := range loops {
		took := l.took.Seconds()
		fmt.Fprintf(out, "| %s | %.1f | %.2f | %.2f | %d |\n", l.name, float64(len(shots)*o.rounds)/took, a/took, d/took, l.faces)
	}
	return nil
}

func openWhole(ctx context.Context, desk, address string) (*pipelinebench.Whole, error) {
	client, err := recognizerclient.Dial(recognizerclient.Options{Address: address, Timeout: time.Minute})
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { client.Close() })
	dir, err := os.MkdirTemp(filepath.Dir(desk), "servers-")
	if err != nil {
		return nil, err
	}
	return pipelinebench.OpenWhole(ctx, dir, desk, client)
}

// posting posts each picture under a name that is new: a path is answered once.
func posting(ctx context.Context, w *pipelinebench.Whole, desk string, shots []shot, pathOf func(shot) string) func(int) (time.Duration, int, error) {
	return func(round int) (time.Duration, int, error) {
		paths := make([]string, len(shots))
		for i, s := range shots {
			old := pathOf(s)
			paths[i] = filepath.Join(desk, fmt.Sprintf("round-%d-%s", round, filepath.Base(old)))
			if err := os.Link(old, paths[i]); err != nil {
				return 0, 0, err
			}
		}
		return w.Run(ctx, paths)
	}
}

// onAllCores returns how long the pictures took and how many faces were found.
func onAllCores(shots []shot, f func(worker int, s shot) (int, error)) (took time.Duration, found int, err error) {
	begin := time.Now()
	var mu sync.Mutex // guards found, err and next
	var workers sync.WaitGroup
	next := 0
	take := func() (shot, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next == len(shots) || err != nil {
			return shot{}, false
		}
		next++
		return shots[next-1], true
	}
	for w := range runtime.NumCPU() {
		workers.Go(func() {
			for s, ok := take(); ok; s, ok = take() {
				n, e := f(w, s)
				mu.Lock()
				found += n
				if e != nil && err == nil && !errors.Is(e, engine.ErrUnreadable) {
					err = e
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return time.Since(begin), found, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// size is how large the attacks are.
type size struct {
	strips, plainStrips uint32
	jpeg, scans         int // pixels a side, scans
	grid                int // pixels a side of one face
	calls, faces        int
	clients             int
	paths               int
	parts               int
}

func sizes(short bool) size {
	if short {
		return size{strips: 500_000, plainStrips: 1_000_000, jpeg: 1000, scans: 20, grid: 200, calls: 4, faces: 1000, clients: 8, paths: 500, parts: 20_000}
	}
	return size{strips: 5_000_000, plainStrips: 49_000_000, jpeg: 4000, scans: 38, grid: 80, calls: 10, faces: 12_000, clients: 60, paths: 10_000, parts: 1_000_000}
}

// rig is the system under attack.
type rig struct {
	dir     string
	size    size
	corpora string
	limits  limits

	recognizer, standalone *program
	conn                   *grpc.ClientConn
	client                 recognizerv1.RecognizerClient
	rest                   string // host:port of standalone's REST API
}

const canary = "unknown0001.jpg"

func (r *rig) path(parts ...string) string {
	return filepath.Join(append([]string{r.dir}, parts...)...)
}

// start builds and starts both programs, each on its own copy of the samples.
func (r *rig) start(ctx context.Context) error {
	if err := build(ctx, r.dir, "recognizer", "standalone"); err != nil {
		return err
	}
	for _, of := range []string{"r", "s"} {
		if err := samples.Extract(r.path(of)); err != nil {
			return err
		}
	}
	var addresses [5]string
	for i := range addresses {
		var err error
		if addresses[i], err = freeAddress(); err != nil {
			return err
		}
	}
	var err error
	r.recognizer, err = launch(r.dir, "recognizer", []string{
		"KNOWN_PEOPLE=" + r.path("r", "known"), "UNKNOWN_PEOPLE=" + r.path("r", "unknown"), "ROLLCALL_LISTEN_ADDRESS=" + addresses[0],
		"ROLLCALL_ADMIN_ADDRESS=" + addresses[1], "ROLLCALL_ENGINES=2", "ROLLCALL_GALLERY_REFRESH=1s", "OPENBLAS_NUM_THREADS=1",
	})
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(addresses[4])
	if err != nil {
		return err
	}
	r.rest = addresses[2]
	r.standalone, err = launch(r.dir, "standalone", []string{
		"ROLLCALL_LISTEN_ADDRESS=" + addresses[2], "ROLLCALL_ADMIN_ADDRESS=" + addresses[3], "FRONTEND_PORT=" + port, "ROLLCALL_ENGINES=1", "OPENBLAS_NUM_THREADS=1",
	}, "-ask=false", "-known", r.path("s", "known"), "-unknown", r.path("s", "unknown"), "-data", r.path("data"))
	if err != nil {
		return err
	}
	r.conn, err = grpc.NewClient(addresses[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	r.client = recognizerv1.NewRecognizerClient(r.conn)
	return errors.Join(r.until(ctx, "the recognizer is ready", r.recognizer, r.serving), r.until(ctx, "standalone is ready", r.standalone, r.posts))
}

func (r *rig) stop() error {
	var errs []error
	if r.conn != nil {
		errs = append(errs, r.conn.Close())
	}
	for _, p := range []*program{r.recognizer, r.standalone} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	return errors.Join(errs...)
}

// until waits for a condition, two minutes at most.
func (r *rig) until(ctx context.Context, what string, p *program, holds func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.gone:
			return fmt.Errorf("%s has ended; its log is in %s", p.name, r.dir)
		case <-ctx.Done():
			return fmt.Errorf("not so: %s: %w", what, err)
		case <-ticker.C:
		}
	}
}

func (r *rig) serving(ctx context.Context) error {
	res, err := healthpb.NewHealthClient(r.conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if err == nil && res.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		err = errors.New("not serving")
	}
	return err
}

// recognizes asks the recognizer about the good picture.
func (r *rig) recognizes(ctx context.Context) error {
	res, err := r.ask(ctx, canary)
	if err == nil && len(res.GetFaces()) == 0 {
		err = errors.New("no face was found in the good picture")
	}
	return err
}

func (r *rig) ask(ctx context.Context, path string) (*recognizerv1.RecognizeResponse, error) {
	return r.client.Recognize(ctx, &recognizerv1.RecognizeRequest{
		Picture: &recognizerv1.RecognizeRequest_Path{Path: path}, MaxDescriptorSize: 1 << 16,
	})
}

// posts posts the good picture to standalone.
func (r *rig) posts(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.rest+"/image/post", strings.NewReader(`{"path":"`+canary+`"}`))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("a good post was answered with %s", res.Status)
	}
	return nil
}

// result is a row of the table.
type result struct {
	name, of string
	err      error
	memory   peak
	took     time.Duration
	slowest  time.Duration
}

// run runs the attacks whose names match.
func (r *rig) run(ctx context.Context, only *regexp.Regexp) []result {
	var list []result
	for _, a := range r.attacks() {
		if ctx.Err() == nil && only.MatchString(a.name) {
			list = append(list, r.attack(ctx, a))
		}
	}
	return list
}

// attack runs one attack, with good pictures beside it and after it.
func (r *rig) attack(ctx context.Context, a attack) result {
	p, good, most := r.recognizer, r.recognizes, r.limits.recognizer
	if a.rest {
		p, good, most = r.standalone, r.posts, r.limits.standalone
	}
	res := result{name: a.name, of: p.name}
	memory := p.watchMemory()
	begin := time.Now()
	done := make(chan struct{})
	var beside sync.WaitGroup
	var worst error
	beside.Go(func() { res.slowest, worst = r.canaries(ctx, good, done) })
	attackCtx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	err := a.run(attackCtx)
	cancel()
	close(done)
	beside.Wait()
	res.took, res.memory = time.Since(begin), memory()
	if res.memory.all > most {
		err = errors.Join(err, fmt.Errorf("it took %d MiB of memory; the limit is %d", res.memory.all>>20, most>>20))
	}
	if !p.alive() {
		err = errors.Join(err, fmt.Errorf("%s has ended", p.name))
	}
	res.err = errors.Join(err, worst)
	return res
}

// canaries asks about good pictures until done is closed, and once more. It
// returns the longest wait, and the first failure.
func (r *rig) canaries(ctx context.Context, good func(context.Context) error, done <-chan struct{}) (slowest time.Duration, worst error) {
	for last := false; ; {
		begin := time.Now()
		asked, cancel := context.WithTimeout(ctx, r.limits.wait)
		err := good(asked)
		cancel()
		slowest = max(slowest, time.Since(begin))
		if err != nil && worst == nil {
			worst = fmt.Errorf("a good picture, after %v: %w", time.Since(begin).Round(time.Millisecond), err)
		}
		if last {
			return slowest, worst
		}
		select {
		case <-done:
			last = true
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// put writes a picture to the recognizer's folder and returns its path.
func (r *rig) put(name string, content []byte) (string, error) {
	return name, os.WriteFile(r.path("r", "unknown", name), content, 0o644)
}

// corpus returns the inputs of the repository's fuzz tests.
func (r *rig) corpus() (list [][]byte, err error) {
	err = filepath.WalkDir(r.corpora, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.Contains(name, "testdata/fuzz/") {
			return err
		}
		text, err := os.ReadFile(name)
		if err == nil {
			list = append(list, inputs(string(text))...)
		}
		return err
	})
	return list, err
}

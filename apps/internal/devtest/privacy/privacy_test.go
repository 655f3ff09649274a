package privacy

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/childproc"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/collector"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/metricnames"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/queuetest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

// telltale is in each name, path and secret of this test. Nothing else has it.
const telltale = "zilpah"

// rig is the four servers of Rollcall, as processes.
type rig struct {
	t              *testing.T
	dir            string // of the programs and the pictures
	known, unknown string
	settings       []string          // of all programs
	admin          map[string]string // host:port, by program
	api, page      string            // host:port
	store          *store.Store
	queue          *queuetest.Queue
	traces         *collector.Collector
}

// What an admin port says and what a trace has, in good and in bad times, is fit for people who may not know
// the people, the pictures and the secrets. It does not grow with the pictures.
func TestAdminPortsNameNobody(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it builds and runs four programs")
	}
	r := newRig(t)
	r.build()
	for _, name := range []string{"recognizer", "receiver", "frontend", "processor"} {
		r.start(name)
	}
	r.ready()
	r.use("one")
	r.use("two") // the first to post a picture again
	r.compareWithPage()
	before := r.inspect("in good times")
	for _, again := range []string{"three", "four"} {
		r.use(again)
	}
	for series := range r.inspect("after more pictures and people") {
		if !before[series] {
			t.Errorf("a series came with other pictures: %s", series)
		}
	}

	r.inspectTraces()
	r.queue.Command("channel/pause?topic=images&channel=ch")
	wait.Until(t, "the paused queue is told", func() bool { return strings.Contains(r.get("processor", "/readyz"), "paused") })
	r.inspect("while the queue is paused")
	if err := os.Rename(r.unknown, r.unknown+"-moved"); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the missing folder is told", func() bool { return strings.Contains(r.get("recognizer", "/readyz"), "UNKNOWN_PEOPLE") })
	r.inspect("while a folder is away")
}

// compareWithPage compares what each program exports with docs/metrics.md.
func (r *rig) compareWithPage() {
	r.t.Helper()
	listed, err := metricnames.Page()
	if err != nil {
		r.t.Fatal(err)
	}
	for name := range r.admin {
		metricnames.Await(r.t, name, listed, func() string { return r.get(name, "/metrics") })
	}
	for name, program := range map[string]string{ // those that come with the first look at something
		"rollcall_grouping_state": "processor", "rollcall_face_index_recognizers": "processor", "rollcall_queue_depth": "processor",
		"rollcall_queue_paused": "processor", "rollcall_images": "receiver", "rollcall_webhooks": "receiver", "rollcall_erasures_unverified": "receiver",
	} {
		wait.Until(r.t, program+" shows "+name, func() bool {
			_, ok := metricnames.Exported(r.get(program, "/metrics"))[name]
			return ok
		})
	}
}

func newRig(t *testing.T) *rig {
	t.Helper()
	// Its name is in every path.
	dir := filepath.Join(t.TempDir(), telltale)
	r := &rig{
		t: t, dir: dir, known: filepath.Join(dir, "known"), unknown: filepath.Join(dir, "unknown"), admin: map[string]string{},
		api: free(t), page: free(t), queue: queuetest.Start(t), traces: collector.Start(t),
	}
	if err := samples.Extract(dir); err != nil {
		t.Fatal(err)
	}
	db := mariadbtest.Database(t)
	models, err := modelset.SourceFolder()
	if err != nil {
		t.Fatal(err)
	}
	library, err := modelset.Settings{Library: os.Getenv("ROLLCALL_ONNXRUNTIME")}.FindLibrary()
	if err != nil {
		t.Fatal(err)
	}
	database := map[string]string{
		"MYSQL_CONNECTION": db.Host, "MYSQL_PORT": strconv.Itoa(db.Port), "MYSQL_DBNAME": db.Name,
		"MYSQL_USERPASSWORD": db.User + ":" + db.Password,
	}
	for name, value := range database {
		r.settings = append(r.settings, name+"="+value)
	}
	r.settings = append(r.settings,
		"ROLLCALL_GRPC_TOKEN=the-token-of-"+telltale, "ROLLCALL_MODELS="+models, "ROLLCALL_ONNXRUNTIME="+library, "ROLLCALL_ENGINES=1",
		"ROLLCALL_GALLERY_REFRESH=200ms", "KNOWN_PEOPLE="+r.known, "UNKNOWN_PEOPLE="+r.unknown,
		"NSQ_LOOKUP_ADDRESS="+r.queue.Lookupd(), "PRODUCER_ADDRESS="+r.queue.NSQD(), "OTEL_EXPORTER_OTLP_ENDPOINT="+r.traces.URL)
	r.openStore(config.Map(database))
	for i, person := range []string{"Ada", "Bruno", "Clara"} {
		r.move(filepath.Join("known", person), filepath.Join("known", fmt.Sprintf("%s %d", telltale, i)))
	}
	return r
}

func (r *rig) openStore(env config.Lookup) {
	r.t.Helper()
	reader := config.NewReader(env)
	cfg := config.ReadDatabase(reader)
	if err := reader.Err(); err != nil {
		r.t.Fatal(err)
	}
	var err error
	if r.store, err = store.OpenMySQL(cfg); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { r.store.Close() })
	if _, err := r.store.Migrate(r.t.Context(), r.unknown); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) move(from, to string) {
	r.t.Helper()
	if err := os.Rename(filepath.Join(r.dir, from), filepath.Join(r.dir, to)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) build() {
	r.t.Helper()
	args := []string{"build", "-o", r.dir + string(filepath.Separator)}
	for _, name := range []string{"receiver", "processor", "recognizer", "frontend"} {
		args = append(args, "github.com/rollcall-faces/rollcall/apps/"+name)
	}
	if out, err := exec.CommandContext(r.t.Context(), "go", args...).CombinedOutput(); err != nil {
		r.t.Fatalf("build: %v\n%s", err, out)
	}
}

// start starts a program. It is stopped when the test ends.
func (r *rig) start(name string) {
	r.t.Helper()
	r.admin[name] = free(r.t)
	env := append(os.Environ(), r.settings...)
	env = append(env, "ROLLCALL_ADMIN_ADDRESS="+r.admin[name])
	switch name {
	case "receiver":
		env = append(env, "ROLLCALL_LISTEN_ADDRESS="+r.api)
	case "frontend":
		_, port, _ := strings.Cut(r.page, ":")
		env = append(env, "ROLLCALL_FRONTEND_HOST=127.0.0.1", "FRONTEND_PORT="+port)
	case "recognizer":
		address := free(r.t)
		r.settings = append(r.settings, "GRPC_ADDRESS="+address)
		env = append(env, "ROLLCALL_LISTEN_ADDRESS="+address)
	}
	cmd := exec.Command(filepath.Join(r.dir, name)) //nolint:noctx // it is stopped by a signal
	cmd.Env, cmd.Stdout, cmd.Stderr = env, r.t.Output(), r.t.Output()
	p, err := childproc.Start(cmd)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_ = p.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-p.Done():
		case <-time.After(40 * time.Second):
			_ = p.Kill()
		}
	})
}

// ready waits until all programs are ready.
func (r *rig) ready() {
	r.t.Helper()
	for name := range r.admin {
		wait.Until(r.t, name+" is ready", func() bool { return strings.Contains(r.get(name, "/readyz"), `"status":"ready"`) })
	}
}

// use does what people do, and what they had better not do. All names have the
// telltale and word.
func (r *rig) use(word string) {
	r.t.Helper()
	person := telltale + " " + word
	r.enrol(person)
	names := []string{"absent.jpg", "../outside.jpg"}
	for i := range 3 {
		name := fmt.Sprintf("%s-%s-%d.jpg", telltale, word, i)
		r.copySample(fmt.Sprintf("unknown%04d.jpg", i+1), filepath.Join(r.unknown, telltale, name))
		names = append(names, filepath.Join(telltale, name))
	}
	broken := telltale + "-" + word + "-broken.jpg"
	for _, name := range []string{filepath.Join(r.unknown, broken), filepath.Join(r.known, person, broken)} {
		if err := os.WriteFile(name, []byte("no picture of "+person), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	r.post(append(names, broken))
	for _, url := range []string{
		r.api + "/" + person, r.api + "/api/v1/images?person=" + person, r.api + "/api/v1/images?" + person + "=1", r.api + "/api/v1/images/" + person,
		r.page + "/?person=" + person, r.page + "/?" + person + "=1", r.page + "/" + person + "/", r.page + "/images/1", r.page + "/images/" + person,
	} {
		r.ask(http.MethodGet, "http://"+strings.ReplaceAll(url, " ", "%20"))
	}
	r.ask(strings.ToUpper(telltale+word), "http://"+r.api+"/image/post")
	wait.Until(r.t, "the broken known picture is found", func() bool {
		return strings.Contains(r.get("recognizer", "/metrics"), "rollcall_known_picture_problems_by_kind")
	})
}

// enrol adds a known person whose pictures are Emil's.
func (r *rig) enrol(person string) {
	r.t.Helper()
	wanted := map[string]string{}
	folders, err := filepath.Glob(filepath.Join(r.known, telltale+"*"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, folder := range append(folders, filepath.Join(r.known, person)) {
		name := filepath.Base(folder)
		r.copySample("../known/Emil/1.jpg", filepath.Join(folder, telltale+".jpg"))
		for _, picture := range []string{"1.jpg", "2.jpg", "3.jpg", telltale + ".jpg"} {
			wanted[name+"/"+picture] = name
		}
	}
	if _, err := r.store.SyncKnownImages(r.t.Context(), wanted, func(string) bool { return true }); err != nil {
		r.t.Fatal(err)
	}
}

// copySample copies a picture; sample is relative to the samples' unknown/.
func (r *rig) copySample(sample, to string) {
	r.t.Helper()
	file, err := samples.Files().Open(filepath.Join("unknown", sample))
	if err != nil {
		r.t.Fatal(err)
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, content, 0o644)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// post posts pictures and waits for their outcomes.
func (r *rig) post(names []string) {
	r.t.Helper()
	c := client.New("http://" + r.api)
	entries, err := c.PostImages(r.t.Context(), names...)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Error != nil {
			continue
		}
		wait.Until(r.t, entry.Path+" has an outcome", func() bool {
			img, err := c.GetImage(r.t.Context(), entry.ID)
			return err == nil && img.Reason != api.ReasonQueued && img.Status != api.StatusProcessing
		})
	}
}

// get returns what an admin port says, and nothing while it is closed.
func (r *rig) get(program, path string) string {
	r.t.Helper()
	return r.ask(http.MethodGet, "http://"+r.admin[program]+path)
}

func (r *rig) ask(method, url string) string {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Close = true // an idle connection would hold up the stop
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return ""
	}
	return string(text)
}

var (
	// aPath matches an absolute path of two folders or more, also on Windows.
	aPath = regexp.MustCompile(`(^|["' =(])(/[\w.-]+){2,}|[A-Z]:\\`)
	// credentials matches user:password@.
	credentials = regexp.MustCompile(`[\w.-]+:[^\s/@"]+@`)
	// aPicture matches the name of a file with a picture.
	aPicture = regexp.MustCompile(`(?i)\w\.(jpe?g|png|webp|tiff?|heic|avif)\b`)
)

// inspect looks at everything that the admin ports say. It returns the names and labels
// of all series.
func (r *rig) inspect(when string) map[string]bool {
	r.t.Helper()
	series := map[string]bool{}
	for name := range r.admin {
		for _, path := range []string{"/healthz", "/readyz", "/readyz?verbose", "/nothing", "/metrics"} {
			text := r.get(name, path)
			if text == "" {
				r.t.Errorf("%s: %s of %s says nothing", when, path, name)
			}
			for line := range strings.Lines(text) {
				if strings.HasPrefix(line, "# HELP go_") {
					continue // the library's own words, such as /gc/heap/goal
				}
				if what := leak(line); what != "" {
					r.t.Errorf("%s: %s of %s has %s: %s", when, path, name, what, line)
				}
			}
			if path == "/metrics" {
				maps.Copy(series, seriesOf(name, text))
			}
		}
	}
	return series
}

// inspectTraces looks at all that the programs sent. There are whole traces over three
// programs.
func (r *rig) inspectTraces() {
	r.t.Helper()
	wait.Until(r.t, "a whole trace over three programs", func() bool {
		traces := map[string][]collector.Span{}
		for _, s := range r.traces.Spans() {
			traces[s.Trace] = append(traces[s.Trace], s)
		}
		for _, spans := range traces {
			if collector.IsWhole(spans) && len(collector.Services(spans)) == 3 {
				return true
			}
		}
		return false
	})
	text := r.traces.Text()
	if strings.Contains(strings.ToLower(text), telltale) || strings.Contains(text, r.dir) {
		r.t.Error("a trace has a name, a path or a secret")
	}
	if picture := aPicture.FindString(text); picture != "" {
		r.t.Errorf("a trace has the name of a picture: %s", picture)
	}
}

// leak says what a line has that it should not have, and nothing if it is clean.
func leak(line string) string {
	bare := strings.NewReplacer(`route="/`, `route="`).Replace(line) // patterns such as /api/v1/images/:id
	switch {
	case strings.Contains(strings.ToLower(line), telltale):
		return "a name, a path or a secret"
	case aPath.MatchString(bare), aPicture.MatchString(line):
		return "a path"
	case credentials.MatchString(line):
		return "a login"
	}
	return ""
}

func TestLeak(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		`rollcall_faces_total{person="Zilpah"} 1`:                                    true,
		`rollcall_pictures_total{path="/unknown_people/a/1"} 1`:                      true,
		`{"problem":"open /var/lib/rollcall: permission denied"}`:                    true,
		`rollcall_pictures_total{picture="holiday.JPG"} 1`:                           true,
		`{"problem":"dial mysql://root:hunter2@db:3306"}`:                            true,
		`{"problem":"connect as root:hunter2@tcp(db:3306)"}`:                         true,
		`{"problem":"C:\\pictures"}`:                                                 true,
		`rollcall_http_request_seconds_count{code="200",route="/api/v1/images/:id"}`: false,
		`rollcall_build_info{go="go1.26.1",version="0.2.0-dev"} 1`:                   false,
		`{"status":"ready","model":"yunet-2","checks":[{"name":"database"}]}`:        false,
		`{"queue":"resume it: curl -X POST 'http://10.0.0.3:4151/topic/unpause'"}`:   false,
		`rollcall_worklist_length{list="received"} 0`:                                false,
	} {
		if got := leak(line); (got != "") != want {
			t.Errorf("%s: got %q", line, got)
		}
	}
}

// seriesOf returns the series in the text of metrics, without their values. Counters
// of one program are not those of another.
func seriesOf(program, text string) map[string]bool {
	series := map[string]bool{}
	for line := range strings.Lines(text) {
		name, _, ok := strings.Cut(line, "} ")
		if ok && strings.HasPrefix(line, "rollcall_") {
			series[program+" "+name] = true
		}
	}
	return series
}

// free returns an address of the loopback interface that is free now.
func free(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.WithoutCancel(t.Context()), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

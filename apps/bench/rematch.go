package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	"github.com/rollcall-faces/rollcall/apps/internal/rematch"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// strangersShare: one in this many of the known people is added as a
	// stranger. Strangers have as many faces as known people, and some become
	// known later.
	strangersShare = 10
	// picturesOfOne is the number of pictures in one person's folder.
	picturesOfOne = 10
	// manyShare: one in this many of the known people become known at once in
	// the measurement with many changes.
	manyShare = 100

	targetFull = time.Minute
	targetOne  = 10 * time.Second
)

var benchModel = faces.Model{ID: "bench", Size: benchSize, Threshold: 0.6, Margin: 0.05}

// rematchBench measures re-matching of stored faces in a real MariaDB against
// the known pictures of a real recognizer, all on this machine.
type rematchBench struct {
	dir    string
	out    io.Writer
	log    *slog.Logger
	crowd  *crowd
	known  int
	store  *store.Store
	raw    *sql.DB
	client *recognizerclient.Client
	wanted map[string]string // picture → person
}

func benchRematch(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &rematchBench{
		dir: dir, out: out, known: o.knownPeople, wanted: map[string]string{},
		log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	b.crowd = newCrowd(rnd, b.known+b.known/strangersShare)
	server, err := mariadbtest.Start(ctx, filepath.Join(dir, "mariadb"), nil)
	if err != nil {
		return err
	}
	defer server.Close()
	if err := b.open(ctx, server); err != nil {
		return err
	}
	defer b.raw.Close()
	defer b.store.Close()
	for i := range b.known {
		if err := b.add(i, 1); err != nil {
			return err
		}
	}
	if err := b.enrol(ctx); err != nil {
		return err
	}
	stop, err := b.startRecognizer(ctx)
	if err != nil {
		return err
	}
	defer stop()
	begin := time.Now()
	if err := b.fill(ctx, rnd, o.storedFaces); err != nil {
		return fmt.Errorf("fill the tables: %w", err)
	}
	fmt.Fprintf(os.Stderr, "filled in %s\n", time.Since(begin).Round(time.Second))
	return b.measure(ctx)
}

func (b *rematchBench) open(ctx context.Context, server *mariadbtest.Server) error {
	const name = "rematch"
	if err := server.CreateDatabase(ctx, name); err != nil {
		return err
	}
	r := config.NewReader(config.Map(map[string]string{
		"MYSQL_CONNECTION": "127.0.0.1", "MYSQL_PORT": strconv.Itoa(server.Port()), "MYSQL_DBNAME": name,
		"MYSQL_USERPASSWORD": server.User() + ":" + server.Password(),
	}))
	cfg := config.ReadDatabase(r)
	if err := r.Err(); err != nil {
		return err
	}
	var err error
	if b.store, err = store.OpenMySQL(cfg); err != nil {
		return err
	}
	if _, err = b.store.Migrate(ctx, "/unknown_people"); err != nil {
		return err
	}
	dsn := mariadbtest.DB{Host: cfg.Host, Port: cfg.Port, Name: name, User: server.User(), Password: server.Password()}.DSN()
	b.raw, err = sql.Open("mysql", dsn)
	return err
}

// add writes a person's known pictures. Call enrol to make rows of them.
func (b *rematchBench) add(person, pictures int) error {
	for n := range pictures {
		file := filepath.Join(b.dir, "known", pictureName(person, n))
		raw, err := knownPicture(person, n)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(file), 0o755)
		}
		if err == nil {
			err = os.WriteFile(file, raw, 0o644)
		}
		if err != nil {
			return err
		}
		b.wanted[pictureName(person, n)] = personName(person)
	}
	return nil
}

func (b *rematchBench) remove(person, pictures int) error {
	for n := range pictures {
		delete(b.wanted, pictureName(person, n))
	}
	return os.RemoveAll(filepath.Join(b.dir, "known", personName(person)))
}

func (b *rematchBench) enrol(ctx context.Context) error {
	_, err := b.store.SyncKnownImages(ctx, b.wanted, func(string) bool { return true })
	return err
}

// startRecognizer serves a recognizer over TCP, as in a cluster.
func (b *rematchBench) startRecognizer(ctx context.Context) (stop func(), err error) {
	unknown := filepath.Join(b.dir, "unknown")
	if err := os.MkdirAll(unknown, 0o755); err != nil {
		return nil, err
	}
	r, err := recognizer.New(recognizer.Options{
		KnownPeople: filepath.Join(b.dir, "known"), UnknownPeople: unknown, Engines: runtime.NumCPU(),
		MaxPixels: picture.Defaults().MaxPixels, Refresh: 10 * time.Second,
	}, benchModel, func() (engine.Engine, error) { return numberEngine{b.crowd}, nil }, kernel.New(), b.log, prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	part := recognizer.NewServer(r, nil, b.log).Part(func() (net.Listener, error) { return listener, nil })
	r.Start()
	if err := part.Start(ctx, func(err error) { b.log.Error("the recognizer ended", "error", err) }); err != nil {
		return nil, err
	}
	b.client, err = recognizerclient.Dial(recognizerclient.Options{Address: listener.Addr().String(), Timeout: time.Minute})
	if err != nil {
		return nil, err
	}
	for begin := time.Now(); r.Ready(ctx) != nil; time.Sleep(100 * time.Millisecond) {
		if time.Since(begin) > 5*time.Minute {
			return nil, fmt.Errorf("the recognizer is not ready: %w", r.Ready(ctx))
		}
	}
	return func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		b.client.Close()
		_ = part.Stop(end)
		_ = r.Close(end)
	}, nil
}

// fill inserts answered images with LOAD DATA. Three in four have one face, the
// others two.
func (b *rematchBench) fill(ctx context.Context, rnd *rand.Rand, count int) error {
	_, gallery, err := b.client.GalleryInUse(ctx)
	if err != nil {
		return err
	}
	if err := b.store.UseModel(ctx, benchModel); err != nil {
		return err
	}
	people, err := b.store.People(ctx)
	if err != nil {
		return err
	}
	ids := map[string]int64{}
	for _, p := range people {
		ids[p.Name] = p.ID
	}
	// The faces come first, by image. Their outcome is kept for the image's
	// row.
	type outcome struct {
		person int64
		name   string
	}
	var images []outcome
	err = b.load(ctx, "faces", "faces (image_id, position, x, y, width, height, landmarks, @d, model, reason, best_person_id, best_distance, "+
		"matched_image, second_person_id, second_distance, second_image, gallery) "+
		"SET descriptor = UNHEX(@d), created_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR", func(w io.Writer) error {
		for n := 0; n < count; {
			of := outcome{person: faces.NoPerson}
			faceCount := 1 + len(images)%4/3
			for position := range min(faceCount, count-n) {
				person := rnd.IntN(len(b.crowd.centres))
				d := b.crowd.face(rnd, person)
				reason, best, distance, matched := faces.UnknownPerson, faces.NoPerson, 0.0, ""
				if person < b.known {
					best, matched = ids[personName(person)], pictureName(person, 0)
					distance = d.Distance(b.crowd.centres[person])
					if distance <= benchModel.Threshold {
						reason = faces.Identified
						of = outcome{person: best, name: personName(person)}
					}
				}
				_, err := fmt.Fprintf(w, "%d\t%d\t%d\t10\t80\t80\t[]\t%s\t%s\t%s\t%d\t%v\t%s\t-1\t0\t\t%s\n", len(images)+1, position, 100*position,
					hex.EncodeToString(d.Bytes()), benchModel.ID, reason, best, distance, matched, gallery)
				if err != nil {
					return err
				}
				n++
			}
			images = append(images, of)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.load(ctx, "images", "images (id, path, person, status, reason, detail, width, height, model)", func(w io.Writer) error {
		for i, of := range images {
			reason := faces.UnknownPerson
			if of.person != faces.NoPerson {
				reason = faces.Identified
			}
			_, err := fmt.Fprintf(w, "%d\t/unknown_people/album-%04d/picture-%07d.jpg\t%d\t%d\t%s\t%s\t800\t600\t%s\n",
				i+1, i/1000, i, of.person, int(reason.Status()), reason, of.name, benchModel.ID)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// load inserts tab-separated rows into a table.
func (b *rematchBench) load(ctx context.Context, name, into string, write func(w io.Writer) error) error {
	mysql.RegisterReaderHandler(name, func() io.Reader {
		r, w := io.Pipe()
		go func() {
			buffered := bufio.NewWriterSize(w, 1<<20)
			err := write(buffered)
			if err == nil {
				err = buffered.Flush()
			}
			w.CloseWithError(err)
		}()
		return r
	})
	defer mysql.DeregisterReaderHandler(name)
	_, err := b.raw.ExecContext(ctx, "LOAD DATA LOCAL INFILE 'Reader::"+name+"' INTO TABLE "+into[:strings.Index(into, " ")]+
		" CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' "+into[strings.Index(into, " "):])
	return err
}

func (b *rematchBench) measure(ctx context.Context) error {
	fmt.Fprintln(b.out, "\n| what | faces looked at | images changed | from the change to the end | of it the job | target | CPU |")
	fmt.Fprintln(b.out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	automatic := rematch.Defaults()
	done := b.run(automatic)
	defer func() { _ = done(context.WithoutCancel(ctx)) }() // a second stop does nothing
	stranger := b.known                                     // the first stranger
	for _, step := range []struct {
		what   string
		target time.Duration
		change func() error
	}{
		{"all against all, nothing changes (the first time)", targetFull, func() error { return nil }},
		{"one person added, " + strconv.Itoa(picturesOfOne) + " pictures", targetOne, func() error { return b.add(stranger, picturesOfOne) }},
		{"that person removed", targetOne, func() error { return b.remove(stranger, picturesOfOne) }},
	} {
		if err := b.step(ctx, step.what, step.target, step.change); err != nil {
			return err
		}
	}
	if err := done(ctx); err != nil {
		return err
	}
	asked := automatic
	asked.Mode = rematch.ModeOff
	done = b.run(asked)
	err := b.step(ctx, fmt.Sprintf("all against all, %d people added", b.known/manyShare), targetFull, func() error {
		for i := range b.known / manyShare {
			if err := b.add(stranger+i, 1); err != nil {
				return err
			}
		}
		if err := b.enrol(ctx); err != nil {
			return err
		}
		if err := b.settle(ctx); err != nil {
			return err
		}
		_, err := b.store.RequestRematch(ctx, history.CauseRequest, true, true)
		return err
	})
	if err != nil {
		return err
	}
	return nil
}

// settle waits until the recognizer has noticed a change.
func (b *rematchBench) settle(ctx context.Context) error {
	for {
		set, err := b.client.KnownPictures(ctx)
		changing := faces.ErrorCode(err) == faces.CodeConflict
		if err != nil && !changing || err == nil && len(set.Pictures) == len(b.wanted) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (b *rematchBench) run(o rematch.Options) (stop func(context.Context) error) {
	r := rematch.New(b.store, b.client, "bench", o, b.log, prometheus.NewRegistry())
	r.Start()
	return r.Stop
}

func (b *rematchBench) step(ctx context.Context, what string, target time.Duration, change func() error) error {
	before, err := b.latest(ctx)
	if err != nil {
		return err
	}
	cpu, err := familyTime()
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := change(); err != nil {
		return err
	}
	if err := b.enrol(ctx); err != nil {
		return err
	}
	for {
		job, err := b.latest(ctx)
		switch {
		case err != nil:
			return err
		case job.ID > before.ID && job.State == history.Applied:
			took := job.Finished.Sub(job.Started)
			spent, err := familyTime()
			fmt.Fprintf(b.out, "| %s | %d | %d | %.1f s | %.1f s | < %.0f s | %.1f s |\n", what, job.Faces, job.Images,
				time.Since(begin).Seconds(), took.Seconds(), target.Seconds(), (spent - cpu).Seconds())
			return err
		case job.ID > before.ID && job.State == history.Failed:
			return fmt.Errorf("re-match %d is %s: %s", job.ID, job.State, job.Detail)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (b *rematchBench) latest(ctx context.Context) (history.Job, error) {
	list, err := b.store.Rematches(ctx, 0, 1)
	if err != nil || len(list) == 0 {
		return history.Job{}, err
	}
	return list[0], nil
}

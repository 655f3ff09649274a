package walk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

const (
	poll           = 500 * time.Millisecond
	requestTimeout = 30 * time.Second
)

func httpClient() *http.Client { return &http.Client{Timeout: requestTimeout} }

// final is an error that waiting does not mend.
type final struct{ error }

// eventually calls ok until it succeeds or patience is over. missing says what
// it is waiting for.
func eventually(ctx context.Context, patience time.Duration, ok func(context.Context) (missing string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		missing, err := ok(ctx)
		if err == nil && missing == "" {
			return nil
		}
		if errors.As(err, new(final)) {
			return err
		}
		select {
		case <-ctx.Done():
			if err != nil {
				missing = err.Error()
			}
			return fmt.Errorf("after %s: %s", patience, missing)
		case <-time.After(poll):
		}
	}
}

// askSamples enrols the sample people, posts the sample pictures and compares
// the answers, in the API and on the dashboard, with the expected ones.
func (w *Walk) askSamples(ctx context.Context) error {
	if err := w.enrolSamples(ctx); err != nil {
		return err
	}
	expected, err := samples.Expected()
	if err != nil {
		return err
	}
	pictures := slices.Sorted(maps.Keys(expected))
	posted, err := w.api.PostImages(ctx, pictures...)
	if err != nil {
		return err
	}
	for i, img := range posted {
		if img.ID == 0 {
			return fmt.Errorf("%s was not accepted: %+v", pictures[i], img.Error)
		}
		w.accepted[img.ID] = true
	}
	for i, img := range posted {
		if err := w.checkSample(ctx, img.ID, pictures[i], expected[pictures[i]]); err != nil {
			return fmt.Errorf("%s: %w", pictures[i], err)
		}
	}
	return w.checkDashboard(ctx, expected)
}

// enrolSamples copies the pictures into the volumes, inserts the people into
// the database, as users of the original do, and waits until the recognizers
// know them.
func (w *Walk) enrolSamples(ctx context.Context) error {
	image, err := w.kube.run(ctx, "get", "deployment/receiver", `--output=jsonpath={.spec.template.spec.initContainers[?(@.name=="nsqd")].image}`)
	if err != nil {
		return err
	}
	if err := w.addPod(ctx, filesPod, fmt.Sprintf(filesPodYAML, image)); err != nil {
		return err
	}
	known, unknown, err := w.putSamples(ctx)
	if err != nil {
		return fmt.Errorf("put the sample pictures into the volumes: %w", err)
	}
	statements, people, err := enrolment()
	if err != nil {
		return err
	}
	if _, err := w.kube.sql(ctx, statements); err != nil {
		return err
	}
	w.say("%d people with %d known pictures enrolled, %d pictures to recognize", people, known, unknown)
	return w.recognizersKnow(ctx, known)
}

// enrolment returns the SQL statements that insert the sample people.
func enrolment() (statements string, people int, err error) {
	folders, err := fs.ReadDir(samples.Files(), "known")
	if err != nil {
		return "", 0, err
	}
	var sql strings.Builder
	for _, folder := range folders {
		name := folder.Name()
		fmt.Fprintf(&sql, "INSERT INTO person (name) SELECT '%s' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM person WHERE name = '%[1]s');\n", name)
		files, err := fs.ReadDir(samples.Files(), path.Join("known", name))
		if err != nil {
			return "", 0, err
		}
		for _, f := range files {
			fmt.Fprintf(&sql, "INSERT INTO person_images (image_name, person_id) SELECT '%s', id FROM person WHERE name = '%s';\n", path.Join(name, f.Name()), name)
		}
	}
	return sql.String(), len(folders), nil
}

var knownPictures = regexp.MustCompile(`(?m)^rollcall_known_pictures (\d+)$`)

// recognizersKnow waits until every recognizer has described the known pictures.
func (w *Walk) recognizersKnow(ctx context.Context, pictures int) error {
	return eventually(ctx, w.opts.Patience, func(ctx context.Context) (string, error) {
		pods, err := w.kube.list(ctx, "{.items[*].metadata.name}", "pods", "--selector=app.kubernetes.io/name=recognizer")
		if err != nil {
			return "", err
		}
		for _, pod := range pods {
			text, err := get(ctx, w.kube.pod(pod, 9002)+"/metrics")
			if err != nil {
				return "", err
			}
			found := knownPictures.FindStringSubmatch(text)
			if found == nil || found[1] != fmt.Sprint(pictures) {
				return fmt.Sprintf("%s knows %v of %d pictures", pod, found, pictures), nil
			}
		}
		return "", nil
	})
}

func get(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	res, err := httpClient().Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.200s", address, res.Status, text)
	}
	return string(text), err
}

// peopleIn returns the names of the people in an image, each once.
func peopleIn(img api.ImageDetail) []string {
	names := []string{}
	for _, f := range img.Faces {
		if f.Person != nil {
			names = append(names, f.Person.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (w *Walk) checkSample(ctx context.Context, id int64, picture string, want samples.Expectation) error {
	var got api.ImageDetail
	err := eventually(ctx, w.opts.Patience, func(ctx context.Context) (string, error) {
		var err error
		got, err = w.api.GetImage(ctx, id)
		if got.Waits() {
			return "it still waits", err
		}
		return "", err
	})
	if err != nil {
		return err
	}
	people := peopleIn(got)
	if string(got.Reason) != want.Reason || !slices.Equal(people, want.People) || len(got.Faces) != want.Faces {
		return fmt.Errorf("got %s %q with %d face(s), want %s %q with %d", got.Reason, people, len(got.Faces), want.Reason, want.People, want.Faces)
	}
	w.say("%s: %s %s", picture, got.Reason, strings.Join(people, ", "))
	return nil
}

// checkDashboard checks that the dashboard shows every picture and every
// person.
func (w *Walk) checkDashboard(ctx context.Context, expected map[string]samples.Expectation) error {
	page, err := get(ctx, w.kube.service("frontend", 8081)+"/")
	if err != nil {
		return err
	}
	people := map[string]bool{}
	for picture, want := range expected {
		if !strings.Contains(page, picture) {
			return fmt.Errorf("the dashboard does not show %s", picture)
		}
		for _, name := range want.People {
			people[name] = true
			if !strings.Contains(page, name) {
				return fmt.Errorf("the dashboard does not show %s", name)
			}
		}
	}
	w.say("the dashboard shows %d pictures and %s", len(expected), strings.Join(slices.Sorted(maps.Keys(people)), ", "))
	return nil
}

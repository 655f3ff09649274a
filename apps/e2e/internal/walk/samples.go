package walk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/e2e/internal/answers"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

const (
	// Most looks of eventually start kubectl, which takes a tenth of a second of a processor,
	// and all lanes share two of them. So a pause is idle times as long as the look before it,
	// within these limits.
	idle             = 5
	minPoll, maxPoll = 500 * time.Millisecond, 3 * time.Second

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
		start := time.Now()
		missing, err := ok(ctx)
		if err == nil && missing == "" {
			return nil
		}
		if errors.As(err, new(final)) {
			return err
		}
		pause := min(max(minPoll, idle*time.Since(start)), maxPoll)
		select {
		case <-ctx.Done():
			if err != nil {
				missing = strings.TrimPrefix(missing+"; "+err.Error(), "; ")
			}
			return fmt.Errorf("after %s: %s", patience, missing)
		case <-time.After(pause):
		}
	}
}

// askSamples enrols the sample people, posts the sample pictures and compares
// the answers, in the API and on the dashboard, with the expected ones.
func (w *Walk) askSamples(ctx context.Context) error {
	if w.there {
		return w.addFilesPod(ctx)
	}
	if err := w.enrolSamples(ctx, true); err != nil {
		return err
	}
	expected, err := samples.Expected()
	if err != nil {
		return err
	}
	if err := w.postSamples(ctx, expected); err != nil {
		return err
	}
	return w.checkDashboard(ctx, expected)
}

// postSamples posts the sample pictures and waits for the expected answers.
func (w *Walk) postSamples(ctx context.Context, expected map[string]samples.Expectation) error {
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
	return nil
}

// enrolSamples enrols the sample people with the commands of the first page, which
// also ask about a picture, and waits until the recognizers know them. apply says
// whether the command that deploys everything runs, too.
func (w *Walk) enrolSamples(ctx context.Context, apply bool) error {
	if err := w.firstCommands(ctx, apply); err != nil {
		return err
	}
	known, err := fs.Glob(samples.Files(), "known/*/*.jpg")
	if err != nil {
		return err
	}
	w.say("%d known pictures are enrolled", len(known))
	if err := w.recognizersKnow(ctx, len(known)); err != nil {
		return err
	}
	return w.addFilesPod(ctx)
}

// addFilesPod starts the pod with the volumes.
func (w *Walk) addFilesPod(ctx context.Context) error {
	image, err := w.kube.run(ctx, "get", "deployment/receiver", `--output=jsonpath={.spec.template.spec.initContainers[?(@.name=="nsqd")].image}`)
	if err != nil {
		return err
	}
	return w.addPod(ctx, filesPod, fmt.Sprintf(filesPodYAML, image))
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

// checkSample waits for the expected answer. One that was given before the
// recognizers knew everybody is corrected by itself.
func (w *Walk) checkSample(ctx context.Context, id int64, picture string, want samples.Expectation) error {
	return eventually(ctx, w.opts.Patience, func(ctx context.Context) (string, error) {
		got, err := w.api.GetImage(ctx, id)
		if err != nil || got.Waits() {
			return "it still waits", err
		}
		if wrong := answers.Difference(got, want); wrong != "" {
			return wrong, nil
		}
		w.say("%s: %s %s", picture, got.Reason, strings.Join(answers.PeopleIn(got), ", "))
		return "", nil
	})
}

// checkDashboard checks that the dashboard shows every picture and every
// person.
func (w *Walk) checkDashboard(ctx context.Context, expected map[string]samples.Expectation) error {
	page, err := w.dashboard(ctx)
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

package walk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// questions is how many answers the drill compares.
const questions = 200

// drill takes a backup by the CronJob of the component backup, empties database and known
// people, restores them by a job, and compares what the receiver answers.
func (w *Walk) drill(ctx context.Context) error {
	d := allAt(w.first())
	d.availability, d.backup = true, true
	if err := w.applyAndWait(ctx, d); err != nil {
		return err
	}
	if err := w.postMore(ctx); err != nil {
		return err
	}
	asked := w.questions()
	before, err := w.answers(ctx, asked)
	if err != nil {
		return err
	}
	if err := w.finishJob(ctx, "backup"); err != nil {
		return err
	}
	replicas, err := w.stopPrograms(ctx)
	if err != nil {
		return err
	}
	if err := w.loseEverything(ctx); err != nil {
		return err
	}
	if err := w.finishJob(ctx, "restore"); err != nil {
		return err
	}
	if err := w.startPrograms(ctx, replicas); err != nil {
		return err
	}
	return w.compareAnswers(ctx, asked, before)
}

// postMore posts pictures until there are enough questions, and waits for their answers.
func (w *Walk) postMore(ctx context.Context) error {
	if len(w.accepted) >= questions {
		return nil
	}
	expected, err := samples.Expected()
	if err != nil {
		return err
	}
	if err := w.addFilesPod(ctx); err != nil {
		return err
	}
	if err := w.linkLoad(ctx, slices.Sorted(maps.Keys(expected))); err != nil {
		return err
	}
	paths := make([]string, questions-len(w.accepted))
	for i := range paths {
		paths[i] = fmt.Sprintf("load/%05d.jpg", i)
	}
	posted, err := w.api.PostImages(ctx, paths...)
	if err != nil {
		return err
	}
	for _, img := range posted {
		w.accepted[img.ID] = true
	}
	return eventually(ctx, w.opts.Patience, func(ctx context.Context) (string, error) {
		_, missing, waiting, err := w.outcomes(ctx)
		if n := len(missing) + len(waiting); n > 0 {
			return fmt.Sprintf("%d of %d pictures have no answer", n, len(w.accepted)), err
		}
		return "", err
	})
}

// questions returns addresses that the receiver is asked.
func (w *Walk) questions() []string {
	list := []string{"/api/v1/people?limit=100", "/api/v1/images?limit=100", "/api/v1/images?status=processed&limit=100", "/api/v1/images?reason=no_face&limit=100", "/api/v1/users", "/api/v1/keys", "/api/v1/audit"}
	for _, id := range slices.Sorted(maps.Keys(w.accepted)) {
		if len(list) == questions {
			break
		}
		list = append(list, fmt.Sprintf("/api/v1/images/%d", id))
	}
	return list
}

func (w *Walk) answers(ctx context.Context, addresses []string) (map[string]string, error) {
	client := &http.Client{Timeout: requestTimeout, Transport: &w.key}
	found := map[string]string{}
	for _, address := range addresses {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.kube.service("receiver", 8000)+address, nil)
		if err != nil {
			return nil, err
		}
		res, err := client.Do(req)
		if err != nil {
			return nil, fmt.Errorf("ask %s: %w", address, err)
		}
		text, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil {
			return nil, fmt.Errorf("ask %s: %w", address, err)
		}
		if res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("ask %s: %s: %.200s", address, res.Status, text)
		}
		found[address] = string(text)
	}
	return found, nil
}

// finishJob runs the job of a CronJob to its end, and prints what it says.
func (w *Walk) finishJob(ctx context.Context, cronJob string) error {
	name := fmt.Sprintf("%s-e2e-%d", cronJob, time.Now().Unix())
	if err := w.runJob(ctx, name, cronJob); err != nil {
		return err
	}
	_, waited := w.kube.run(ctx, "wait", "--for=condition=Complete", "job/"+name, "--timeout="+w.opts.Patience.String())
	log, err := w.kube.run(ctx, "logs", "job/"+name)
	for line := range strings.Lines(log) {
		w.say("%s", strings.TrimSpace(line))
	}
	return errors.Join(waited, err)
}

// stopPrograms stops all that uses the database, and returns how many replicas there were.
func (w *Walk) stopPrograms(ctx context.Context) (replicas map[string]string, err error) {
	found, err := w.kube.list(ctx, `{range .items[*]}{.metadata.name}={.spec.replicas}{"\n"}{end}`, "deployments", "--selector=app.kubernetes.io/part-of=rollcall")
	if err != nil {
		return nil, err
	}
	replicas = map[string]string{}
	for _, line := range found {
		name, n, _ := strings.Cut(line, "=")
		replicas[name] = n
	}
	if err := w.suspend(ctx, true); err != nil {
		return nil, err
	}
	for name := range replicas {
		if _, err := w.kube.run(ctx, "scale", "deployment/"+name, "--replicas=0"); err != nil {
			return nil, err
		}
	}
	for name := range replicas {
		if err := w.awaitScaledDown(ctx, name, 0); err != nil {
			return nil, err
		}
	}
	return replicas, nil
}

func (w *Walk) suspend(ctx context.Context, stop bool) error {
	for _, name := range []string{"redeemer", "redeemer-erased", "backup"} {
		patch := fmt.Sprintf(`{"spec":{"suspend":%t}}`, stop)
		if _, err := w.kube.run(ctx, "patch", "cronjob", name, "--patch="+patch); err != nil {
			return err
		}
	}
	return nil
}

// loseEverything gives MySQL a new, empty volume, and empties that of known people.
func (w *Walk) loseEverything(ctx context.Context) error {
	if _, err := w.kube.run(ctx, "scale", "statefulset/mysql", "--replicas=0"); err != nil {
		return err
	}
	if err := w.awaitScaledDown(ctx, "mysql", 0); err != nil {
		return err
	}
	if _, err := w.kube.run(ctx, "delete", "persistentvolumeclaim/data-mysql-0", "--wait"); err != nil {
		return err
	}
	if _, err := w.kube.run(ctx, "scale", "statefulset/mysql", "--replicas=1"); err != nil {
		return err
	}
	if _, err := w.kube.run(ctx, "rollout", "status", "statefulset/mysql", "--timeout="+w.opts.Patience.String()); err != nil {
		return err
	}
	if err := w.addFilesPod(ctx); err != nil {
		return err
	}
	out, err := w.kube.run(ctx, "exec", filesPod, "--", "sh", "-c", "find /known_people -mindepth 1 ! -name lost+found -delete; find /known_people -type f | wc -l")
	if err != nil {
		return err
	}
	w.say("the database is new, and %s files of known people are left", out)
	return w.removeOurs(ctx)
}

func (w *Walk) startPrograms(ctx context.Context, replicas map[string]string) error {
	for name, n := range replicas {
		if _, err := w.kube.run(ctx, "scale", "deployment/"+name, "--replicas="+n); err != nil {
			return err
		}
	}
	if err := w.suspend(ctx, false); err != nil {
		return err
	}
	return w.kube.settled(ctx, w.opts.Patience)
}

func (w *Walk) compareAnswers(ctx context.Context, asked []string, before map[string]string) error {
	err := eventually(ctx, w.opts.Patience, func(ctx context.Context) (string, error) {
		after, err := w.answers(ctx, asked)
		if err != nil {
			return "", err
		}
		for _, address := range asked {
			if before[address] != after[address] {
				return fmt.Sprintf("%s was answered by %.300s, and now by %.300s", address, before[address], after[address]), nil
			}
		}
		return "", nil
	})
	if err == nil {
		w.say("%d questions are answered as before", len(asked))
	}
	return err
}

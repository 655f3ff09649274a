package walk

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// breakage is something that the walk breaks on purpose, and the alerts that must fire.
type breakage struct {
	what   string
	alerts []string
	do     func(context.Context) error
	// meanwhile is called again and again until the alerts fire, such as to send requests.
	// It may be nil.
	meanwhile func(context.Context)
	mend      func(context.Context) error
	// early is for a breakage whose alert needs minutes: it begins before all others.
	early bool
}

// breakages returns all of them, in order.
func (w *Walk) breakages() []breakage {
	keys := &keysInTrouble{walk: w}
	hook := &failingWebhook{walk: w}
	return []breakage{
		{
			what:      "no recognizer",
			alerts:    []string{"RollcallRecognizerNotReady", "RollcallBreakerOpen", "RollcallReceiverBreakerOpen", "RollcallOldestImageWaits", "RollcallWorkStuck", "RollcallProgramMissing"},
			do:        w.scaler("deployment/recognizer", 0),
			meanwhile: func(ctx context.Context) { w.postMissing(ctx, 1); w.identify(ctx) },
			mend:      w.scaler("deployment/recognizer", 1),
		},
		{
			what:      "paths that lead nowhere",
			alerts:    []string{"RollcallPicturesUnusable"},
			do:        nothing,
			meanwhile: func(ctx context.Context) { w.postMissing(ctx, 5) },
			mend:      nothing,
		},
		{
			what:   "a paused queue",
			alerts: []string{"RollcallQueuePaused"},
			do:     func(ctx context.Context) error { return w.tellQueue(ctx, "pause") },
			mend:   func(ctx context.Context) error { return w.tellQueue(ctx, "unpause") },
		},
		{
			what:      "no processor",
			alerts:    []string{"RollcallProgramMissing", "RollcallWorkStuck"},
			do:        w.scaler("deployment/processor", 0),
			meanwhile: func(ctx context.Context) { w.postMissing(ctx, 1) },
			mend:      w.scaler("deployment/processor", 1),
		},
		{
			what:      "no database",
			alerts:    []string{"RollcallDatabaseProblem", "RollcallServerErrors"},
			do:        w.scaler("statefulset/mysql", 0),
			meanwhile: func(ctx context.Context) { w.postMissing(ctx, 1) },
			mend:      w.scaler("statefulset/mysql", 1),
		},
		{
			what:      "a receiver without a queue and without room, and a webhook whose target is nowhere",
			alerts:    []string{"RollcallQueueUnreachable", "RollcallUploadsRefused", "RollcallWebhookBehind", "RollcallWebhookDead"},
			do:        hook.begin,
			meanwhile: func(ctx context.Context) { w.postMissing(ctx, 1) },
			mend:      hook.end,
		},
		{
			what:      "keys that expire, and one that sends too much",
			alerts:    []string{"RollcallKeyExpiresSoon", "RollcallKeyExpired", "RollcallRateLimited"},
			do:        keys.begin,
			meanwhile: keys.use,
			mend:      keys.end,
		},
		{
			what:   "a known picture that is none",
			alerts: []string{"RollcallKnownPicturesBroken"},
			do:     w.shell("mkdir -p /known_people/Nobody && echo none >/known_people/Nobody/1.jpg"),
			mend:   w.shell("rm -r /known_people/Nobody"),
		},
		{
			what:   "a suspended redeemer",
			alerts: []string{"RollcallRedeemerLate"},
			do:     w.suspender("redeemer", true),
			// A pass that was under way may end later, and write its time.
			meanwhile: func(ctx context.Context) { _ = w.sql(ctx, olderPass) },
			mend: func(ctx context.Context) error {
				return errors.Join(w.suspender("redeemer", false)(ctx), w.redeem(ctx))
			},
		},
		{
			what:   "an erasure without the search",
			alerts: []string{"RollcallErasureNotVerified"},
			do:     w.eraseUnverified,
			mend:   w.verifyErased,
			early:  true,
		},
	}
}

// unbroken says why no breakage fires the other alerts. Their unit tests do.
func unbroken() map[string]string {
	return map[string]string{
		"RollcallServiceFailures":          "an image uses up its attempts only by failures that do not open the circuit",
		"RollcallUnknownRateJump":          "it needs a day to compare with",
		"RollcallPanics":                   "nobody knows how to cause one",
		"RollcallDatabaseVolumeNearlyFull": "volumes of a test cluster are folders of its node, which must not be filled",
		"RollcallVolumeNearlyFull":         "the same",
		"RollcallVolumeFull":               "the same",
		"RollcallCertificateExpiresSoon":   "the overlay has no certificates",
		"RollcallBackupTooOld":             "the overlay has no backups",
		"RollcallEventsLate":               "only a database that is slow and still works delays events",
	}
}

func nothing(context.Context) error { return nil }

// breakEverything is the step of the alerts.
func (w *Walk) breakEverything(ctx context.Context) (err error) {
	rules, err := readRules(w.opts.Root)
	if err != nil {
		return err
	}
	short, err := rules.shortened()
	if err != nil {
		return err
	}
	m, err := startMonitor(ctx, w.kube, w.opts.Root, short)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.stop()) }()
	list := w.breakages()
	if err := w.awaitQuiet(ctx, m, allAlerts(list)); err != nil {
		return fmt.Errorf("before anything is broken: %w", err)
	}
	if err := w.breakInOrder(ctx, m, list); err != nil {
		return err
	}
	if w.there {
		return nil // each breakage was mended, and the images may be others
	}
	return w.applyAndWait(ctx, allAt(w.first()))
}

// breakInOrder breaks and mends everything. It also mends what began early when something
// else fails before its turn.
func (w *Walk) breakInOrder(ctx context.Context, m *monitor, list []breakage) (err error) {
	begun := map[string]breakage{}
	defer func() {
		for _, b := range begun {
			err = errors.Join(err, b.mend(context.WithoutCancel(ctx)))
		}
	}()
	for _, b := range list {
		if !b.early {
			continue
		}
		begun[b.what] = b
		if err := b.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", b.what, err)
		}
	}
	for _, b := range list {
		delete(begun, b.what) // breakAndMend mends it
		if err := w.breakAndMend(ctx, m, b); err != nil {
			return fmt.Errorf("%s: %w", b.what, err)
		}
	}
	return nil
}

func allAlerts(list []breakage) []string {
	var alerts []string
	for _, b := range list {
		alerts = append(alerts, b.alerts...)
	}
	return alerts
}

// breakAndMend breaks something, waits until its alerts fire, mends it, and waits until
// they end.
func (w *Walk) breakAndMend(ctx context.Context, m *monitor, b breakage) error {
	start := time.Now()
	if !b.early {
		if err := b.do(ctx); err != nil {
			return errors.Join(err, b.mend(context.WithoutCancel(ctx)))
		}
	}
	fired := w.awaitFiring(ctx, m, b)
	fires := time.Since(start).Round(time.Second)
	start = time.Now()
	if err := errors.Join(fired, b.mend(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	if err := w.awaitQuiet(ctx, m, b.alerts); err != nil {
		return fmt.Errorf("it is mended, and still: %w", err)
	}
	w.say("%s: after %s %s; over %s after it was mended", b.what, fires, strings.Join(b.alerts, ", "), time.Since(start).Round(time.Second))
	return nil
}

// awaitFiring waits until all alerts of a breakage have fired, at any time.
func (w *Walk) awaitFiring(ctx context.Context, m *monitor, b breakage) error {
	seen := map[string]bool{}
	return eventually(ctx, w.opts.Patience, func(ctx context.Context) (string, error) {
		if b.meanwhile != nil {
			b.meanwhile(ctx)
		}
		firing, err := m.firing(ctx)
		for _, name := range firing {
			seen[name] = true
		}
		return missingAlerts(b.alerts, seen, "has not fired"), err
	})
}

// awaitQuiet waits until none of the alerts fires.
func (w *Walk) awaitQuiet(ctx context.Context, m *monitor, alerts []string) error {
	return eventually(ctx, w.opts.Patience, func(ctx context.Context) (string, error) {
		firing, err := m.firing(ctx)
		silent := map[string]bool{}
		for _, name := range alerts {
			silent[name] = true
		}
		for _, name := range firing {
			delete(silent, name)
		}
		return missingAlerts(alerts, silent, "fires"), err
	})
}

// missingAlerts says which alerts are not in have.
func missingAlerts(alerts []string, have map[string]bool, how string) string {
	var list []string
	for _, name := range alerts {
		if !have[name] {
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		return ""
	}
	return strings.Join(list, ", ") + " " + how
}

// scaler returns a function that scales a program and waits until it is done.
func (w *Walk) scaler(name string, replicas int) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, err := w.kube.run(ctx, "scale", name, fmt.Sprintf("--replicas=%d", replicas)); err != nil {
			return err
		}
		if replicas > 0 {
			return w.kube.settled(ctx, w.opts.Patience)
		}
		_, program, _ := strings.Cut(name, "/")
		return w.awaitScaledDown(ctx, program, 0)
	}
}

// shell returns a function that runs a script in the pod with the volumes.
func (w *Walk) shell(script string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := w.kube.run(ctx, "exec", filesPod, "--", "sh", "-c", script)
		return err
	}
}

// keysInTrouble are an API key that expires soon, one that has expired, and one that
// sends more than it may.
type keysInTrouble struct {
	walk                   *Walk
	soon, expired, limited api.CreatedKey
}

const (
	soonName = "walk: expires soon"
	// makeOlder lets the key look like one that was made a month ago: keys for a few days
	// do not count.
	makeOlder = "UPDATE api_keys SET created_at = created_at - INTERVAL 30 DAY, last_used_at = UTC_TIMESTAMP(6) WHERE name = '" + soonName + "';"
)

func (k *keysInTrouble) begin(ctx context.Context) error {
	soon, expired, slow := time.Now().Add(72*time.Hour), time.Now().Add(5*time.Second), 1.0
	wanted := []struct {
		into *api.CreatedKey
		want api.KeyRequest
	}{
		{&k.soon, api.KeyRequest{Name: soonName, ExpiresAt: &soon}},
		{&k.expired, api.KeyRequest{Name: "walk: expired", ExpiresAt: &expired}},
		{&k.limited, api.KeyRequest{Name: "walk: limited", Limits: &api.KeyLimits{RequestsPerSecond: &slow, Burst: 1}}},
	}
	for _, one := range wanted {
		one.want.Scopes = []api.KeyScope{api.ScopeRead}
		var err error
		if *one.into, err = k.walk.api.CreateKey(ctx, one.want); err != nil {
			return err
		}
	}
	return k.walk.sql(ctx, makeOlder)
}

func (k *keysInTrouble) use(ctx context.Context) {
	pods, err := k.walk.receivers(ctx)
	if err != nil {
		return // the next call finds them
	}
	for range 20 { // most are refused: several a second, however long it is until the next call
		_ = k.walk.sendEach(ctx, pods, http.MethodGet, restPort, "/api/v1/key", k.limited.Text, nil)
	}
	_ = k.walk.sendEach(ctx, pods, http.MethodGet, restPort, "/api/v1/key", k.expired.Text, nil) // it is refused
}

func (k *keysInTrouble) end(ctx context.Context) error {
	var err error
	for _, key := range []api.CreatedKey{k.soon, k.expired, k.limited} {
		if key.ID != "" {
			_, failed := k.walk.api.RevokeKey(ctx, key.ID)
			err = errors.Join(err, failed)
		}
	}
	return err
}

// sql runs a statement as an administrator of the database.
func (w *Walk) sql(ctx context.Context, statement string) error {
	const client = `MYSQL_PWD="$(cat /etc/rollcall/mysql/root-password)" exec mysql --user=root "$MYSQL_DATABASE"`
	_, err := w.kube.input(ctx, strings.NewReader(statement), "exec", "--stdin", "mysql-0", "--container=mysql", "--", "/bin/sh", "-c", client)
	return err
}

// failingWebhook changes the receiver: it finds no nsqd, wants the whole volume to stay
// free, and may keep secrets of webhooks. Then it adds a webhook.
type failingWebhook struct {
	walk *Walk
	id   int64
}

const webhookKey = "e2e-webhook-key"

func (f *failingWebhook) begin(ctx context.Context) error {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	run := f.walk.kube.run
	if _, err := run(ctx, "create", "secret", "generic", webhookKey, "--from-literal=key="+base64.StdEncoding.EncodeToString(key)); err != nil {
		return err
	}
	patch, err := receiverPatch()
	if err != nil {
		return err
	}
	if _, err := run(ctx, "patch", "deployment/receiver", "--patch="+patch); err != nil {
		return err
	}
	if err := f.walk.kube.settled(ctx, f.walk.opts.Patience); err != nil {
		return err
	}
	hook, err := f.walk.api.CreateWebhook(ctx, api.WebhookRequest{Name: "walk", URL: "https://webhook.invalid/hook"})
	f.id = hook.ID
	return err
}

// receiverPatch is the change of the receiver's Deployment.
func receiverPatch() (string, error) {
	type object = map[string]any
	env := []object{
		{"name": "PRODUCER_ADDRESS", "value": "127.0.0.1:4159"},
		{"name": "ROLLCALL_MIN_FREE", "value": "100%"},
		{"name": "ROLLCALL_WEBHOOK_KEY_FILE", "value": "/etc/rollcall/webhooks/key"},
		{"name": "ROLLCALL_WEBHOOK_GIVE_UP", "value": "2m"},
	}
	patch, err := json.Marshal(object{"spec": object{"template": object{"spec": object{
		"containers": []object{{"name": "receiver", "env": env, "volumeMounts": []object{{"name": webhookKey, "mountPath": "/etc/rollcall/webhooks", "readOnly": true}}}},
		"volumes":    []object{{"name": webhookKey, "secret": object{"secretName": webhookKey, "defaultMode": 0o440}}},
	}}}})
	return string(patch), err
}

// end takes the changes back. `kubectl apply` would leave variables that git does not know.
func (f *failingWebhook) end(ctx context.Context) error {
	var err error
	if f.id != 0 {
		err = f.walk.api.DeleteWebhook(ctx, f.id)
	}
	_, undone := f.walk.kube.run(ctx, "rollout", "undo", "deployment/receiver")
	err = errors.Join(err, undone, f.walk.kube.settled(ctx, f.walk.opts.Patience))
	_, deleted := f.walk.kube.run(ctx, "delete", "secret", webhookKey, "--ignore-not-found")
	return errors.Join(err, deleted, f.walk.redeem(ctx)) // what could not be queued
}

// olderPass lets the last pass of the redeemer look like one of long ago. The rule's age
// cannot be shortened: a redeemer makes a pass each five minutes.
const olderPass = "UPDATE program_states SET state = JSON_SET(state, '$.redeemer.finished', '2020-01-01T00:00:00Z') WHERE program = 'redeemer';"

const searchJob = "redeemer-erased"

// eraseUnverified erases somebody while the search for what is left does not run.
func (w *Walk) eraseUnverified(ctx context.Context) error {
	if err := w.suspender(searchJob, true)(ctx); err != nil {
		return err
	}
	person, err := w.api.CreatePerson(ctx, "Walk "+rand.Text())
	if err != nil {
		return err
	}
	_, err = w.api.ErasePerson(ctx, person.ID, person.Version, api.EraseKeep)
	return err
}

// suspender returns a function that suspends a CronJob, or lets it run again.
func (w *Walk) suspender(cronJob string, suspend bool) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := w.kube.run(ctx, "patch", "cronjob/"+cronJob, fmt.Sprintf(`--patch={"spec":{"suspend":%t}}`, suspend))
		return err
	}
}

// verifyErased runs the search, and lets it run by itself again.
func (w *Walk) verifyErased(ctx context.Context) error {
	name := fmt.Sprintf("%s-e2e-%d", searchJob, time.Now().Unix())
	err := w.runJob(ctx, name, searchJob)
	if err == nil {
		_, err = w.kube.run(ctx, "wait", "--for=condition=Complete", "job/"+name, "--timeout="+w.opts.Patience.String())
	}
	_, deleted := w.kube.run(ctx, "delete", "job", name, "--ignore-not-found", "--wait=false")
	return errors.Join(err, deleted, w.suspender(searchJob, false)(ctx))
}

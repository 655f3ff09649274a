package imagequeue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/queuetest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
)

// watchPauses starts a watch of queues.
func watchPauses(t *testing.T, lookupd ...string) (*imagequeue.PauseWatch, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	w := imagequeue.NewPauseWatch(imagequeue.PauseWatchOptions{Lookupd: lookupd, Every: 10 * time.Millisecond, Registry: reg, Log: quiet})
	part := w.Part()
	if err := part.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := part.Stop(t.Context()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return w, reg
}

// pausedMetric is what the metric shows while so many are paused.
func pausedMetric(channels, topics string) string {
	return "# HELP rollcall_queue_paused Number of nsqds whose topic or channel of images is paused; absent while an nsqd does not answer.\n" +
		"# TYPE rollcall_queue_paused gauge\n" +
		"rollcall_queue_paused{what=\"channel\"} " + channels + "\nrollcall_queue_paused{what=\"topic\"} " + topics + "\n"
}

// A queue that an operator paused is told, with the command that resumes it.
func TestPausedQueueIsSaid(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, pause, resume string
		channels, topics    string
	}{
		{"channel", "channel/pause?topic=images&channel=ch", "channel/unpause?topic=images&channel=ch", "1", "0"},
		{"topic", "topic/pause?topic=images", "topic/unpause?topic=images", "0", "1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			paused, other := queuetest.Start(t), queuetest.Start(t)
			for _, q := range []*queuetest.Queue{paused, other} {
				q.Command("topic/create?topic=images")
				q.Command("channel/create?topic=images&channel=ch")
			}
			paused.Command(test.pause)
			w, reg := watchPauses(t, other.Lookupd(), paused.Lookupd())
			wait.Until(t, "the pause is told", func() bool { return w.Warnings()["queue"] != "" })
			want := "http://" + paused.NSQDHTTP() + "/" + test.resume
			if got := w.Warnings()["queue"]; !strings.Contains(got, want) || strings.Contains(got, other.NSQDHTTP()) {
				t.Errorf("got %q, want it to contain %s", got, want)
			}
			if err := testutil.GatherAndCompare(reg, strings.NewReader(pausedMetric(test.channels, test.topics)), "rollcall_queue_paused"); err != nil {
				t.Error(err)
			}
			paused.Command(test.resume)
			wait.Until(t, "the pause is over", func() bool { return w.Warnings()["queue"] == "" })
			if err := testutil.GatherAndCompare(reg, strings.NewReader(pausedMetric("0", "0")), "rollcall_queue_paused"); err != nil {
				t.Error(err)
			}
		})
	}
}

// Topics and channels of other programs on the same nsqd may be paused.
func TestPausesOfOthersAreNotOurs(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	for _, command := range []string{
		"topic/create?topic=images", "channel/create?topic=images&channel=archive", "channel/pause?topic=images&channel=archive",
		"topic/create?topic=mails", "topic/pause?topic=mails",
	} {
		q.Command(command)
	}
	got, err := imagequeue.NewMonitor([]string{q.Lookupd()}).Paused(t.Context())
	if err != nil || len(got) > 0 {
		t.Errorf("got %v, %v, want nothing", got, err)
	}
}

// What is unknown is not shown as if it were known.
func TestPauseIsUnknownWithoutNSQD(t *testing.T) {
	t.Parallel()
	q := queuetest.Start(t)
	q.Command("topic/create?topic=images")
	q.Command("topic/pause?topic=images")
	w, reg := watchPauses(t, q.Lookupd())
	wait.Until(t, "the pause is told", func() bool { return w.Warnings()["queue"] != "" })
	q.StopNSQD()
	wait.Until(t, "the pause is unknown", func() bool { return w.Warnings()["queue"] == "" })
	if n, err := testutil.GatherAndCount(reg, "rollcall_queue_paused"); n != 0 || err != nil {
		t.Errorf("got %d values, %v, want none", n, err)
	}
}

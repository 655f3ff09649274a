package walk

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// This file has the requests that breakages send to each receiver.

// receivers returns the pods of the receivers. Requests go to pods: a Service has no
// address while none is ready, and then no receiver could count what it refuses.
func (w *Walk) receivers(ctx context.Context) ([]string, error) {
	return w.kube.list(ctx, `{range .items[?(@.status.phase=="Running")]}{.metadata.name}{"\n"}{end}`, "pods", "--selector=app.kubernetes.io/name=receiver")
}

// send sends a request to a port of each receiver, with a key. The error is that of the
// last receiver that refused it.
func (w *Walk) send(ctx context.Context, method string, port int, path, key string, body []byte) error {
	pods, err := w.receivers(ctx)
	if err != nil {
		return err
	}
	return w.sendEach(ctx, pods, method, port, path, key, body)
}

// sendEach is send for pods that are known.
func (w *Walk) sendEach(ctx context.Context, pods []string, method string, port int, path, key string, body []byte) (err error) {
	sender := &http.Client{Timeout: requestTimeout, Transport: &apiKey{text: key}}
	for _, pod := range pods {
		if failed := sendTo(ctx, sender, method, w.kube.pod(pod, port)+path, body); failed != nil {
			err = failed
		}
	}
	return err
}

func sendTo(ctx context.Context, sender *http.Client, method, address string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := sender.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s", method, address, res.Status)
	}
	return nil
}

// restPort is the port of the REST API of a receiver.
const restPort = 8000

// postMissing posts new paths of files that are not there.
func (w *Walk) postMissing(ctx context.Context, n int) {
	pods, err := w.receivers(ctx)
	if err != nil {
		return // the next call finds them
	}
	for range n {
		body := fmt.Sprintf(`{"path":"nowhere/%s.jpg"}`, rand.Text())
		_ = w.sendEach(ctx, pods, http.MethodPost, restPort, "/image/post", w.key.text, []byte(body)) // it may be refused
	}
}

// identify asks a question that needs a recognizer.
func (w *Walk) identify(ctx context.Context) {
	picture, err := fs.ReadFile(samples.Files(), "unknown/unknown0001.jpg")
	if err == nil {
		_ = w.send(ctx, http.MethodPost, restPort, "/api/v1/identify", w.key.text, picture) // it is refused
	}
}

// tellQueue pauses or unpauses the channel of each nsqd.
func (w *Walk) tellQueue(ctx context.Context, what string) error {
	return w.send(ctx, http.MethodPost, nsqdPort, "/channel/"+what+"?topic=images&channel=ch", "", nil)
}

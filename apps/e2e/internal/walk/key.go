package walk

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
)

// apiKey sends an API key with each request. The header Authorization would end at
// the Kubernetes API, through which the requests go.
type apiKey struct{ text string }

// RoundTrip implements http.RoundTripper.
func (k *apiKey) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("X-API-Key", k.text)
	return http.DefaultTransport.RoundTrip(req)
}

// keySelector selects the Secret with the overlay's API key.
const keySelector = "app.kubernetes.io/name=api-keys"

// readKey reads the overlay's key for development.
func (w *Walk) readKey(ctx context.Context) error {
	keys, err := w.kube.list(ctx, `{.items[*].data.key}`, "secrets", "--selector="+keySelector)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return errors.New("the overlay has no Secret with the label " + keySelector + " and an API key in it as key")
	}
	text, err := base64.StdEncoding.DecodeString(keys[len(keys)-1])
	if err != nil {
		return fmt.Errorf("read the API key of the Secret api-keys: %w", err)
	}
	w.key.text = string(text)
	return nil
}

package frontend

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
)

// NewAPI returns a client of the receiver at an address. key returns the API key that
// its requests have; nil means none.
func NewAPI(server string, key func() (string, error)) (*client.Client, error) {
	address, err := url.Parse(server)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" {
		return nil, fmt.Errorf("the receiver is %q; it must be an address such as http://receiver:8000", server)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = apiConnections
	h := &http.Client{Transport: transport}
	if key != nil {
		h.Transport = &keySender{next: transport, server: address, key: key}
	}
	return client.New(server, client.WithHTTPClient(h)), nil
}

// apiConnections is how many connections to the receiver are kept: a page has dozens
// of pictures.
const apiConnections = 32

// keySender adds the API key to requests to the receiver, and to nobody else, also if
// that redirects to another host.
type keySender struct {
	next   http.RoundTripper
	server *url.URL
	key    func() (string, error)
}

// RoundTrip implements http.RoundTripper.
func (k *keySender) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != k.server.Scheme || req.URL.Host != k.server.Host {
		return k.next.RoundTrip(req)
	}
	key, err := k.key()
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+key)
	return k.next.RoundTrip(req)
}

// reads returns the REST API for what everybody who sees the dashboard may look at, with
// the dashboard's own key; nil if there is none.
func (s *Server) reads(*gin.Context) *client.Client { return s.opts.API }

// mayChange reports whether whoever asks may correct faces and retry images.
func (s *Server) mayChange(c *gin.Context) bool {
	return s.opts.API != nil && currentUser(c).Role.Includes(access.Reviewer)
}

// hasPictures reports whether pages show pictures.
func (s *Server) hasPictures() bool { return s.opts.API != nil }

// changeTime limits a change. The receiver tries for up to 20 s to make known pictures of
// the best faces, after the names are stored.
const changeTime = 28 * time.Second

// changeContext returns the context of a change. What the receiver has begun is not cut
// off when somebody leaves the page: then they could not know whether it was saved.
func changeContext(c *gin.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.Request.Context()), changeTime)
}

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// slowBodies holds many connections whose bodies stay half sent.
func (r *rig) slowBodies(ctx context.Context) error {
	part := []byte(`{"path":"` + strings.Repeat("a", 15<<20))
	var group errgroup.Group
	for range r.size.clients {
		group.Go(func() error {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.rest)
			if err != nil {
				return err
			}
			defer conn.Close()
			head := fmt.Sprintf("POST /image/post HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", r.rest, 16<<20)
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = conn.Write(append([]byte(head), part...)) // refusing it in the middle is right
			_, _ = io.Copy(io.Discard, conn)
			return nil
		})
	}
	return group.Wait()
}

// longPaths posts lists of long paths, which are valid.
func (r *rig) longPaths(ctx context.Context) error {
	var body bytes.Buffer
	body.WriteString(`{"paths":[`)
	for i := range r.size.paths {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"path":"%s/%06d.jpg"}`, strings.Repeat("d", 700), i)
	}
	body.WriteString("]}")
	var group errgroup.Group
	for range 6 {
		group.Go(func() error {
			code, err := r.post(ctx, "/images/post", body.Bytes(), nil)
			if err == nil && code >= 500 && code != http.StatusServiceUnavailable {
				err = fmt.Errorf("a list of %d long paths was answered with %d", r.size.paths, code)
			}
			return err
		})
	}
	return group.Wait()
}

// gzipBomb posts a body that is small until it is unpacked.
func (r *rig) gzipBomb(ctx context.Context) error {
	var body bytes.Buffer
	packed := gzip.NewWriter(&body)
	zeros := make([]byte, 1<<20)
	for range 1000 {
		if _, err := packed.Write(zeros); err != nil {
			return err
		}
	}
	if err := packed.Close(); err != nil {
		return err
	}
	var group errgroup.Group
	for range r.size.calls {
		group.Go(func() error {
			code, err := r.post(ctx, "/image/post", body.Bytes(), map[string]string{"Content-Encoding": "gzip"})
			// 503: the memory for bodies is in use by the other bombs.
			if err == nil && code != http.StatusServiceUnavailable && (code < 400 || code >= 500) {
				err = fmt.Errorf("a gzip bomb was answered with %d, want a refusal", code)
			}
			return err
		})
	}
	return group.Wait()
}

// rebinding posts as a web page does whose name was made to lead here.
func (r *rig) rebinding(ctx context.Context) error {
	code, err := r.post(ctx, "/image/post", []byte(`{"path":"`+canary+`"}`), map[string]string{"Host": "evil.example", "Origin": "http://evil.example"})
	if err == nil && code < 400 {
		err = fmt.Errorf("a post for evil.example was answered with %d, want a refusal", code)
	}
	return err
}

func (r *rig) post(ctx context.Context, path string, body []byte, header map[string]string) (code int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.rest+path, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	if host := header["Host"]; host != "" {
		req.Host = host
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("post: %w", err)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, errors.Join(err, res.Body.Close())
}

package models

// This file owns the download of one archive: what is retried and what is not,
// and when a part that is there already may be continued.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

var (
	errStalled = errors.New("the server stopped sending")
	errRestart = errors.New("the server cannot continue the part that is there")
)

// fault is an error of the network or of the server; it is an ErrUnavailable.
type fault struct {
	err       error
	transient bool // trying again soon may help
}

func (f *fault) Error() string        { return f.err.Error() }
func (f *fault) Unwrap() error        { return f.err }
func (f *fault) Is(target error) bool { return target == ErrUnavailable }

// downloader downloads one archive after the other. Not for concurrent use.
type downloader struct {
	client   *http.Client
	opts     FetchOptions
	answered bool // a server has answered before, so there is a network
}

func newDownloader(opts FetchOptions) *downloader {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: opts.ConnectTimeout}).DialContext,
		TLSHandshakeTimeout: opts.ConnectTimeout,
		ForceAttemptHTTP2:   true,
	}
	return &downloader{client: &http.Client{Transport: t}, opts: opts}
}

// archive brings f's archive to path and checks it.
func (d *downloader) archive(ctx context.Context, f File, path string) error {
	if ok, err := hasSum(path, f.SHA256); ok || err != nil {
		return err
	}
	p := partial{path: path + ".part"}
	for startedOver := false; ; startedOver = true {
		resumed, err := d.complete(ctx, f, p)
		if err != nil {
			return err
		}
		ok, err := hasSum(p.path, f.SHA256)
		if err != nil {
			return err
		}
		if ok {
			return p.keepAs(path)
		}
		if err := p.discard(); err != nil {
			return err
		}
		if !resumed || startedOver {
			return fmt.Errorf("%w: it is not the file with SHA-256 %s", ErrChecksum, f.SHA256)
		}
		d.opts.Report(Progress{Note: f.archive() + " does not fit to the part that was there; starting over"})
	}
}

// complete downloads what is missing of p, in a bounded number of attempts. It
// reports whether an older part was continued.
func (d *downloader) complete(ctx context.Context, f File, p partial) (resumed bool, err error) {
	wait := d.opts.Backoff
	for attempt := 1; ; attempt++ {
		continued, err := d.attempt(ctx, f, p)
		resumed = resumed || continued
		if err == nil {
			return resumed, nil
		}
		if ctx.Err() != nil {
			return resumed, ctx.Err()
		}
		var flt *fault
		if !errors.As(err, &flt) || !flt.transient || attempt == d.opts.Attempts {
			return resumed, err
		}
		d.opts.Report(Progress{Note: fmt.Sprintf("%v; trying again in %v", err, wait)})
		select {
		case <-ctx.Done():
			return resumed, ctx.Err()
		case <-time.After(wait):
		}
		wait *= 2
	}
}

// attempt makes one request and takes what the server sends of the archive.
func (d *downloader) attempt(ctx context.Context, f File, p partial) (resumed bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(d.opts.StallTimeout, func() { cancel(errStalled) })
	defer watchdog.Stop()

	have, validator := p.state()
	resp, err := d.request(ctx, d.opts.url(f), have, validator)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	have, err = p.prepare(resp, have)
	if err != nil {
		return false, err
	}
	body := &body{
		ctx: ctx, r: resp.Body,
		alive:    func() { watchdog.Reset(d.opts.StallTimeout) },
		report:   d.opts.Report,
		progress: Progress{File: f.archive(), Done: have, Total: -1},
	}
	if resp.ContentLength >= 0 {
		body.progress.Total = have + resp.ContentLength
	}
	if body.progress.Total > d.opts.MaxArchive {
		return false, errors.Join(p.discard(),
			fmt.Errorf("%w: %d bytes", ErrTooLarge, body.progress.Total))
	}
	err = p.append(body, d.opts.MaxArchive-have)
	if errors.Is(err, ErrTooLarge) {
		err = errors.Join(err, p.discard())
	}
	return have > 0, err
}

// request asks for the archive, or for what follows the part that is there.
func (d *downloader) request(ctx context.Context, address string, have int64, validator string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "rollcall-models")
	// Ranges and validators are of the bytes as sent: a server that compresses
	// on the way would send others.
	req.Header.Set("Accept-Encoding", "identity")
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		req.Header.Set("If-Range", validator)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		var outer *url.Error // its text only repeats the address
		if errors.As(err, &outer) {
			err = outer.Err
		}
		// Without a network every attempt fails alike, so a failed dial is
		// final unless a server has answered before.
		return nil, &fault{err: stalledOr(ctx, err), transient: d.answered || isCut(err)}
	}
	d.answered = true
	return resp, nil
}

// stalledOr returns errStalled where that is why ctx ended, else err.
func stalledOr(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

// isCut reports whether a connection that did exist was cut.
func isCut(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// prepare makes the part ready for the body of resp and returns how many bytes
// of it stay. have is what the request said that there was.
func (p partial) prepare(resp *http.Response, have int64) (int64, error) {
	switch resp.StatusCode {
	case http.StatusOK:
		if isWebPage(resp.Header) {
			return 0, &fault{err: errors.New("the answer is a web page, not an archive: does this network ask you to log in first?")}
		}
		return 0, p.restart(validatorOf(resp.Header))
	case http.StatusPartialContent:
		if have > 0 && strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", have)) {
			return have, nil
		}
		return 0, errors.Join(&fault{err: errRestart, transient: true}, p.discard())
	case http.StatusRequestedRangeNotSatisfiable:
		return 0, errors.Join(&fault{err: errRestart, transient: true}, p.discard())
	default:
		return 0, &fault{
			err:       fmt.Errorf("the server answered %s", resp.Status),
			transient: resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests,
		}
	}
}

// isWebPage reports whether somebody on the way has answered in the server's
// place, as networks do that want a login.
func isWebPage(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && kind == "text/html"
}

// validatorOf returns what a later If-Range can hold: a strong ETag, else the
// time of the last change, else "".
func validatorOf(h http.Header) string {
	if tag := h.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return tag
	}
	return h.Get("Last-Modified")
}

// body is a response's body that tells the watchdog and the reporter of every
// byte, and whose errors are known from those of the disk.
type body struct {
	ctx      context.Context
	r        io.Reader
	alive    func()
	report   func(Progress)
	progress Progress
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if n > 0 {
		b.alive()
		b.progress.Done += int64(n)
		b.report(b.progress)
	}
	if err != nil && err != io.EOF {
		err = &fault{err: stalledOr(b.ctx, err), transient: true}
	}
	return n, err
}

// hasSum reports whether the file at path exists and has the given SHA-256.
func hasSum(path, want string) (bool, error) {
	got, err := sumOf(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && strings.EqualFold(got, want), err
}

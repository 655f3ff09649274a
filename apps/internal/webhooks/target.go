package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Target decides which addresses webhooks may reach.
type Target struct {
	Allow []netip.Prefix // addresses that may be reached although they are not public
	HTTP  bool           // whether addresses without TLS may be used
}

const (
	maxURL = 2000
	// connectTimeout and answerTimeout limit one delivery. The specification suggests
	// 15 to 30 seconds.
	connectTimeout = 5 * time.Second
	answerTimeout  = 15 * time.Second
)

// CheckURL returns an error with CodeInvalid if an address cannot be a target. What its
// name stands for is checked at each connection, because that changes.
func (t Target) CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxURL || u.Host == "" || u.Opaque != "":
		return faces.Errorf(faces.CodeInvalid, "the address of a webhook must be one such as https://example.com/hook, of at most %d bytes", maxURL)
	case u.User != nil:
		return faces.Errorf(faces.CodeInvalid, "the address of a webhook must have no user and password; messages are signed instead")
	case u.Scheme == "http" && !t.HTTP:
		return faces.Errorf(faces.CodeInvalid, "the address of a webhook must begin with https://; set ROLLCALL_WEBHOOK_HTTP=true to allow others")
	case u.Scheme != "http" && u.Scheme != "https":
		return faces.Errorf(faces.CodeInvalid, "the address of a webhook must begin with https://")
	}
	if ip, err := netip.ParseAddr(strings.Trim(u.Hostname(), "[]")); err == nil {
		return t.checkAddress(ip)
	}
	return nil
}

// special are addresses that netip does not know to be special. Of IPv6, only those
// that are given to networks of the Internet can be public.
func special() (list []netip.Prefix, publicV6 netip.Prefix) {
	for _, text := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list, netip.MustParsePrefix("2000::/3")
}

// checkAddress returns an error if an address is not public and not allowed. Some
// addresses of IPv6 stand for one of IPv4: they are refused, as are those of metadata
// services, which are link-local or private.
func (t Target) checkAddress(ip netip.Addr) error {
	ip = ip.Unmap().WithZone("")
	for _, p := range t.Allow {
		if p.Contains(ip) {
			return nil
		}
	}
	others, publicV6 := special()
	private := ip.Is6() && !publicV6.Contains(ip) || !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified()
	for _, p := range others {
		private = private || p.Contains(ip)
	}
	if private {
		return faces.Errorf(faces.CodeInvalid, "the address %s is not a public one; list it in ROLLCALL_WEBHOOK_ALLOW if webhooks may reach it", ip)
	}
	return nil
}

// client returns an HTTP client that checks each address at the moment of connecting,
// when its name has been resolved for the last time. It follows no redirect, and uses
// no proxy, which would connect by itself.
func (t Target) client() *http.Client {
	dialer := &net.Dialer{Timeout: connectTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("the address %s is not checked: %w", address, err)
		}
		return t.checkAddress(at.Addr())
	}}
	return &http.Client{
		Timeout: answerTimeout,
		Transport: encrypted{t.HTTP, &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			},
			TLSHandshakeTimeout: connectTimeout, ResponseHeaderTimeout: answerTimeout, IdleConnTimeout: 30 * time.Second,
			MaxIdleConnsPerHost: lanes, MaxConnsPerHost: 2 * lanes, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// encrypted refuses requests without TLS, unless they are allowed. A webhook may have
// been stored while they were, and the file of webhooks changes.
type encrypted struct {
	plain bool // is allowed
	*http.Transport
}

// RoundTrip implements http.RoundTripper.
func (e encrypted) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !e.plain {
		return nil, errors.New("the address does not begin with https://; change it, or set ROLLCALL_WEBHOOK_HTTP=true")
	}
	return e.Transport.RoundTrip(req)
}

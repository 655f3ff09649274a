package webhooks_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/webhooks"
)

func TestAddressesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"", "example.com", "//example.com", "ftp://example.com", "file:///etc/passwd", "gopher://example.com", "http://example.com",
		"https://", "https:example.com", "https://user:secret@example.com", "https://" + strings.Repeat("a", 2000) + ".com",
		"https://127.0.0.1", "https://127.1.2.3:8443/x", "https://0.0.0.0", "https://10.1.2.3", "https://172.31.0.1", "https://192.168.1.1",
		"https://169.254.169.254/latest/meta-data", "https://100.100.100.200", "https://198.18.0.1", "https://224.0.0.1", "https://255.255.255.255",
		"https://[::1]", "https://[::]", "https://[fe80::1]", "https://[fd00:ec2::254]", "https://[::ffff:127.0.0.1]", "https://[::ffff:a9fe:a9fe]",
		"https://[64:ff9b::a9fe:a9fe]", "https://[2002:7f00:1::]", "https://[ff02::1]", "https://[fec0::1]",
		"https://[::7f00:1]", "https://[::a9fe:a9fe]", "https://[::ffff:0:7f00:1]", "https://[4000::1]", "https://[3fff::1]", // which stand for others, or are nobody's
	} {
		if err := (webhooks.Target{}).CheckURL(address); faces.ErrorCode(err) != faces.CodeInvalid {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"https://example.com", "https://example.com:8443/hook?x=1", "https://93.184.216.34", "https://[2606:2800:220:1::1]/"} {
		if err := (webhooks.Target{}).CheckURL(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	allowed := webhooks.Target{Allow: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/12")}, HTTP: true}
	if err := allowed.CheckURL("http://10.100.0.1:8080"); err != nil {
		t.Error(err)
	}
	if err := allowed.CheckURL("http://10.0.0.1:8080"); err == nil {
		t.Error("an address beside the allowed ones is taken")
	}
}

// A name is checked when it is connected to, whatever it was before, and a redirect is
// not followed.
func TestNamesAreCheckedWhenConnecting(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	asked := 0
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	t.Cleanup(inside.Close)
	at, err := url.Parse(inside.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := newHook(t)
	h.answers(func(int) int { return http.StatusTemporaryRedirect })
	for _, tc := range []struct {
		name, url, problem string
		target             webhooks.Target
	}{
		{"a name that leads inside", "http://localhost:" + at.Port(), "is not a public one", webhooks.Target{HTTP: true}},
		{"a name that leads inside, with a dot", "http://localhost.:" + at.Port(), "", webhooks.Target{HTTP: true}},
		{"an address that was allowed before", inside.URL, "is not a public one", webhooks.Target{HTTP: true}},
		{"an address without TLS that was allowed before", h.url, "does not begin with https://", webhooks.Target{Allow: o.options().Target.Allow}},
		{"a redirect", h.url, "redirects are not followed", o.options().Target},
	} {
		secret, text := webhooks.NewSecret()
		w, err := o.store.AddWebhook(t.Context(), faces.Webhook{Name: tc.name, URL: tc.url, Sealed: o.sealer.Seal(secret)})
		if err != nil {
			t.Fatal(err)
		}
		h.expects(text)
		s := o.sender(func(opts *webhooks.Options) { opts.Target = tc.target })
		d, err := s.Test(t.Context(), w)
		if err != nil || d.OK || !strings.Contains(d.Problem, tc.problem) {
			t.Errorf("%s: %+v, %v", tc.name, d, err)
		}
	}
	if asked > 0 {
		t.Errorf("the server inside was asked %d times", asked)
	}
}

func TestSealer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, err := webhooks.OwnSealer(filepath.Join(dir, "one"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := webhooks.OwnSealer(filepath.Join(dir, "one"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := webhooks.OwnSealer(filepath.Join(dir, "other"))
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := webhooks.NewSecret()
	sealed := one.Seal(secret)
	if sealed == one.Seal(secret) {
		t.Error("a secret is sealed twice in the same way")
	}
	if _, err := again.Open(sealed); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{"another key": sealed, "cut off": sealed[:20], "no base64": "!", "empty": ""} {
		if _, err := other.Open(text); err == nil {
			t.Errorf("%s: it opens", name)
		}
	}
	if _, err := webhooks.NewSealer("c2hvcnQ="); err == nil || strings.Contains(err.Error(), "c2hvcnQ") {
		t.Errorf("a short key: %v", err)
	}
}

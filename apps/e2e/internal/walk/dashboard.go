package walk

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// dashboard returns the first page of the dashboard, as a viewer whom an operator has
// invited sees it.
func (w *Walk) dashboard(ctx context.Context) (string, error) {
	out, err := w.kube.run(ctx, "exec", "deployment/receiver", "--container=receiver", "--", "/app", "users", "invite", "-name", "walk", "-role", "viewer")
	if err != nil {
		return "", err
	}
	code, _, _ := strings.Cut(out, "\n")
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	// No redirects: those of the dashboard do not lead through the proxy.
	browser := &http.Client{Timeout: requestTimeout, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	address, password := w.kube.service("frontend", 8081), rand.Text()
	form := url.Values{"code": {code}, "password": {password}, "again": {password}}
	if _, err := visit(ctx, browser, http.MethodPost, address+"/invite", form, http.StatusSeeOther); err != nil {
		return "", fmt.Errorf("sign in to the dashboard: %w", err)
	}
	return visit(ctx, browser, http.MethodGet, address+"/", nil, http.StatusOK)
}

// visit sends a request and returns the page, which must have this code.
func visit(ctx context.Context, browser *http.Client, method, address string, form url.Values, want int) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := browser.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != want {
		err = fmt.Errorf("%s %s: %s: %.200s", method, address, res.Status, page)
	}
	return string(page), err
}

package traffic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// Target is the system to send requests to.
type Target struct {
	Server  string // address of the receiver
	KeyFile string // "" for none
}

// Dial returns a client of the target that can have many requests under way, and makes
// sure that the target is there and that the key has the needed scopes. It returns all
// scopes of the key. The key is read once: reading it for each request would be measured.
func (t Target) Dial(ctx context.Context, inFlight int, needed ...api.KeyScope) (*client.Client, []api.KeyScope, error) {
	address, err := url.Parse(t.Server)
	switch {
	case err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Hostname() == "":
		return nil, nil, errors.New("-server is not an address such as http://127.0.0.1:8000")
	case address.User != nil:
		return nil, nil, errors.New("the server's address has a name or password in it; put the API key into a file and name that by -key-file")
	}
	key, err := t.key()
	if err != nil {
		return nil, nil, err
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: inFlight + 1, MaxIdleConns: 0, // no limit
		IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
	}
	c := client.New(t.Server, client.WithKey(key), client.WithHTTPClient(&http.Client{Transport: transport}))
	scopes, err := t.check(ctx, c, needed)
	return c, scopes, err
}

func (t Target) key() (string, error) {
	if t.KeyFile == "" {
		return "", nil
	}
	text, err := os.ReadFile(t.KeyFile)
	if err != nil {
		return "", fmt.Errorf("read the API key: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("the key file %s does not contain one API key and nothing else", t.KeyFile)
	}
	return key, nil
}

// check asks the target who we are.
func (t Target) check(ctx context.Context, c *client.Client, needed []api.KeyScope) ([]api.KeyScope, error) {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	caller, err := c.Caller(ctx)
	var problem *api.Error
	switch {
	case err == nil:
	case errors.As(err, &problem) && problem.Status == http.StatusUnauthorized && t.KeyFile == "":
		return nil, fmt.Errorf("%s wants an API key: name its file by -key-file", t.Server)
	case problem != nil && (problem.Status == http.StatusUnauthorized || problem.Status == http.StatusForbidden):
		return nil, fmt.Errorf("%s refuses the API key in %s (%s)", t.Server, t.KeyFile, Code(err))
	case problem != nil:
		return nil, fmt.Errorf("%s answers, but not as a receiver of Rollcall should (%s): look at its address and its state", t.Server, Code(err))
	default:
		return nil, fmt.Errorf("%s cannot be reached: %w; is a receiver running there? -server names another one", t.Server, err)
	}
	for _, scope := range needed {
		if !Has(caller.Scopes, scope) {
			return nil, fmt.Errorf("the API key lacks the scope %q, which these requests need", scope)
		}
	}
	return caller.Scopes, nil
}

// Has reports whether scopes include one. The scope admin includes all.
func Has(scopes []api.KeyScope, scope api.KeyScope) bool {
	return slices.Contains(scopes, scope) || slices.Contains(scopes, api.ScopeAdmin)
}

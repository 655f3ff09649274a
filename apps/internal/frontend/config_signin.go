package frontend

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/signin"
)

// SignInConfig is the settings of sign-in.
type SignInConfig struct {
	Open           string // "true", "false", or auto: see isOpen
	PlainHTTP      bool
	PublicURL      string
	TrustedProxies []string
	Idle, Lifetime time.Duration
	Provider       signin.ProviderOptions
	ProviderName   string
}

// APIConfig is how a dashboard that is a program of its own calls the REST API.
type APIConfig struct {
	URL string
	Key *config.Token
}

// readAPI reads APIConfig.
func readAPI(r *config.Reader) APIConfig {
	return APIConfig{
		URL: readURL(r, "ROLLCALL_URL", "http://localhost:8000", "address of the receiver's REST API"),
		Key: config.ReadTokenFile(r, "ROLLCALL_KEY_FILE", "file that contains the dashboard's API key, which needs the scopes admin and act; read again when it changes"),
	}
}

// ReadSignIn reads the settings of sign-in.
func ReadSignIn(r *config.Reader) SignInConfig {
	c := SignInConfig{
		Open: r.OneOf("ROLLCALL_OPEN_DASHBOARD", "auto", "true: everybody who reaches the dashboard may look at everything, and nobody can sign in; "+
			"auto: nobody has to sign in on a loopback address without API keys, proxies and public names; false: everybody has to", "auto", "true", "false"),
		PlainHTTP: r.OneOf("ROLLCALL_PLAIN_HTTP", "false", "true: send the cookie of a session over http, too, where others can read it on the way; "+
			"for test machines without TLS. Not needed on a loopback address", "true", "false") == "true",
		PublicURL:      readPublicURL(r),
		TrustedProxies: readProxies(r),
		Idle:           r.Duration("ROLLCALL_SESSION_IDLE", 8*time.Hour, time.Minute, 90*24*time.Hour, "a session that is not used for this time ends"),
		Lifetime:       r.Duration("ROLLCALL_SESSION_TIME", 7*24*time.Hour, time.Minute, 365*24*time.Hour, "a session ends after this time, used or not"),
	}
	c.Provider, c.ProviderName = readProvider(r, c.PublicURL)
	if strings.HasPrefix(c.PublicURL, "http://") && !c.PlainHTTP {
		if u, err := url.Parse(c.PublicURL); err == nil && !config.IsLoopbackHost(u.Hostname()) {
			r.Fail(publicURL, "%q is not https, so browsers would not keep the cookie of a session; set ROLLCALL_PLAIN_HTTP=true on a test machine", c.PublicURL)
		}
	}
	return c
}

const publicURL = "ROLLCALL_DASHBOARD_URL"

func readPublicURL(r *config.Reader) string {
	return readURL(r, publicURL, "", "address of the dashboard in a browser, with its base path, such as https://rollcall.example.com; needed for OpenID Connect")
}

// readURL reads an address of http or https, and returns it without a slash at its end.
func readURL(r *config.Reader, name, def, help string) string {
	text := strings.TrimRight(r.String(name, def, help), "/")
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		r.Fail(name, "%q is not an address such as https://rollcall.example.com", text)
		return ""
	}
	return text
}

func readProxies(r *config.Reader) (list []string) {
	const name = "ROLLCALL_TRUSTED_PROXIES"
	text := r.String(name, "", "addresses or networks (10.0.0.0/8) of the proxies in front, separated by commas: what they say in X-Forwarded-For is believed, to count attempts to sign in by address")
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		_, notAddress := netip.ParseAddr(part)
		_, notNetwork := netip.ParsePrefix(part)
		if notAddress != nil && notNetwork != nil {
			r.Fail(name, "%q is neither an address nor a network such as 10.0.0.0/8", part)
			continue
		}
		list = append(list, part)
	}
	return list
}

// CallbackPath is the path to which the OpenID provider sends the browser back.
const CallbackPath = "/sign-in/provider/callback"

func readProvider(r *config.Reader, public string) (signin.ProviderOptions, string) {
	const issuer = "ROLLCALL_OIDC_ISSUER"
	o := signin.ProviderOptions{
		Issuer:   r.String(issuer, "", "issuer of OpenID Connect, such as https://login.example.com; unset: users sign in by password only"),
		ClientID: r.String("ROLLCALL_OIDC_CLIENT_ID", "", "what the provider calls this dashboard"),
	}
	o.Secret = config.ReadSecretFile(r, "ROLLCALL_OIDC_CLIENT_SECRET_FILE", "file that contains the client's secret; read again when it changes; unset for a public client")
	o.Scopes = strings.Fields(r.String("ROLLCALL_OIDC_SCOPES", "openid email profile", "what to ask the provider for"))
	o.UserClaim = r.String("ROLLCALL_OIDC_USER_CLAIM", "email", "claim that is the user's name; email counts only if it is verified")
	o.GroupsClaim = r.String("ROLLCALL_OIDC_GROUPS_CLAIM", "groups", "claim that lists the user's groups")
	o.Roles = readRoles(r)
	o.Default = access.Role(r.OneOf("ROLLCALL_OIDC_DEFAULT_ROLE", "none", "role of a user without a group of ROLLCALL_OIDC_ROLES, or of a new user; none: such a user may not sign in",
		"none", string(access.Viewer), string(access.Reviewer)))
	if o.Default == "none" {
		o.Default = ""
	}
	label := r.String("ROLLCALL_OIDC_NAME", "your organisation", "what the button says: Sign in with …")
	if o.Issuer == "" {
		return signin.ProviderOptions{}, label
	}
	u, err := url.Parse(o.Issuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && config.IsLoopbackHost(u.Hostname())):
		r.Fail(issuer, "%q is not an https address", o.Issuer)
	case o.ClientID == "":
		r.Fail("ROLLCALL_OIDC_CLIENT_ID", "is not set, and %s is; the provider gave you this id when you registered the dashboard", issuer)
	case public == "":
		r.Fail(publicURL, "is not set, and %s is; the provider sends browsers back to this address + %s", issuer, CallbackPath)
	}
	o.Redirect = public + CallbackPath
	return o, label
}

// readRoles reads which role each group has. A group's name may have any characters but
// a comma.
func readRoles(r *config.Reader) map[string]access.Role {
	const name = "ROLLCALL_OIDC_ROLES"
	text := r.String(name, "", "role of each group, such as rollcall-admins=admin,photo-team=reviewer; unset: roles are set in Rollcall. If set, the provider decides at each sign-in")
	roles := map[string]access.Role{}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		i := strings.LastIndex(part, "=")
		if i <= 0 {
			r.Fail(name, "%q is not GROUP=ROLE", part)
			continue
		}
		role, err := access.ParseRole(strings.TrimSpace(part[i+1:]))
		if err != nil {
			r.Fail(name, "%v", err)
			continue
		}
		roles[strings.TrimSpace(part[:i])] = role
	}
	return roles
}

func firstLineOf(t *config.Token) (string, error) {
	lines, err := t.All()
	if err != nil {
		return "", err
	}
	if len(lines) == 0 {
		return "", errors.New("the file is empty")
	}
	return lines[0], nil
}

// errNoSignIn is why a dashboard refuses to start.
var errNoSignIn = errors.New("other machines can reach the dashboard, and nobody could sign in, because it has no API key (ROLLCALL_KEY_FILE is not set, or its file is not there). Do one of these:\n" +
	"  - make a key: receiver keys create -name dashboard -scopes admin,act; put it into a file, and name that in ROLLCALL_KEY_FILE\n" +
	"    (in the overlays: the Secret frontend-key, docs/sign-in.md)\n" +
	"  - listen on this machine only: ROLLCALL_FRONTEND_HOST=127.0.0.1\n" +
	"  - set ROLLCALL_OPEN_DASHBOARD=true, if everybody who can reach it may see every name and path; without a key it shows no pictures")

// isOpen reports whether nobody has to sign in. keyed is whether the API asks for keys.
func (c SignInConfig) isOpen(o *Options, keyed bool) bool {
	switch c.Open {
	case "true":
		return true
	case "false":
		return false
	default:
		return !keyed && c.Provider.Issuer == "" && c.isAlone(o)
	}
}

// isAlone reports whether nobody else can reach the dashboard. A loopback address alone
// does not say so: a proxy on this machine can serve it to others.
func (c SignInConfig) isAlone(o *Options) bool {
	isElsewhere := func(host string) bool { return !config.IsLoopbackHost(host) }
	if !config.IsLoopback(o.Address) || len(c.TrustedProxies) > 0 || slices.ContainsFunc(o.AllowedHosts, isElsewhere) {
		return false
	}
	if c.PublicURL == "" {
		return true
	}
	u, err := url.Parse(c.PublicURL)
	return err == nil && config.IsLoopbackHost(u.Hostname())
}

// NewAPI returns a client of the REST API with the dashboard's own key, or nil if there
// is no key and one is needed.
func (c APIConfig) NewAPI(address string) (*client.Client, error) {
	if !c.Key.IsSet() {
		if config.IsLoopback(address) {
			return NewAPI(c.URL, nil) // a receiver on this machine may ask for none
		}
		return nil, nil
	}
	switch _, err := firstLineOf(c.Key); {
	case errors.Is(err, fs.ErrNotExist): // such as an optional Secret that nobody made
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the dashboard's API key (ROLLCALL_KEY_FILE): %w", err)
	}
	return NewAPI(c.URL, func() (string, error) {
		key, err := firstLineOf(c.Key)
		if err != nil {
			return "", fmt.Errorf("read the dashboard's API key: %w", err)
		}
		return key, nil
	})
}

// SignInDeps is what sign-in works with.
type SignInDeps struct {
	Store    signin.Store
	API      *client.Client // with the dashboard's key; nil for none
	Keyed    bool           // the API asks for keys
	Log      *slog.Logger
	Registry prometheus.Registerer
}

// Apply completes the options of a dashboard: who has to sign in, and what everybody may
// do where nobody has to. It fails if somebody has to and nobody could.
func (c SignInConfig) Apply(o *Options, d SignInDeps) error {
	o.API, o.PublicURL, o.ProviderName, o.TrustedProxies = d.API, c.PublicURL, c.ProviderName, c.TrustedProxies
	loopback := config.IsLoopback(o.Address)
	o.Secure = !c.PlainHTTP && (!loopback || strings.HasPrefix(c.PublicURL, "https://"))
	if c.isOpen(o, d.Keyed) {
		o.Everybody = access.Viewer
		switch {
		case loopback && !d.Keyed && c.Open != "true":
			o.Everybody = access.AdminRole // as for the API on loopback
			return nil
		case c.isAlone(o):
			return nil
		}
		d.Log.Warn("everybody who can reach the dashboard may see every name and picture, because ROLLCALL_OPEN_DASHBOARD is true")
		return nil
	}
	if d.API == nil {
		return errNoSignIn
	}
	if !o.Secure && !loopback {
		d.Log.Warn("cookies of sessions travel over http, too, because ROLLCALL_PLAIN_HTTP is true: whoever can read the network can take over a session")
	}
	var err error
	o.SignIn, err = signin.New(d.Store, roleSetter{d.API}, signin.Options{
		Log: d.Log, Registry: d.Registry, BasePath: o.BasePath, Secure: o.Secure, Idle: c.Idle, Lifetime: c.Lifetime, Provider: c.Provider, Now: o.Now,
	})
	return err
}

// roleSetter sets roles with the dashboard's own key.
type roleSetter struct{ api *client.Client }

// SetRole implements signin.Users.
func (s roleSetter) SetRole(ctx context.Context, name string, role access.Role) (access.User, error) {
	u, err := s.api.SetUser(ctx, name, api.Role(role))
	if err != nil {
		return access.User{}, err
	}
	return access.User{ID: u.ID, Name: u.Name, Role: access.Role(u.Role), CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt}, nil
}

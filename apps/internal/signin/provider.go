package signin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc" // discovery, keys and checks of ID tokens
	"golang.org/x/oauth2"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// ProviderOptions says which OpenID provider may say who somebody is.
type ProviderOptions struct {
	Issuer      string
	ClientID    string
	Secret      func() (string, error) // read for each sign-in; nil for a public client
	Redirect    string                 // the address of the dashboard's callback
	Scopes      []string
	UserClaim   string // has the user's name
	GroupsClaim string
	// Roles has the role of each group. If it is empty, the roles are set in Rollcall.
	Roles map[string]access.Role
	// Default is the role of a user without a group of Roles, or of a new user. "" means
	// that only users with such a group, or whom an admin has added, may sign in.
	Default access.Role
	Client  *http.Client // nil means one with a time limit
}

// providerTimeout limits one request to the provider.
const providerTimeout = 10 * time.Second

// maxProviderAnswer is the largest answer of a provider that is read, in bytes.
const maxProviderAnswer = 1 << 20

// provider talks to the OpenID provider. It asks it for its addresses at the first
// sign-in, so that the dashboard starts without it.
type provider struct {
	opts ProviderOptions
	now  func() time.Time

	mu         sync.Mutex // guards discovered
	discovered *oidc.Provider
}

func newProvider(o ProviderOptions, now func() time.Time) *provider {
	if o.Client == nil {
		o.Client = &http.Client{Timeout: providerTimeout, Transport: limited{http.DefaultTransport}}
	}
	if len(o.Scopes) == 0 {
		o.Scopes = []string{"openid", "email", "profile"}
	}
	if !slices.Contains(o.Scopes, oidc.ScopeOpenID) {
		o.Scopes = append([]string{oidc.ScopeOpenID}, o.Scopes...)
	}
	o.UserClaim, o.GroupsClaim = cmp.Or(o.UserClaim, "email"), cmp.Or(o.GroupsClaim, "groups")
	return &provider{opts: o, now: now}
}

// limited cuts off answers that are too large.
type limited struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxProviderAnswer), res.Body}
	}
	return res, err
}

// discover returns the provider's addresses and keys.
func (p *provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.discovered != nil {
		return p.discovered, nil
	}
	found, err := oidc.NewProvider(ctx, p.opts.Issuer) // it also checks the issuer's name
	if err != nil {
		return nil, err
	}
	p.discovered = found
	return found, nil
}

func (p *provider) oauth(from *oidc.Provider) (oauth2.Config, error) {
	c := oauth2.Config{ClientID: p.opts.ClientID, Endpoint: from.Endpoint(), RedirectURL: p.opts.Redirect, Scopes: p.opts.Scopes}
	if p.opts.Secret == nil {
		return c, nil
	}
	secret, err := p.opts.Secret()
	c.ClientSecret = secret
	return c, err
}

// Flow is a sign-in that the provider has not answered yet. The browser keeps it in a
// cookie, so that only the browser that began it can end it.
type Flow struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"` // of PKCE
	Next     string `json:"to"`
	Until    int64  `json:"u"` // a time, in Unix seconds
}

// FlowFor is how long somebody may take at the provider.
const FlowFor = 10 * time.Minute

// Text returns the flow as the value of a cookie.
func (f Flow) Text() string {
	b, err := json.Marshal(f)
	if err != nil {
		return "" // texts and a number always can
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseFlow returns the flow of a cookie.
func ParseFlow(text string) (f Flow, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(b, &f) != nil {
		return Flow{}, false
	}
	return f, f.State != "" && f.Nonce != "" && f.Verifier != ""
}

// ErrProvider is that the provider cannot be reached, or does not answer as it should.
var ErrProvider = errors.New("the sign-in service cannot be reached")

// Refusal is a kind of RefusedError.
type Refusal string

// The refusals, with the values that each one is about.
const (
	RefusedForeign    Refusal = "foreign"    // the browser did not begin this sign-in
	RefusedLate       Refusal = "late"       // it took too long
	RefusedIssuer     Refusal = "issuer"     // another provider answers
	RefusedThere      Refusal = "there"      // the provider says no: its code
	RefusedUnknown    Refusal = "unknown"    // there is no such user: the name
	RefusedTaken      Refusal = "taken"      // the user signs in in another way: the name
	RefusedNoName     Refusal = "noname"     // there is no such claim: the claim
	RefusedUnverified Refusal = "unverified" // the e-mail address is not verified
	RefusedBadName    Refusal = "badname"    // it cannot be a user's name: the claim, the name
	RefusedGroups     Refusal = "groups"     // no group of the user has a role
)

// RefusedError is why somebody whom the provider knows is not let in. It may be shown: Why,
// or in another language what Kind means.
type RefusedError struct {
	Why  string
	Kind Refusal
	Of   []any // the values
}

// Error implements error.
func (e *RefusedError) Error() string { return e.Why }

func refused(kind Refusal, why string, of ...any) error {
	return &RefusedError{Why: why, Kind: kind, Of: of}
}

// HasProvider reports whether users can sign in with an OpenID provider.
func (v *Service) HasProvider() bool { return v.provider != nil }

// BeginProvider begins a sign-in with the provider. It returns what the browser must
// keep, and where it goes.
func (v *Service) BeginProvider(ctx context.Context, next string) (Flow, string, error) {
	p := v.provider
	ctx = oidc.ClientContext(ctx, p.opts.Client)
	from, err := p.discover(ctx)
	if err != nil {
		return Flow{}, "", errors.Join(ErrProvider, err)
	}
	c, err := p.oauth(from)
	if err != nil {
		return Flow{}, "", err
	}
	f := Flow{
		State: randomText(), Nonce: randomText(), Verifier: oauth2.GenerateVerifier(), Next: next, Until: p.now().Add(FlowFor).Unix(),
	}
	return f, c.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), nil
}

func randomText() string { return base64.RawURLEncoding.EncodeToString(random(32)) }

// EndProvider returns the user whom the provider's answer names. The answer must belong
// to the flow that this browser began.
func (v *Service) EndProvider(ctx context.Context, f Flow, answer url.Values, from string) (access.User, error) {
	giveBack, err := v.attempts.take("", from) // each answer makes us ask the provider
	var u access.User
	if err == nil {
		if u, err = v.endProvider(ctx, f, answer); err == nil {
			giveBack()
		}
	}
	v.count(access.ByProvider, err)
	if err != nil {
		v.log.WarnContext(ctx, "a sign-in was refused", "way", access.ByProvider, "from", from, "error", err)
		return access.User{}, err
	}
	v.log.InfoContext(ctx, "signed in", "user", u.ID, "way", access.ByProvider, "from", from)
	return u, nil
}

func (v *Service) endProvider(ctx context.Context, f Flow, answer url.Values) (access.User, error) {
	p := v.provider
	switch {
	case subtle.ConstantTimeCompare([]byte(f.State), []byte(answer.Get("state"))) != 1:
		return access.User{}, refused(RefusedForeign, "this answer does not belong to a sign-in that this browser began; sign in again")
	case p.now().Unix() > f.Until:
		return access.User{}, refused(RefusedLate, "the sign-in took too long; sign in again")
	case answer.Has("iss") && answer.Get("iss") != p.opts.Issuer:
		return access.User{}, refused(RefusedIssuer, "the answer comes from another sign-in service than the one that was asked")
	case answer.Get("error") != "":
		said := fmt.Sprintf("%.60q", answer.Get("error"))
		return access.User{}, refused(RefusedThere, "the sign-in service said no ("+said+"); try again, or ask whoever runs it", said)
	}
	ctx = oidc.ClientContext(ctx, p.opts.Client)
	who, err := p.claims(ctx, f, answer.Get("code"))
	if err != nil {
		return access.User{}, err
	}
	return v.userOf(ctx, who)
}

// claims are what the provider says about somebody.
type claims struct {
	identity access.Hash // of issuer and subject, which never change
	values   map[string]any
}

// claims exchanges the code and checks the ID token: signature, issuer, audience, times
// and nonce.
func (p *provider) claims(ctx context.Context, f Flow, code string) (claims, error) {
	from, err := p.discover(ctx)
	if err != nil {
		return claims{}, errors.Join(ErrProvider, err)
	}
	c, err := p.oauth(from)
	if err != nil {
		return claims{}, err
	}
	token, err := c.Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		var said *oauth2.RetrieveError
		if errors.As(err, &said) && said.Response != nil && said.Response.StatusCode < http.StatusInternalServerError {
			return claims{}, &notProven{fmt.Errorf("exchange the code: %s", said.ErrorCode)}
		}
		return claims{}, errors.Join(ErrProvider, err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return claims{}, &notProven{errors.New("the provider's answer has no ID token")}
	}
	id, err := from.VerifierContext(ctx, &oidc.Config{ClientID: p.opts.ClientID, Now: p.now}).Verify(ctx, raw)
	if err != nil {
		return claims{}, &notProven{err}
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1 {
		return claims{}, &notProven{errors.New("the ID token has another nonce")}
	}
	if id.Subject == "" {
		return claims{}, &notProven{errors.New("the ID token has no subject")}
	}
	who := claims{identity: sha256.Sum256([]byte(id.Issuer + "\n" + id.Subject)), values: map[string]any{}}
	if err := id.Claims(&who.values); err != nil {
		return claims{}, &notProven{err}
	}
	if azp, ok := who.values["azp"].(string); ok && azp != p.opts.ClientID {
		return claims{}, &notProven{errors.New("the ID token was made for another client")}
	}
	return who, p.more(ctx, from, token, id.Subject, &who)
}

// more asks for the claims that the ID token does not have.
func (p *provider) more(ctx context.Context, from *oidc.Provider, token *oauth2.Token, subject string, who *claims) error {
	missing := who.values[p.opts.UserClaim] == nil || len(p.opts.Roles) > 0 && who.values[p.opts.GroupsClaim] == nil
	if !missing || from.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := from.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return errors.Join(ErrProvider, err)
	}
	if info.Subject != subject {
		return &notProven{errors.New("the user info is about somebody else")}
	}
	var rest map[string]any
	if err := info.Claims(&rest); err != nil {
		return &notProven{err}
	}
	for k, v := range rest {
		if _, has := who.values[k]; !has {
			who.values[k] = v
		}
	}
	return nil
}

// notProven is the error of an answer that proves nothing. The cause is for the log.
type notProven struct{ cause error }

// Error implements error.
func (e *notProven) Error() string {
	return "the sign-in service's answer is not valid: " + e.cause.Error()
}

// Unwrap returns the cause.
func (e *notProven) Unwrap() error { return e.cause }

// IsNotProven reports whether the provider's answer proves nothing.
func IsNotProven(err error) bool { return errors.As(err, new(*notProven)) }

// userOf returns the user whom claims are about. A linked identity counts and not the
// name, which a provider may give to somebody else.
func (v *Service) userOf(ctx context.Context, who claims) (access.User, error) {
	role, err := v.provider.role(who)
	if err != nil {
		return access.User{}, err
	}
	u, err := v.store.Identity(ctx, who.identity)
	if faces.ErrorCode(err) == faces.CodeMissing {
		return v.welcome(ctx, who, role)
	}
	if err != nil || role == "" || len(v.provider.opts.Roles) == 0 || u.Role == role {
		return u, err
	}
	return v.users.SetRole(ctx, u.Name, role)
}

// welcome links the identity of somebody who signs in for the first time.
func (v *Service) welcome(ctx context.Context, who claims, role access.Role) (access.User, error) {
	name, err := v.provider.name(who)
	if err != nil {
		return access.User{}, err
	}
	u, err := v.store.User(ctx, name)
	switch {
	case faces.ErrorCode(err) == faces.CodeMissing && role == "":
		return access.User{}, refused(RefusedUnknown, "there is no user "+name+" in Rollcall; ask an admin to add you", name)
	case faces.ErrorCode(err) == faces.CodeMissing:
		u, err = v.users.SetRole(ctx, name, role)
	}
	if err != nil {
		return access.User{}, err
	}
	err = v.store.LinkIdentity(by(ctx, u), u.ID, who.identity)
	if faces.ErrorCode(err) == faces.CodeConflict {
		return access.User{}, refused(RefusedTaken, "the user "+name+" signs in to Rollcall in another way; ask an admin to delete that user first, if it is you", name)
	}
	if err != nil {
		return access.User{}, err
	}
	if len(v.provider.opts.Roles) > 0 && role != "" && u.Role != role {
		return v.users.SetRole(ctx, name, role)
	}
	return u, nil
}

// name returns the name that the claims give to a user.
func (p *provider) name(who claims) (string, error) {
	claim := p.opts.UserClaim
	shown := fmt.Sprintf("%.60s", claim)
	name, _ := who.values[claim].(string)
	if name == "" {
		return "", refused(RefusedNoName, "the sign-in service does not say your "+shown+"; whoever runs it can add this claim", shown)
	}
	if claim == "email" && !isTrue(who.values["email_verified"]) {
		return "", refused(RefusedUnverified, "the sign-in service has not verified your e-mail address")
	}
	if err := access.CheckUserName(name); err != nil {
		return "", refused(RefusedBadName, fmt.Sprintf("your %s cannot be a user name in Rollcall: %v", shown, err), shown, fmt.Sprintf("%.150q", name))
	}
	return name, nil
}

func isTrue(claim any) bool { return claim == true || claim == "true" }

// role returns the role of somebody: the highest of their groups', or the default.
func (p *provider) role(who claims) (access.Role, error) {
	role := p.opts.Default
	if len(p.opts.Roles) == 0 {
		return role, nil
	}
	for _, group := range texts(who.values[p.opts.GroupsClaim]) {
		if r, ok := p.opts.Roles[group]; ok && !role.Includes(r) {
			role = r
		}
	}
	if role == "" {
		return "", refused(RefusedGroups, "none of your groups may use Rollcall; ask whoever runs it")
	}
	return role, nil
}

// texts returns the texts of a claim that is one text or a list.
func texts(claim any) (list []string) {
	switch v := claim.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			if text, ok := e.(string); ok {
				list = append(list, text)
			}
		}
	}
	return list
}

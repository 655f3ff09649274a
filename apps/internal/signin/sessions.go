package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2" // tokens, renewal and life of sessions

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// seenEvery is how exactly it is known when a session was used last. Between two such
// times, requests only read.
const seenEvery = time.Minute

// sessions begins, finds, renews and ends sessions. The manager makes the tokens and
// decides how long they live; shelf puts them into the table.
type sessions struct{ manager *scs.SessionManager }

func newSessions(s Store, opts Options) *sessions {
	m := scs.New()
	m.Store, m.Codec = &shelf{store: s, idle: opts.Idle, now: opts.Now}, columns{}
	m.Lifetime = opts.Lifetime // the shelf ends sessions that are not used
	m.Cookie.Name = CookieName("rollcall", opts.BasePath, opts.Secure)
	m.Cookie.Path, m.Cookie.HttpOnly, m.Cookie.SameSite, m.Cookie.Secure = "/", true, http.SameSiteLaxMode, opts.Secure
	return &sessions{manager: m}
}

// CookieName returns the name of a cookie. Browsers accept __Host- only from this very
// host and over https, so that no other one can plant it.
func CookieName(name, basePath string, secure bool) string {
	for part := range strings.SplitSeq(basePath, "/") {
		if part != "" {
			name += "-" + strings.Map(tokenOnly, part)
		}
	}
	if secure {
		return "__Host-" + name
	}
	return name
}

func tokenOnly(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
		return r
	}
	return '_'
}

// The values of a session, as the manager keeps them.
const (
	userValue    = "user"
	roleValue    = "role"
	wayValue     = "way"
	addressValue = "address"
	browserValue = "browser"
)

// data is what the manager gives to the shelf and gets back.
type data struct {
	Deadline time.Time
	Values   map[string]string
}

// columns is the manager's codec. The table has a column for each value, so that
// sessions can be listed; the bytes never leave this package.
type columns struct{}

// Encode implements scs.Codec.
func (columns) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	d := data{Deadline: deadline, Values: map[string]string{}}
	for k, v := range values {
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("the session's value %s is no text", k)
		}
		d.Values[k] = text
	}
	return json.Marshal(d)
}

// Decode implements scs.Codec.
func (columns) Decode(b []byte) (time.Time, map[string]any, error) {
	var d data
	if err := json.Unmarshal(b, &d); err != nil {
		return time.Time{}, nil, err
	}
	values := make(map[string]any, len(d.Values))
	for k, v := range d.Values {
		values[k] = v
	}
	return d.Deadline, values, nil
}

// visit is one request's view of its session. The shelf fills it in, so that a request
// reads session and user with one query.
type visit struct {
	found *access.SessionOf
	looks bool // the request is no use of the session, so that it does not live longer
	keep  bool // a renewed token takes the place of the old one, instead of a new row
}

type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	v, ok := ctx.Value(visitKey{}).(*visit)
	if !ok {
		return &visit{}
	}
	return v
}

// shelf is the manager's store: it keeps hashes of tokens in the table of sessions.
type shelf struct {
	store Store
	idle  time.Duration
	now   func() time.Time
}

var _ scs.CtxStore = (*shelf)(nil)

var errNoContext = errors.New("sessions are used with a context only")

// Find implements scs.Store.
func (*shelf) Find(string) ([]byte, bool, error) { return nil, false, errNoContext }

// Commit implements scs.Store.
func (*shelf) Commit(string, []byte, time.Time) error { return errNoContext }

// Delete implements scs.Store.
func (*shelf) Delete(string) error { return errNoContext }

// FindCtx implements scs.CtxStore.
func (s *shelf) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	if len(token) > 100 { // ours have 43 characters
		return nil, false, nil
	}
	x, err := s.store.Session(ctx, access.HashOf(token))
	if faces.ErrorCode(err) == faces.CodeMissing {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	visitOf(ctx).found = &x
	b, err := json.Marshal(data{Deadline: x.EndsAt, Values: map[string]string{roleValue: string(x.Role)}})
	return b, true, err
}

// CommitCtx implements scs.CtxStore. A session that is there is changed and never made
// again, so that one that is revoked at this moment stays so.
func (s *shelf) CommitCtx(ctx context.Context, token string, b []byte, _ time.Time) error {
	var d data
	if err := json.Unmarshal(b, &d); err != nil {
		return err
	}
	x := access.Session{Token: access.HashOf(token), Role: access.Role(d.Values[roleValue]), ExpiresAt: s.now().Add(s.idle), EndsAt: d.Deadline}
	if x.EndsAt.Before(x.ExpiresAt) {
		x.ExpiresAt = x.EndsAt
	}
	if found := visitOf(ctx).found; found != nil {
		if visitOf(ctx).looks {
			x.ExpiresAt = found.ExpiresAt
		}
		return s.store.ChangeSession(ctx, found.Token, x)
	}
	if _, err := fmt.Sscan(d.Values[userValue], &x.UserID); err != nil {
		return fmt.Errorf("the session has no user: %w", err)
	}
	x.Way, x.Address, x.Browser = access.Way(d.Values[wayValue]), d.Values[addressValue], d.Values[browserValue]
	return s.store.AddSession(ctx, x)
}

// DeleteCtx implements scs.CtxStore.
func (s *shelf) DeleteCtx(ctx context.Context, token string) error {
	v := visitOf(ctx)
	if v.keep {
		return nil
	}
	v.found = nil
	return s.store.DeleteSession(ctx, access.HashOf(token))
}

// Cookie is a cookie to set.
type Cookie interface{ Write(w http.ResponseWriter) }

// cookie sets the cookie of a session, or deletes it.
type cookie struct {
	manager *scs.SessionManager
	ctx     context.Context //nolint:containedctx // the manager finds the session in it
	token   string
	expiry  time.Time
}

// Write implements Cookie.
func (k cookie) Write(w http.ResponseWriter) {
	kept := w.Header().Values("Cache-Control") // the manager adds one that would allow storing
	k.manager.WriteSessionCookie(k.ctx, w, k.token, k.expiry)
	w.Header()["Cache-Control"] = kept
}

// Begin signs a user in with a new token and returns its cookie. A session that the
// request had before ends.
func (v *Service) Begin(ctx context.Context, r *http.Request, u access.User, way access.Way, from string) (Cookie, error) {
	m := v.sessions.manager
	ctx = context.WithValue(ctx, visitKey{}, &visit{})
	ctx, err := m.Load(ctx, v.token(r))
	if err != nil {
		return nil, err
	}
	if visitOf(ctx).found != nil {
		if err := m.Destroy(ctx); err != nil {
			return nil, err
		}
	}
	if err := m.RenewToken(ctx); err != nil { // a token that somebody planted is never used
		return nil, err
	}
	m.SetDeadline(ctx, v.opts.Now().Add(v.opts.Lifetime))
	for k, text := range map[string]string{
		userValue: fmt.Sprint(u.ID), roleValue: string(u.Role), wayValue: string(way), addressValue: cut(from, 64), browserValue: cut(r.UserAgent(), 255),
	} {
		m.Put(ctx, k, text)
	}
	return v.commit(ctx)
}

func (v *Service) commit(ctx context.Context) (Cookie, error) {
	m := v.sessions.manager
	token, _, err := m.Commit(ctx)
	if err != nil {
		return nil, err
	}
	// The browser keeps the cookie until the session ends at the latest; whether it is
	// idle for too long is the table's to say.
	return cookie{manager: m, ctx: ctx, token: token, expiry: m.Deadline(ctx)}, nil
}

func (v *Service) token(r *http.Request) string {
	k, err := r.Cookie(v.sessions.manager.Cookie.Name)
	if err != nil {
		return ""
	}
	return k.Value
}

// Current returns the session of a request, or nil if nobody is signed in. If the
// session is renewed, there is a cookie to set. used is whether the request is a use of
// the session, which then lives on: what an open page loads by itself is none.
func (v *Service) Current(ctx context.Context, r *http.Request, used bool) (*access.SessionOf, Cookie, error) {
	token := v.token(r)
	if token == "" {
		return nil, nil, nil
	}
	m := v.sessions.manager
	visit := &visit{keep: true, looks: !used}
	ctx, err := m.Load(context.WithValue(ctx, visitKey{}, visit), token)
	if err != nil || visit.found == nil {
		return nil, nil, err
	}
	found := *visit.found
	changed := found.Role != found.User.Role
	if !changed && (!used || v.opts.Now().Sub(found.SeenAt) < seenEvery) {
		return &found, nil, nil
	}
	if changed { // the old token must not have the new rights
		ends := m.Deadline(ctx)
		if err := m.RenewToken(ctx); err != nil {
			return nil, nil, err
		}
		m.SetDeadline(ctx, ends)
		m.Put(ctx, roleValue, string(found.User.Role))
	}
	renewed, err := v.commit(ctx)
	switch {
	case faces.ErrorCode(err) == faces.CodeMissing:
		// Somebody has just revoked it, or another request of this browser has renewed
		// it; then the browser has the new token for its next request.
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	case !changed:
		return &found, nil, nil
	}
	found.Role, found.Token = found.User.Role, access.HashOf(m.Token(ctx))
	return &found, renewed, nil
}

// IsCurrent reports whether the session of a request that goes on for long still stands,
// with the role that it had. It does not count as a use of the session.
func (v *Service) IsCurrent(ctx context.Context, r *http.Request) (bool, error) {
	visit := &visit{keep: true}
	if _, err := v.sessions.manager.Load(context.WithValue(ctx, visitKey{}, visit), v.token(r)); err != nil {
		return false, err
	}
	return visit.found != nil && visit.found.Role == visit.found.User.Role, nil
}

// End signs out the user of a request.
func (v *Service) End(ctx context.Context, r *http.Request) (Cookie, error) {
	m := v.sessions.manager
	gone := cookie{manager: m, ctx: ctx}
	token := v.token(r)
	if token == "" {
		return gone, nil
	}
	ctx, err := m.Load(context.WithValue(ctx, visitKey{}, &visit{}), token)
	if err == nil && visitOf(ctx).found != nil {
		err = m.Destroy(ctx)
	}
	return gone, err
}

// Sessions returns sessions, the one that was used last first: those of a user, or all
// if userID is 0.
func (v *Service) Sessions(ctx context.Context, userID int64) ([]access.SessionOf, error) {
	return v.store.Sessions(ctx, userID, 500)
}

// Revoke ends a session of a user, or of anybody if userID is 0.
func (v *Service) Revoke(ctx context.Context, id, userID int64) error {
	return v.store.RevokeSession(ctx, id, userID)
}

// RevokeOthers ends all other sessions of the user of a session.
func (v *Service) RevokeOthers(ctx context.Context, x access.SessionOf) error {
	return v.store.RevokeOtherSessions(ctx, x.UserID, x.Token)
}

// cut returns the beginning of a text, without what is not UTF-8.
func cut(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

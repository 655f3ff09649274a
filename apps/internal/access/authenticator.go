package access

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Fresh is how long keys and users are used before they are read again. A revoked
// key is refused by every receiver within this time.
const Fresh = 5 * time.Second

// fileFresh is Fresh of the file of declared keys.
const fileFresh = time.Second

// Directory is the keys and users that a Source has.
type Directory struct {
	Keys  []Key
	Users []User
}

// Source stores keys and users.
type Source interface {
	// Directory returns all keys and users, also those that are not accepted.
	Directory(ctx context.Context) (Directory, error)
	// TouchKeys notes when keys were used last, by their ids.
	TouchKeys(ctx context.Context, used map[string]time.Time) error
}

// Options configures an Authenticator.
type Options struct {
	Source Source
	File   string  // declares more keys; "" for none
	Open   bool    // whether requests without a key may do everything
	Rate   float64 // requests per second of a key without limits of its own; 0: any number
	Burst  int     // requests at once of such a key; 0: a second's
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now
}

// Authenticator checks keys. It is safe for concurrent use.
type Authenticator struct {
	opts     Options
	stored   cached[stored]
	declared cached[map[string]Key]

	mu   sync.Mutex // guards the fields below
	used map[string]*usage
	own  map[string]Key // see OwnKey
}

// stored is a Directory by what is looked for.
type stored struct {
	keys  map[string]Key
	users map[string]User
}

// usage is what is known of the use of one key.
type usage struct {
	limiter *rate.Limiter
	last    time.Time
	noted   time.Time // the last that the Source knows of
}

// New returns an Authenticator.
func New(opts Options) *Authenticator {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	a := &Authenticator{opts: opts, used: map[string]*usage{}, own: map[string]Key{}}
	a.stored.load = a.loadStored
	declared := &file{name: opts.File, log: opts.Log}
	a.declared.load = declared.read
	return a
}

func (a *Authenticator) loadStored(ctx context.Context) (stored, error) {
	d, err := a.opts.Source.Directory(ctx)
	if err != nil {
		return stored{}, err
	}
	s := stored{keys: make(map[string]Key, len(d.Keys)), users: make(map[string]User, len(d.Users))}
	for _, k := range d.Keys {
		s.keys[k.ID] = k
	}
	for _, u := range d.Users {
		s.users[u.Name] = u
	}
	return s, nil
}

// Credentials are what a request says about its sender.
type Credentials struct {
	Authorization string // the header's value
	APIKey        string // the value of X-API-Key
	User          string // the value of Rollcall-User
}

// text returns the key's text, or "" if there is none. An Authorization of another
// scheme may be a proxy's, where the key is in X-API-Key. Alone it is a wrong key and
// not none: who sends it expects to be checked.
func (c Credentials) text() (string, error) {
	scheme, bearer, _ := strings.Cut(c.Authorization, " ")
	if bearer = strings.Trim(bearer, " "); !strings.EqualFold(scheme, "Bearer") {
		bearer = ""
	}
	switch {
	case bearer != "" && c.APIKey != "" && bearer != c.APIKey:
		return "", ErrTwoKeys
	case bearer == "" && c.APIKey == "" && c.Authorization != "":
		return "", ErrUnknownKey
	default:
		return cmp.Or(bearer, c.APIKey), nil
	}
}

// Authenticate returns who sent a request. If it has no key, it is refused unless
// requests may be sent without one. A key above its rate gets a *RateError.
func (a *Authenticator) Authenticate(ctx context.Context, c Credentials) (Identity, error) {
	return a.identify(ctx, c, a.count)
}

// Recheck returns who sent a request that is still being answered, such as a stream.
// It does not count as another request of the key.
func (a *Authenticator) Recheck(ctx context.Context, c Credentials) (Identity, error) {
	return a.identify(ctx, c, func(Key) error { return nil })
}

func (a *Authenticator) identify(ctx context.Context, c Credentials, count func(Key) error) (Identity, error) {
	text, err := c.text()
	if err != nil {
		return Identity{}, err
	}
	who := Identity{Key: Key{Scopes: everything}}
	switch {
	case text != "":
		if who.Key, err = a.check(ctx, text); err != nil {
			return Identity{}, err
		}
		if err := count(who.Key); err != nil {
			return Identity{}, err
		}
	case !a.opts.Open:
		return Identity{}, ErrNoKey
	}
	who.Scopes = who.Key.Scopes
	if c.User == "" {
		return who, nil
	}
	return a.actFor(ctx, who, c.User)
}

// check returns the key with a text. A key that is refused is looked for once more,
// because it may have been made a moment ago.
func (a *Authenticator) check(ctx context.Context, text string) (Key, error) {
	id, secret, ok := ParseKey(text)
	if !ok {
		return Key{}, ErrUnknownKey
	}
	now := time.Now()
	k, err := a.try(ctx, id, secret, now.Add(-fileFresh), now.Add(-Fresh))
	if err == nil || faces.ErrorCode(err) == faces.CodeUnavailable || ctx.Err() != nil {
		return k, err
	}
	return a.try(ctx, id, secret, now, now)
}

// try looks for a key in what was read since the two times.
func (a *Authenticator) try(ctx context.Context, id, secret string, fileSince, storedSince time.Time) (Key, error) {
	k := a.ownKey(id)
	if a.opts.File != "" && k.ID == "" {
		declared, err := a.declared.get(ctx, fileSince)
		if err != nil {
			return Key{}, err
		}
		k = declared[id]
	}
	if k.ID == "" {
		from, err := a.stored.get(ctx, storedSince)
		if err != nil {
			return Key{}, err
		}
		k = from.keys[id]
	}
	// Also for an id that nobody has, so that both take the same time.
	matches := k.Hash.matches(secret)
	switch {
	case k.ID == "" || !matches:
		return Key{}, ErrUnknownKey
	case !k.RevokedAt.IsZero():
		return Key{}, ErrRevokedKey
	case !k.UsableAt(a.opts.Now()):
		return Key{}, ErrExpiredKey
	default:
		return k, nil
	}
}

// OwnKey makes a key that this process alone knows, and returns its text.
func (a *Authenticator) OwnKey(name string, scopes ...Scope) (string, error) {
	k, text, err := NewKey(name, ScopesOf(scopes...), Limits{Rate: new(float64)}, a.opts.Now(), time.Time{})
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.own[k.ID] = k
	return text, nil
}

func (a *Authenticator) ownKey(id string) Key {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.own[id]
}

// actFor limits an identity to what the role of a user allows.
func (a *Authenticator) actFor(ctx context.Context, who Identity, name string) (Identity, error) {
	if !who.Scopes.Has(Act) {
		return Identity{}, &ScopeError{Missing: Act}
	}
	now := time.Now()
	from, err := a.stored.get(ctx, now.Add(-Fresh))
	if err != nil {
		return Identity{}, err
	}
	user, ok := from.users[name]
	if !ok {
		if from, err = a.stored.get(ctx, now); err != nil {
			return Identity{}, err
		}
		if user, ok = from.users[name]; !ok {
			return Identity{}, &UserError{User: name}
		}
	}
	who.User, who.Scopes = &user, who.Scopes.And(user.Role.Scopes())
	return who, nil
}

// count notes that a key is used. It refuses a request above the key's rate.
func (a *Authenticator) count(k Key) error {
	limit, burst := a.limits(k)
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.used[k.ID]
	if u == nil {
		u = &usage{limiter: rate.NewLimiter(limit, burst)}
		a.used[k.ID] = u
	}
	u.last = now
	if u.limiter.Limit() != limit || u.limiter.Burst() != burst {
		u.limiter.SetLimit(limit)
		u.limiter.SetBurst(burst)
	}
	r := u.limiter.ReserveN(now, 1)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return &RateError{Rate: float64(limit), Retry: wait}
	}
	return nil
}

func (a *Authenticator) limits(k Key) (rate.Limit, int) {
	perSecond, burst := a.opts.Rate, a.opts.Burst
	if k.Limits.Rate != nil {
		perSecond, burst = *k.Limits.Rate, k.Limits.Burst
	} else if k.Limits.Burst > 0 {
		burst = k.Limits.Burst
	}
	if perSecond == 0 {
		return rate.Inf, 1
	}
	return rate.Limit(perSecond), cmp.Or(burst, int(math.Ceil(perSecond)))
}

// Declared returns the keys that a file declares, by name.
func (a *Authenticator) Declared(ctx context.Context) ([]Key, error) {
	if a.opts.File == "" {
		return nil, nil
	}
	declared, err := a.declared.get(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(declared), func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	}), nil
}

// HasKey reports whether there is a key that is accepted now.
func (a *Authenticator) HasKey(ctx context.Context) (bool, error) {
	now := time.Now()
	if a.opts.File != "" {
		declared, err := a.declared.get(ctx, now)
		if err != nil {
			return false, err
		}
		for _, k := range declared {
			if k.UsableAt(a.opts.Now()) {
				return true, nil
			}
		}
	}
	from, err := a.stored.get(ctx, now)
	if err != nil {
		return false, err
	}
	for _, k := range from.keys {
		if k.UsableAt(a.opts.Now()) {
			return true, nil
		}
	}
	return false, nil
}

// Forget makes the next request read the keys and users again. A program that has
// changed them calls it.
func (a *Authenticator) Forget() {
	a.stored.mu.Lock()
	defer a.stored.mu.Unlock()
	a.stored.asOf = time.Time{}
}

// NoteUse tells the Source when keys were used since it was called last.
func (a *Authenticator) NoteUse(ctx context.Context) error {
	fresh := map[string]time.Time{}
	a.mu.Lock()
	for id, u := range a.used {
		if u.last.After(u.noted) {
			fresh[id] = u.last
		}
	}
	a.mu.Unlock()
	if len(fresh) == 0 {
		return nil
	}
	if err := a.opts.Source.TouchKeys(ctx, fresh); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, at := range fresh {
		a.used[id].noted = at
	}
	return nil
}

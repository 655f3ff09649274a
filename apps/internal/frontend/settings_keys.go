package frontend

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// keysView is the body of the page of API keys.
type keysView struct {
	Problem  string
	Notice   string
	Made     *madeKey
	Keys     []keyView
	Declared []keyView
	Newest   string // the link to the first page; "" on it
	Older    string // the link to the next page
	Form     keyForm
	Unread   bool // the list could not be read
}

// madeKey is a new key, which is shown this once.
type madeKey struct{ Name, Text string }

type keyView struct {
	ID, Name string
	Scopes   []string // in words
	State    outcome
	Active   bool
	Own      bool // of this dashboard
	Used     moment
	Expires  moment
}

// keyForm is what was typed into the form of a new key.
type keyForm struct {
	Open    bool
	Name    string
	Once    string // names the request, so that a form that is sent twice makes one key
	Presets []choice
	Scopes  []choice
	Times   []choice
}

// choice is an option of a form.
type choice struct {
	Value, Label, Meaning string
	Chosen                bool
}

// ownScopes is the preset whose scopes the user chooses.
const ownScopes = "own"

// presets are the scopes that programs usually need, by their value in the form.
func presets() map[string][]api.KeyScope {
	return map[string][]api.KeyScope{
		"post":   {api.ScopeIngest},
		"read":   {api.ScopeRead},
		"app":    {api.ScopeIngest, api.ScopeRead},
		"people": {api.ScopeIngest, api.ScopeRead, api.ScopePeople},
		"admin":  {api.ScopeAdmin},
	}
}

func (s *Server) newKeyForm(c *gin.Context) keyForm {
	chosen := c.PostForm("preset")
	if chosen == "" {
		chosen = "post"
	}
	expires := c.PostForm("expires")
	if expires == "" {
		expires = "365"
	}
	f := keyForm{Name: c.PostForm("name"), Once: rand.Text(), Presets: []choice{
		{Value: "post", Label: s.words("keys.preset.post"), Meaning: s.words("keys.preset.post.text")},
		{Value: "read", Label: s.words("keys.preset.read"), Meaning: s.words("keys.preset.read.text")},
		{Value: "app", Label: s.words("keys.preset.app"), Meaning: s.words("keys.preset.app.text")},
		{Value: "people", Label: s.words("keys.preset.people"), Meaning: s.words("keys.preset.people.text")},
		{Value: "admin", Label: s.words("keys.preset.admin"), Meaning: s.words("keys.preset.admin.text")},
		{Value: ownScopes, Label: s.words("keys.preset.own"), Meaning: s.words("keys.preset.own.text")},
	}, Times: []choice{
		{Value: "30", Label: s.words("keys.expires.month")}, {Value: "90", Label: s.words("keys.expires.quarter")},
		{Value: "365", Label: s.words("keys.expires.year")}, {Value: "never", Label: s.words("keys.expires.never")},
	}}
	for _, scope := range []api.KeyScope{api.ScopeIngest, api.ScopeRead, api.ScopePeople, api.ScopeAdmin, api.ScopeAct} {
		f.Scopes = append(f.Scopes, choice{
			Value: string(scope), Label: s.scopeWords(scope), Chosen: slices.Contains(c.PostFormArray("scopes"), string(scope)),
		})
	}
	for i := range f.Presets {
		f.Presets[i].Chosen = f.Presets[i].Value == chosen
	}
	for i := range f.Times {
		f.Times[i].Chosen = f.Times[i].Value == expires
	}
	return f
}

// scopeWords says what a scope allows.
func (s *Server) scopeWords(scope api.KeyScope) string {
	switch scope {
	case api.ScopeIngest:
		return s.words("scope.ingest")
	case api.ScopeRead:
		return s.words("scope.read")
	case api.ScopePeople:
		return s.words("scope.people")
	case api.ScopeAdmin:
		return s.words("scope.admin")
	case api.ScopeAct:
		return s.words("scope.act")
	default:
		return visible(string(scope))
	}
}

// keysPage lists the API keys.
func (s *Server) keysPage(c *gin.Context) {
	v := keysView{}
	if c.Query("said") == "revoked" {
		v.Notice = s.words("keys.revoked.notice")
	}
	s.showKeys(c, http.StatusOK, v)
}

// showKeys shows the keys. A new key is shown without them if they cannot be read: nothing
// else has its text.
func (s *Server) showKeys(c *gin.Context, code int, v keysView) {
	err := s.listKeys(c, &v)
	if err != nil && v.Made == nil {
		s.refusedBy(c, err)
		return
	}
	if v.Unread = err != nil; v.Unread {
		s.log.WarnContext(c, "a new key is shown without the list of keys, which cannot be read", "error", err)
	}
	form := s.newKeyForm(c)
	form.Open = v.Problem != ""
	if v.Made != nil {
		form.Name = ""
	}
	v.Form = form
	s.showSettings(c, code, "keys", s.words("settings.keys"), v)
}

func (s *Server) listKeys(c *gin.Context, v *keysView) error {
	after, limit := afterParam(c), settingsPageSize
	list, err := s.actAs(c).ListKeys(c.Request.Context(), api.ListKeysParams{After: &after, Limit: &limit})
	if err != nil {
		return err
	}
	own, err := s.ownKey(c)
	if err != nil {
		return err
	}
	for _, k := range list.Keys {
		view := s.viewKey(k)
		view.Own = own != "" && k.ID == own
		v.Keys = append(v.Keys, view)
	}
	for _, k := range list.Declared {
		v.Declared = append(v.Declared, s.viewKey(api.Key{ID: k.ID, Name: k.Name, Scopes: k.Scopes, ExpiresAt: k.ExpiresAt}))
	}
	v.Newest, v.Older = firstPage(c), nextPage(c, list.Next)
	return nil
}

// ownKey returns the id of the dashboard's key, which nobody shall revoke by a slip; "" if
// the receiver needs none.
func (s *Server) ownKey(c *gin.Context) (string, error) {
	who, err := s.opts.API.Caller(c.Request.Context())
	return who.ID, err
}

// soon is when the end of a key is worth a warning.
const soon = 14 * 24 * time.Hour

func (s *Server) viewKey(k api.Key) keyView {
	v := keyView{ID: k.ID, Name: visible(k.Name), Used: s.past(k.LastUsedAt), Expires: s.due(k.ExpiresAt)}
	for _, scope := range k.Scopes {
		v.Scopes = append(v.Scopes, s.scopeWords(scope))
	}
	now := s.opts.Now()
	switch {
	case k.RevokedAt != nil:
		v.State = outcome{Label: s.words("keys.state.revoked"), Tone: "quiet"}
	case k.ExpiresAt != nil && !now.Before(*k.ExpiresAt):
		v.State = outcome{Label: s.words("keys.state.expired"), Tone: "bad"}
	case k.ExpiresAt != nil && k.ExpiresAt.Sub(now) < soon:
		v.State, v.Active = outcome{Label: s.words("keys.state.soon"), Tone: "warn"}, true
	default:
		v.State, v.Active = outcome{Label: s.words("keys.state.active"), Tone: "good"}, true
	}
	return v
}

// changeKeys makes or revokes a key.
func (s *Server) changeKeys(c *gin.Context) {
	if !s.mayChangeSettings(c) {
		return
	}
	switch c.PostForm("do") {
	case "make":
		s.makeKey(c)
	case "revoke":
		s.revokeKey(c)
	default:
		s.problem(c, pageMissing())
	}
}

func (s *Server) revokeKey(c *gin.Context) {
	own, err := s.ownKey(c)
	if err == nil && own != "" && c.PostForm("id") == own {
		s.showKeys(c, http.StatusConflict, keysView{Problem: s.words("keys.own.text")})
		return
	}
	if err == nil {
		_, err = s.actAs(c).RevokeKey(c.Request.Context(), c.PostForm("id"))
	}
	if err != nil {
		s.refusedBy(c, err)
		return
	}
	s.goTo(c, "/settings/keys?said=revoked")
}

// makeKey makes a key and shows it, this once: in the answer to the form, so that its text
// is in no address and in no history.
func (s *Server) makeKey(c *gin.Context) {
	want, err := s.wantedKey(c)
	var made api.CreatedKey
	if err == nil {
		made, err = s.actAs(c).CreateKey(onceFrom(c), want)
	}
	var said *api.Error
	switch {
	case errors.As(err, &said) && said.Code == api.CodeAnswerNotKept:
		s.showKeys(c, http.StatusConflict, keysView{Problem: s.words("keys.twice")})
	case err != nil:
		if why, code := s.settingsRefused(c, err); why != "" {
			s.showKeys(c, code, keysView{Problem: why})
		}
	default:
		s.showKeys(c, http.StatusOK, keysView{Made: &madeKey{visible(made.Name), made.Text}})
	}
}

// onceFrom returns a context whose request names itself as the form says: a form that is
// sent again, as by a reload, does nothing twice.
func onceFrom(c *gin.Context) context.Context {
	if once := c.PostForm("once"); once != "" {
		return client.WithIdempotencyKey(c.Request.Context(), once)
	}
	return c.Request.Context()
}

func (s *Server) wantedKey(c *gin.Context) (api.KeyRequest, error) {
	want := api.KeyRequest{Name: c.PostForm("name")}
	scopes, isPreset := presets()[c.PostForm("preset")]
	if !isPreset {
		for _, scope := range c.PostFormArray("scopes") {
			scopes = append(scopes, api.KeyScope(scope))
		}
	}
	if want.Scopes = scopes; len(scopes) == 0 {
		return want, wrong("keys.noscope")
	}
	if days := c.PostForm("expires"); days != "never" {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > maxKeyDays {
			return want, wrong("keys.noexpiry")
		}
		at := s.opts.Now().UTC().AddDate(0, 0, n).Truncate(time.Second)
		want.ExpiresAt = &at
	}
	return want, nil
}

const maxKeyDays = 36_500

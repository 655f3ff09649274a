package receiver

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// PrivacyStore is the part of the database with consent, retention, and what an export
// reads.
type PrivacyStore interface {
	Consent(ctx context.Context, person int64) (faces.Consent, faces.ConsentState, error)
	SetConsent(ctx context.Context, c faces.Consent) (faces.Consent, faces.ConsentState, error)
	WithdrawConsent(ctx context.Context, person int64) (faces.Consent, error)
	Consents(ctx context.Context, within time.Duration, after int64, limit int) ([]store.PersonConsent, error)

	Retention(ctx context.Context) (faces.Retention, faces.RetentionRun, error)
	SetRetention(ctx context.Context, rules faces.Retention) error
	ExpiredImages(ctx context.Context, rules faces.Retention, after int64, limit int) ([]store.Expired, error)

	ExportStore
}

// maxDays is the largest number of days that routes take, a hundred years.
const maxDays = 36_500

func (s *Server) getConsent(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a person")
	if err != nil {
		return err
	}
	consent, state, err := s.store.Consent(c.Request.Context(), id)
	if err != nil {
		return err
	}
	return s.showConsent(c, id, consent, state)
}

func (s *Server) setConsent(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a person")
	if err != nil {
		return err
	}
	var body api.NewConsent
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return err
	}
	consent := faces.Consent{Person: id, Basis: faces.ConsentBasis(body.Basis)}
	if body.From != nil {
		consent.From = *body.From
	}
	if body.Until != nil {
		consent.Until = *body.Until
	}
	done, state, err := s.store.SetConsent(c.Request.Context(), consent)
	if err != nil {
		return err
	}
	s.log.Info("consent recorded", "person", id, "state", state, "request_id", httpapi.RequestID(c))
	return s.showConsent(c, id, done, state)
}

func (s *Server) withdrawConsent(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a person")
	if err != nil {
		return err
	}
	consent, err := s.store.WithdrawConsent(c.Request.Context(), id)
	if err != nil {
		return err
	}
	s.log.Info("consent withdrawn", "person", id, "request_id", httpapi.RequestID(c))
	return s.showConsent(c, id, consent, faces.ConsentWithdrawn)
}

func (s *Server) showConsent(c *gin.Context, person int64, consent faces.Consent, state faces.ConsentState) error {
	p, err := s.store.Profile(c.Request.Context(), person)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, wireConsent(p.Person, consent, state))
	return nil
}

func (s *Server) listConsents(c *gin.Context) error {
	after, limit, err := httpapi.ReadPage(c, "a person")
	if err != nil {
		return err
	}
	var within time.Duration
	if text := c.Query("lapsing_within"); text != "" {
		days, err := strconv.Atoi(text)
		if err != nil || days < 1 || days > maxDays {
			return api.Errorf(api.CodeInvalidRequest, `"lapsing_within" must be a number of days from 1 to %d, not %q`, maxDays, httpapi.Shorten(text))
		}
		within = time.Duration(days) * 24 * time.Hour
	}
	list, err := s.store.Consents(c.Request.Context(), within, after, limit+1)
	if err != nil {
		return err
	}
	page, next := httpapi.CutPage(list, limit, func(p store.PersonConsent) int64 { return p.Person })
	c.JSON(http.StatusOK, api.ConsentList{Consents: mapped(page, func(p store.PersonConsent) api.Consent {
		return wireConsent(faces.Person{ID: p.Person, Name: p.Name}, p.Consent, p.State)
	}), Next: next})
	return nil
}

func wireConsent(p faces.Person, c faces.Consent, state faces.ConsentState) api.Consent {
	w := api.Consent{
		Person: wirePerson(p), State: api.ConsentState(state),
		From: timeOrNull(c.From), Until: timeOrNull(c.Until), WithdrawnAt: timeOrNull(c.Withdrawn), RecordedAt: timeOrNull(c.Recorded),
		KeyID: c.KeyID,
	}
	if c.Basis != "" {
		basis := api.ConsentBasis(c.Basis)
		w.Basis = &basis
	}
	if c.UserID != 0 {
		w.UserID = &c.UserID
	}
	return w
}

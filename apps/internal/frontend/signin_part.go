package frontend

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
)

const (
	// firstAdminRetry is the pause between two tries to reach the database at the start.
	firstAdminRetry = 2 * time.Second
	// sweepEvery is how often expired sessions are deleted.
	sweepEvery = time.Hour
)

// SignInPart returns the part of a program that makes the code for the first admin at
// the start, and deletes sessions that have expired.
func (s *Server) SignInPart() lifecycle.Part {
	var cancel context.CancelFunc
	done := make(chan struct{})
	return lifecycle.Part{
		Name: "sign-in",
		Start: func(ctx context.Context, _ func(error)) error {
			if s.opts.SignIn == nil {
				return nil
			}
			ctx, cancel = context.WithCancel(context.WithoutCancel(ctx)) // it ends by Stop
			go func() {
				defer close(done)
				s.keepSignIn(ctx)
			}()
			return nil
		},
		Stop: func(context.Context) error {
			if cancel != nil {
				cancel()
				<-done
			}
			return nil
		},
	}
}

// keepSignIn says once how to become the first admin, and then tidies up until ctx ends.
func (s *Server) keepSignIn(ctx context.Context) {
	for s.sayFirstAdmin(ctx) != nil {
		if !pause(ctx, firstAdminRetry) {
			return
		}
	}
	s.checkKey(ctx)
	for {
		if err := s.opts.SignIn.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("expired sessions are not deleted", "error", err)
		}
		if !pause(ctx, sweepEvery) {
			return
		}
	}
}

// sayFirstAdmin logs a one-time code if no admin can sign in. The log is the one place
// that whoever runs Rollcall can read and others cannot.
func (s *Server) sayFirstAdmin(ctx context.Context) error {
	code, until, err := s.opts.SignIn.FirstAdminCode(ctx)
	if err != nil || code == "" {
		return err
	}
	s.log.Warn("nobody can sign in yet; the first admin opens the dashboard and enters this code",
		"one_time_code", code, "path", s.link("/first-admin"), "until", until.UTC().Format(time.RFC3339))
	return nil
}

// checkKey logs what is wrong with the dashboard's API key, before somebody needs it. A
// receiver that cannot be reached is no fault of the key.
func (s *Server) checkKey(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	me, err := s.opts.API.Caller(limited)
	var answer *api.Error
	switch {
	case errors.As(err, &answer) && answer.Code != api.CodeUnavailable:
		s.log.Error("the receiver does not accept the dashboard's API key, so users can look and change nothing; put another one into the file that ROLLCALL_KEY_FILE names",
			"error", err)
	case err != nil:
		s.log.Info("the dashboard's API key is not checked, because the receiver does not answer yet", "error", err)
	case !slices.Contains(me.Scopes, api.ScopeAdmin): // it includes act
		s.log.Error("the dashboard's API key lacks the scope admin, so some or all changes will be refused", "key", me.ID, "scopes", me.Scopes)
	}
}

// pause reports whether the time passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

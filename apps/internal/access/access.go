// Package access decides who may send which request to the REST API. It has the
// domain of keys (Key, Scope), users (User, Role) and of who asks (Identity), and an
// Authenticator that checks the text of a key.
//
//	who, err := authenticator.Authenticate(ctx, credentials)
//	if err == nil {
//		err = who.Check(access.Read)
//	}
//
// Keys and users come from a Source, which is the database, and from a file.
package access

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Why a request is refused. They tell an attacker nothing: that a key has expired
// or is revoked is said only to somebody who has its secret.
var (
	ErrNoKey      = errors.New("this needs an API key; send it as Authorization: Bearer KEY or as X-API-Key: KEY")
	ErrTwoKeys    = errors.New("the request has two different API keys; send one, as Authorization: Bearer KEY or as X-API-Key: KEY")
	ErrUnknownKey = errors.New("the API key is not valid; check that it was copied whole")
	ErrExpiredKey = errors.New("the API key has expired; ask for a new one")
	ErrRevokedKey = errors.New("the API key is revoked; ask for a new one")
)

// ScopeError is the error of a request for which a scope is missing.
type ScopeError struct {
	Missing Scope
	User    string // whose role lacks the scope; "" if the key lacks it
}

// Error implements error.
func (e *ScopeError) Error() string {
	if e.User != "" {
		return fmt.Sprintf("the role of the user %.150q does not allow this: it lacks the scope %s", e.User, e.Missing)
	}
	return fmt.Sprintf("the API key lacks the scope %s", e.Missing)
}

// UserError is the error of a request on behalf of a user who does not exist.
type UserError struct{ User string }

// Error implements error.
func (e *UserError) Error() string {
	return fmt.Sprintf("there is no user %.150q; PUT /api/v1/users/NAME adds one", e.User)
}

// RateError is the error of a request above the key's rate.
type RateError struct {
	Rate  float64       // requests per second
	Retry time.Duration // how long to wait
}

// Error implements error.
func (e *RateError) Error() string {
	return fmt.Sprintf("the API key has sent more than its %g requests per second; wait %s", e.Rate, e.Retry.Round(time.Millisecond))
}

// Identity is who sent a request.
type Identity struct {
	Key    Key    // zero if the request needed no key
	User   *User  // on whose behalf; nil if the key acts for itself
	Scopes Scopes // what both allow
}

// Check returns a *ScopeError if one of the needed scopes is missing.
func (i Identity) Check(need ...Scope) error {
	for _, scope := range need {
		if i.Scopes.Has(scope) {
			continue
		}
		missing := &ScopeError{Missing: scope}
		if i.User != nil && i.Key.Scopes.Has(scope) {
			missing.User = i.User.Name
		}
		return missing
	}
	return nil
}

// Actor is who changes something, as the audit log keeps it. It has ids only, so
// that the log outlives names.
type Actor struct {
	KeyID     string // "" if no key was needed, or for a command
	UserID    int64  // 0 if the key acted for itself
	RequestID string
}

// Actor returns who is to be blamed for a request.
func (i Identity) Actor(requestID string) Actor {
	a := Actor{KeyID: i.Key.ID, RequestID: requestID}
	if i.User != nil {
		a.UserID = i.User.ID
	}
	return a
}

type actorKey struct{}

// WithActor returns a context whose changes are written to the audit log.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf returns the actor of a context. Work that nobody asked for has none.
func ActorOf(ctx context.Context) (Actor, bool) {
	a, ok := ctx.Value(actorKey{}).(Actor)
	return a, ok
}

// Entry is one line of the audit log.
type Entry struct {
	ID int64
	Actor
	At        time.Time
	Action    Action
	Target    string // a kind of thing, such as image
	TargetIDs []string
}

// Action is what somebody did.
type Action string

// The actions of the audit log.
const (
	FaceCorrected       Action = "face.correct"
	FaceDrawn           Action = "face.draw"
	CorrectionUndone    Action = "correction.undo"
	GroupNamed          Action = "group.name"
	GroupDismissed      Action = "group.dismiss"
	GroupSplit          Action = "group.split"
	GroupChangeUndone   Action = "group.undo"
	ImageDeleted        Action = "image.delete"
	ImagesRetried       Action = "image.retry"
	RematchAsked        Action = "rematch.create"
	RematchApplied      Action = "rematch.apply"
	RematchUndone       Action = "rematch.undo"
	RescanAsked         Action = "rescan.create"
	RescanPaused        Action = "rescan.pause"
	RescanResumed       Action = "rescan.resume"
	RescanCancelled     Action = "rescan.cancel"
	KeyCreated          Action = "key.create"
	PersonAdded         Action = "person.create"
	PersonChanged       Action = "person.change"
	PersonDeleted       Action = "person.delete"
	PersonErased        Action = "person.erase"
	PeopleMerged        Action = "merge.create"
	MergeUndone         Action = "merge.undo"
	KnownPictureAdded   Action = "known_picture.create"
	KnownPictureDeleted Action = "known_picture.delete"
	KeyRevoked          Action = "key.revoke"
	WebhookAdded        Action = "webhook.create"
	WebhookChanged      Action = "webhook.change"
	WebhookRotated      Action = "webhook.rotate"
	WebhookReplayed     Action = "webhook.replay"
	WebhookDeleted      Action = "webhook.delete"
	ConsentRecorded     Action = "consent.record"
	ConsentWithdrawn    Action = "consent.withdraw"
	RetentionSet        Action = "retention.set"
	PersonExported      Action = "person.export"
	UserSet             Action = "user.set"
	UserDeleted         Action = "user.delete"
	UserInvited         Action = "user.invite"
	PasswordSet         Action = "user.password"
	IdentityLinked      Action = "user.link"
	SessionRevoked      Action = "session.revoke"
)

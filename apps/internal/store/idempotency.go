package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Fingerprint is a SHA-256.
type Fingerprint [32]byte

// Attempt is a request with an idempotency key that one receiver carries out. Its
// lease must be renewed, or another receiver may carry the request out, too.
type Attempt struct {
	Key   Fingerprint // of the idempotency key and who sent it
	token int64
}

// KeptAnswer is what is stored about a request with an idempotency key.
type KeptAnswer struct {
	Head     Fingerprint // of the request without its body
	Body     Fingerprint // of the request's body
	BodySize int64
	Status   int               // of the answer; 0 if there is none yet
	Lost     bool              // the request has changed something, and there will be no answer
	Headers  map[string]string // of the answer
	Answer   []byte            // nil if it is not kept
}

type idempotencyRow struct {
	KeySHA256  []byte `gorm:"column:key_sha256;primaryKey"`
	HeadSHA256 []byte `gorm:"column:head_sha256"`
	BodySHA256 []byte `gorm:"column:body_sha256"`
	BodySize   int64
	Token      int64 // of the attempt
	LeaseUntil time.Time
	Status     int
	Acted      bool
	Headers    string // JSON
	Answer     []byte
	ExpiresAt  time.Time
}

func (idempotencyRow) TableName() string { return "idempotency_keys" }

func (r idempotencyRow) kept(now time.Time) (*KeptAnswer, error) {
	k := &KeptAnswer{BodySize: r.BodySize, Status: r.Status, Lost: r.isLost(now) && r.Acted, Answer: r.Answer}
	copy(k.Head[:], r.HeadSHA256)
	copy(k.Body[:], r.BodySHA256)
	if err := json.Unmarshal([]byte(r.Headers), &k.Headers); err != nil {
		return nil, fmt.Errorf("read the headers of a kept answer: %w", err)
	}
	return k, nil
}

// isLost reports whether nobody carries out the request any more, and it has no
// answer.
func (r idempotencyRow) isLost(now time.Time) bool { return r.Status == 0 && !r.LeaseUntil.After(now) }

// beginTries is how often the row of an idempotency key may change while it is taken.
const beginTries = 10

// BeginAttempt starts a request with an idempotency key, unless the key is in use:
// then it returns what is stored about the key's request. A request whose attempt lost
// its lease may start again, if it has changed nothing that is in the audit log. It is
// forgotten after the time keep.
func (s *Store) BeginAttempt(ctx context.Context, key, head Fingerprint, lease, keep time.Duration) (Attempt, *KeptAnswer, error) {
	a := Attempt{Key: key, token: 1 + rand.Int64N(math.MaxInt64)} //nolint:gosec // it tells attempts apart, and is no secret
	var before *KeptAnswer
	err := s.retry(ctx, func(tx *gorm.DB) (err error) {
		before, err = s.begin(tx, a, head, lease, keep)
		return err
	})
	return a, before, wrap(err, "begin a request with an idempotency key")
}

// begin takes the key's row, or returns what it says. A row with the attempt's token
// is the attempt's own, also if the answer to a statement was lost.
func (s *Store) begin(tx *gorm.DB, a Attempt, head Fingerprint, lease, keep time.Duration) (*KeptAnswer, error) {
	for range beginTries {
		now := s.now()
		want := idempotencyRow{
			KeySHA256: a.Key[:], HeadSHA256: head[:], Token: a.token,
			LeaseUntil: now.Add(lease), Headers: "{}", ExpiresAt: now.Add(keep),
		}
		if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&want).Error; err != nil {
			return nil, err
		}
		var rows []idempotencyRow
		if err := tx.Where("key_sha256 = ?", a.Key[:]).Limit(1).Find(&rows).Error; err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			continue // it was forgotten in this moment
		}
		has := rows[0]
		if has.Token == a.token {
			return nil, nil
		}
		mayRun := has.isLost(now) && !has.Acted && string(has.HeadSHA256) == string(head[:])
		if has.ExpiresAt.After(now) && !mayRun {
			return has.kept(now)
		}
		// A row that was taken or answered meanwhile is read again.
		err := tx.Where("key_sha256 = ? AND token = ? AND (expires_at <= ? OR (status = 0 AND acted = ? AND lease_until <= ?))", a.Key[:], has.Token, now, false, now).
			Delete(&idempotencyRow{}).Error
		if err != nil {
			return nil, err
		}
	}
	return nil, faces.Errorf(faces.CodeUnavailable, "the idempotency key is used by many requests at once; try again in a moment")
}

// RenewAttempt renews the lease of an attempt. It returns false if the attempt has
// lost it.
func (s *Store) RenewAttempt(ctx context.Context, a Attempt, lease time.Duration) (bool, error) {
	held := false
	err := s.retry(ctx, func(tx *gorm.DB) error {
		res := s.attempt(tx, a).UpdateColumn("lease_until", s.now().Add(lease))
		held = res.RowsAffected > 0
		return res.Error
	})
	return held, wrap(err, "renew the lease of an idempotency key")
}

// EndAttempt stores the answer of an attempt, which the key's request has from now
// on. An attempt that has lost its lease changes nothing.
func (s *Store) EndAttempt(ctx context.Context, a Attempt, answer KeptAnswer) error {
	headers, err := json.Marshal(answer.Headers)
	if err != nil {
		return err
	}
	err = s.retry(ctx, func(tx *gorm.DB) error {
		return s.attempt(tx, a).UpdateColumns(map[string]any{
			"body_sha256": answer.Body[:], "body_size": answer.BodySize, "status": answer.Status,
			"headers": string(headers), "answer": answer.Answer,
		}).Error
	})
	return wrap(err, "store the answer for an idempotency key")
}

// DropAttempt ends an attempt without an answer. If it has changed nothing, the request
// may be sent again at once.
func (s *Store) DropAttempt(ctx context.Context, a Attempt) error {
	err := s.retry(ctx, func(tx *gorm.DB) error {
		if err := s.attempt(tx, a).Where("acted = ?", false).Delete(&idempotencyRow{}).Error; err != nil {
			return err
		}
		return s.attempt(tx, a).UpdateColumn("lease_until", s.now()).Error
	})
	return wrap(err, "forget an idempotency key")
}

type attemptKey struct{}

// WithAttempt returns a context whose changes are those of an attempt. A change that
// is in the audit log happens only while the attempt has its lease, and then no other
// attempt of the request can make it again.
func WithAttempt(ctx context.Context, a Attempt) context.Context {
	return context.WithValue(ctx, attemptKey{}, a)
}

// WithoutAttempt returns a context for changes that may be made again.
func WithoutAttempt(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptKey{}, nil)
}

// noteAttempt notes, in the transaction of a change, that the attempt of its context
// makes it.
func (s *Store) noteAttempt(tx *gorm.DB) error {
	a, ok := tx.Statement.Context.Value(attemptKey{}).(Attempt)
	if !ok {
		return nil
	}
	// Also if the lease has just ended: then the row is still there only if no other
	// attempt has begun, and from now on none can.
	own := tx.Session(&gorm.Session{NewDB: true})
	first := s.attempt(own, a).Where("acted = ?", false).UpdateColumn("acted", true)
	if first.Error != nil {
		return first.Error
	}
	if first.RowsAffected > 0 {
		if c, ok := tx.Statement.Context.Value(commitKey{}).(*commit); ok {
			c.noted = true
		}
		return nil
	}
	again := s.attempt(own, a).UpdateColumn("acted", true)
	if again.Error == nil && again.RowsAffected == 0 {
		return faces.Errorf(faces.CodeUnavailable, "the request took too long, and another one with its idempotency key has begun; ask for its answer with the same key")
	}
	return again.Error
}

type commitKey struct{}

// commit is the end of a transaction whose context has an attempt. If the answer to it
// is lost, the attempt's row tells whether it happened.
type commit struct {
	attempt Attempt
	noted   bool // the transaction is the first that notes that the attempt acts
	inDoubt bool // the answer was lost
}

// watchCommit adds the end of a transaction to a context that has an attempt.
func watchCommit(ctx context.Context) (context.Context, *commit) {
	a, ok := ctx.Value(attemptKey{}).(Attempt)
	if !ok {
		return ctx, nil
	}
	c := &commit{attempt: a}
	return context.WithValue(ctx, commitKey{}, c), c
}

// happened reports whether a transaction whose commit is in doubt was committed. It
// waits for one that the server is still at.
func (s *Store) happened(tx *gorm.DB, c *commit) (bool, error) {
	if c == nil || !c.inDoubt {
		return false, nil
	}
	var acted []bool
	err := s.attempt(tx, c.attempt).Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Pluck("acted", &acted).Error
	if err != nil {
		return false, err
	}
	c.inDoubt = false
	return len(acted) > 0 && acted[0], nil
}

// doubtTime is how long the end of a transaction is asked for when its caller has gone.
const doubtTime = 2 * time.Second

// settle replaces the error of a transaction that was committed after all: then its
// request has an answer, which is kept for the one that asks again.
func (s *Store) settle(ctx context.Context, c *commit, err error) error {
	if err == nil || c == nil || !c.inDoubt {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), doubtTime)
	defer cancel()
	if done, check := s.happened(s.db.WithContext(ctx), c); check != nil || !done {
		return err
	}
	return nil
}

// attempt selects the row of an attempt that is under way.
func (s *Store) attempt(tx *gorm.DB, a Attempt) *gorm.DB {
	return tx.Model(&idempotencyRow{}).Where("key_sha256 = ? AND token = ? AND status = 0", a.Key[:], a.token)
}

// ForgetAnswers deletes the answers of idempotency keys that are too old, and the
// oldest of those above the number most. It returns how many it deleted.
func (s *Store) ForgetAnswers(ctx context.Context, most int) (n int64, err error) {
	n, err = s.forget(ctx, s.now())
	if err != nil {
		return n, err
	}
	var above []time.Time
	err = s.read(ctx, func(tx *gorm.DB) error {
		above = nil
		return tx.Model(&idempotencyRow{}).Order("expires_at DESC").Offset(most).Limit(1).Pluck("expires_at", &above).Error
	})
	if err != nil || len(above) == 0 {
		return n, wrap(err, "count the idempotency keys")
	}
	more, err := s.forget(ctx, above[0])
	return n + more, err
}

// forget deletes, in parts, the rows that expire until a time and are not under way.
func (s *Store) forget(ctx context.Context, until time.Time) (n int64, err error) {
	for {
		var keys [][]byte
		err := s.retry(ctx, func(tx *gorm.DB) error {
			keys = nil
			q := tx.Model(&idempotencyRow{}).Where("expires_at <= ? AND (status <> 0 OR lease_until <= ?)", until, s.now())
			if err := q.Limit(chunk).Pluck("key_sha256", &keys).Error; err != nil || len(keys) == 0 {
				return err
			}
			res := tx.Where("key_sha256 IN ? AND expires_at <= ?", keys, until).Delete(&idempotencyRow{})
			n += res.RowsAffected
			return res.Error
		})
		if err != nil || len(keys) < chunk {
			return n, wrap(err, "forget old idempotency keys")
		}
	}
}

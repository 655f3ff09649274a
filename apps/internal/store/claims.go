package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Lease is the right to write one image's outcome. Token is a fencing token: every
// claim has a new one and every write checks it, so that a program whose lease has
// expired cannot write.
type Lease struct {
	ImageID int64
	Token   int64
	Rescan  bool // the image has an answer, which stands meanwhile
}

// Claimed is an image that the caller has leased.
type Claimed struct {
	Lease
	Path     string
	Attempts int // including this one
	Rounds   int // retry rounds that the redeemer has started
	// Suspect is set if a recognizer went away while it looked at the image before:
	// perhaps the image crashed it. Rescans never have it.
	Suspect bool
	// Rescan is set if the image has an answer and is recognized again.
	Rescan *RescanTask
	// Traced is the post of the image if that is traced. Rescans have none.
	Traced *TracedPost
}

// TracedPost is where the trace of a post goes on.
type TracedPost struct {
	Parent string // a W3C traceparent
	At     time.Time
}

// Claim is the result of claiming ids: each of them is in one of the fields.
type Claim struct {
	Claimed []Claimed
	// Busy ids are leased by somebody else, until the time given.
	Busy map[int64]time.Time
	// Settled ids need no work: answered, failed, or without a row.
	Settled []int64
	// TakenOver is how many of the images others had leased and not finished in time.
	TakenOver int64
}

// queued selects images that wait for their turn.
func queued(q *gorm.DB) *gorm.DB {
	return q.Where("status = ? AND reason NOT IN ?", int(faces.Pending), faces.ReasonsWhere(faces.Reason.IsPendingAnswer))
}

// expired selects images whose lease has expired. A row in processing without a lease
// comes from a program that does not know leases.
func expired(q *gorm.DB, now time.Time) *gorm.DB {
	return q.Where("status = ? AND (lease_until IS NULL OR lease_until < ?)", int(faces.Processing), now)
}

// Claim leases the ids that are free, each to one caller only, and counts an
// attempt for each.
func (s *Store) Claim(ctx context.Context, owner string, ids []int64, lease time.Duration) (Claim, error) {
	token := rand.Int64N(1<<62) + 1 // also shows a retry of this statement what it has claimed already
	ids = unique(ids)
	var rows map[int64]imageRow
	var takenOver int64 // also by an attempt whose answer was lost: the next one finds nothing to take over
	err := s.retry(ctx, func(tx *gorm.DB) error {
		rows = make(map[int64]imageRow, len(ids))
		for part := range chunks(ids) {
			taken, err := claim(tx, part, owner, token, s.now(), lease, rows)
			takenOver += taken
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Claim{}, fmt.Errorf("claim %d image(s): %w", len(ids), err)
	}
	c := sortClaim(ids, rows, token)
	c.TakenOver = takenOver
	if len(c.Settled) == 0 {
		return c, nil
	}
	if err := s.claimRescans(ctx, owner, token, lease, &c); err != nil {
		return c, fmt.Errorf("claim rescans: %w", err)
	}
	return c, nil
}

// claim leases the images that wait, in one statement. If some do not, another one takes
// over those whose lease has expired. Then it reads who holds which lease.
func claim(tx *gorm.DB, ids []int64, owner string, token int64, now time.Time, lease time.Duration, rows map[int64]imageRow) (takenOver int64, err error) {
	// A program that requeues an image by its status alone leaves the old reason
	// and attempts. Start over for it. (MySQL assigns columns from left to right,
	// and GORM sorts them by name, so that attempts still sees the old columns.)
	nextAttempt := gorm.Expr("CASE WHEN status = ? AND reason <> ? THEN 1 ELSE attempts + 1 END",
		int(faces.Pending), string(faces.Queued))
	columns := map[string]any{
		"status": int(faces.Processing), "reason": string(faces.NoReason),
		"lease_owner": owner, "lease_token": token, "lease_until": now.Add(lease),
		"attempts": nextAttempt, "updated_at": now,
	}
	waiting := queued(tx.Model(&imageRow{}).Where("id IN ?", ids)).UpdateColumns(columns)
	if waiting.Error != nil {
		return 0, waiting.Error
	}
	if waiting.RowsAffected < int64(len(ids)) {
		late := expired(tx.Model(&imageRow{}).Where("id IN ?", ids), now).UpdateColumns(columns)
		if late.Error != nil {
			return 0, late.Error
		}
		takenOver = late.RowsAffected
	}
	var found []imageRow
	err = tx.Select("id", "path", "status", "reason", "attempts", "rounds", "detail", "lease_token", "lease_until", "trace_context", "created_at").
		Where("id IN ?", ids).Find(&found).Error
	for _, r := range found {
		rows[r.ID] = r
	}
	return takenOver, err
}

func sortClaim(ids []int64, rows map[int64]imageRow, token int64) Claim {
	c := Claim{Busy: map[int64]time.Time{}}
	for _, id := range ids {
		r, ok := rows[id]
		status := faces.Status(r.Status)
		switch {
		case !ok:
			c.Settled = append(c.Settled, id)
		case status == faces.Processing && r.LeaseToken == token:
			c.Claimed = append(c.Claimed, Claimed{
				Lease: Lease{ImageID: id, Token: token}, Path: r.Path, Attempts: r.Attempts, Rounds: r.Rounds,
				Suspect: r.Detail == suspectDetail, Traced: r.traced(),
			})
		case status == faces.Processing && r.LeaseUntil != nil:
			c.Busy[id] = *r.LeaseUntil
		case status == faces.Processing, r.image().Reason == faces.Queued:
			c.Busy[id] = time.Time{} // released between the two statements: try again
		default:
			c.Settled = append(c.Settled, id)
		}
	}
	return c
}

// Renew extends leases and returns those that are still held.
func (s *Store) Renew(ctx context.Context, leases []Lease, lease time.Duration) ([]Lease, error) {
	var held []Lease
	images, rescans := splitLeases(leases)
	err := s.retry(ctx, func(tx *gorm.DB) error {
		now := s.now()
		var err error
		if held, err = renewRescans(tx, rescans, now.Add(lease)); err != nil {
			return err
		}
		return eachHeld(tx, images, func(q *gorm.DB, token int64, ids []int64) error {
			if err := q.UpdateColumns(map[string]any{"lease_until": now.Add(lease)}).Error; err != nil {
				return err
			}
			var still []int64
			err := whereHeld(tx, token, ids).Order("id").Pluck("id", &still).Error
			for _, id := range still {
				held = append(held, Lease{ImageID: id, Token: token})
			}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("renew %d lease(s): %w", len(leases), err)
	}
	return held, nil
}

// eachHeld calls f for each token, with its ids and a query for the rows whose
// lease is still held. One statement never mixes tokens, because a program may
// have leased an image again and still hold its old lease.
func eachHeld(tx *gorm.DB, leases []Lease, f func(q *gorm.DB, token int64, ids []int64) error) error {
	var tokens []int64
	ids := map[int64][]int64{}
	for _, l := range leases {
		tokens = append(tokens, l.Token)
		ids[l.Token] = append(ids[l.Token], l.ImageID)
	}
	for _, token := range unique(tokens) {
		for part := range chunks(ids[token]) {
			if err := f(whereHeld(tx, token, part), token, part); err != nil {
				return err
			}
		}
	}
	return nil
}

func whereHeld(tx *gorm.DB, token int64, ids []int64) *gorm.DB {
	return tx.Model(&imageRow{}).
		Where("id IN ? AND lease_token = ? AND status = ?", ids, token, int(faces.Processing))
}

// Release makes leased images queued again. With refund, the attempt does not
// count: the service was known to be down, or the program is stopping.
func (s *Store) Release(ctx context.Context, leases []Lease, refund bool) error {
	attempts := gorm.Expr("attempts")
	if refund {
		attempts = gorm.Expr("CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END")
	}
	return s.release(ctx, leases, attempts, nil)
}

// suspectDetail is the detail of a waiting image whose recognizer went away. A new
// round, and each outcome, replaces it.
const suspectDetail = "a recognizer went away while it looked at this picture; it will be looked at alone"

// ReleaseSuspects is Release for images whose recognizer went away while it looked at
// them. The attempt counts, and whoever claims them next learns of it.
func (s *Store) ReleaseSuspects(ctx context.Context, leases []Lease) error {
	return s.release(ctx, leases, gorm.Expr("attempts"), map[string]any{"detail": suspectDetail})
}

// release also sets more columns of images.
func (s *Store) release(ctx context.Context, leases []Lease, attempts clause.Expr, more map[string]any) error {
	images, rescans := splitLeases(leases)
	err := s.retry(ctx, func(tx *gorm.DB) error {
		if err := releaseRescans(tx, rescans, attempts, s.now()); err != nil {
			return err
		}
		return eachHeld(tx, images, func(q *gorm.DB, _ int64, _ []int64) error {
			columns := clearLease(map[string]any{
				"status": int(faces.Pending), "reason": string(faces.Queued),
				"attempts": attempts, "updated_at": s.now(),
			})
			maps.Copy(columns, more)
			return q.UpdateColumns(columns).Error
		})
	})
	if err != nil {
		return fmt.Errorf("hand back %d image(s): %w", len(leases), err)
	}
	return nil
}

// clearLease adds the columns of a lease, with the values that end it.
func clearLease(columns map[string]any) map[string]any {
	columns["lease_owner"], columns["lease_token"], columns["lease_until"] = "", 0, nil
	return columns
}

// Result is an outcome for a leased image.
type Result struct {
	Lease
	faces.Outcome
	// RetryAt is when the redeemer may start another round after a transient
	// failure. Zero means no more rounds.
	RetryAt time.Time
	// File is the file that was recognized; zero if the recognizer does not report
	// it.
	File faces.File
	// Unchanged means that the file has not changed since it was recognized, so the
	// old answer stands. Only rescans have it.
	Unchanged bool
}

// Finish writes outcomes and faces in one transaction and ends the leases. It
// drops results whose lease has ended or is held by somebody else, and returns
// their ids. (If the connection is lost during the commit, these may include
// results that were written: the retry finds that their leases have ended.)
func (s *Store) Finish(ctx context.Context, results []Result) (stale []int64, err error) {
	images, rescans := splitResults(results)
	err = s.tx(ctx, func(tx *gorm.DB) error {
		for _, part := range [][]Result{images, rescans} {
			if err := s.withoutGone(tx, part); err != nil {
				return err
			}
		}
		var held []Result
		var err error
		if held, stale, err = lockHeld(tx, images); err != nil {
			return err
		}
		now := s.now()
		if err := s.writeResults(tx, held, faces.NoCause, now); err != nil {
			return err
		}
		if len(rescans) == 0 {
			return nil
		}
		late, err := s.finishRescans(tx, rescans, now)
		stale = append(stale, late...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("record %d outcome(s): %w", len(results), err)
	}
	return stale, nil
}

// writeResults replaces the outcomes and the faces of locked images.
func (s *Store) writeResults(tx *gorm.DB, results []Result, cause faces.EventCause, now time.Time) error {
	if err := dropErased(tx, results); err != nil {
		return err
	}
	results, err := s.withhold(tx, results)
	if err != nil {
		return err
	}
	kept, err := drawnToKeep(tx, results)
	if err != nil {
		return err
	}
	for part := range chunks(results) {
		if err := writeOutcomes(tx, part, now); err != nil {
			return err
		}
	}
	if err := replaceFaces(tx, results, kept, now); err != nil {
		return err
	}
	decided, err := s.alignDrawnOf(tx, results, kept, now)
	if err != nil {
		return err
	}
	if err := refreshCertainty(tx, uncertainOf(results)); err != nil {
		return err
	}
	if err := s.markCorrectedPending(tx, results, now); err != nil {
		return err
	}
	return addOutcomeEvents(tx, results, decided, cause, now)
}

// lockHeld locks the rows of the images. It returns the results whose lease is
// held and the ids of the others.
func lockHeld(tx *gorm.DB, results []Result) (held []Result, stale []int64, err error) {
	tokens := map[int64]int64{}
	for part := range chunks(results) {
		ids := make([]int64, len(part))
		for i, r := range part {
			ids[i] = r.ImageID
		}
		var rows []imageRow
		err := tx.Select("id", "lease_token").Where("id IN ? AND status = ?", ids, int(faces.Processing)).
			Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Find(&rows).Error
		if err != nil {
			return nil, nil, err
		}
		for _, r := range rows {
			tokens[r.ID] = r.LeaseToken
		}
	}
	for _, r := range results {
		if token, ok := tokens[r.ImageID]; !ok || token != r.Token {
			stale = append(stale, r.ImageID)
			continue
		}
		delete(tokens, r.ImageID) // the first of two results ends the lease
		held = append(held, r)
	}
	return held, stale, nil
}

// writeOutcomes writes the outcomes of locked rows in one statement, so that a
// batch costs one round trip, not one per image.
func writeOutcomes(tx *gorm.DB, results []Result, now time.Time) error {
	ids := make([]int64, len(results))
	for i, r := range results {
		ids[i] = r.ImageID
	}
	by := func(value func(Result) any) clause.Expr {
		return caseByID(results, func(r Result) (id, of any) { return r.ImageID, value(r) })
	}
	return tx.Model(&imageRow{}).Where("id IN ?", ids).UpdateColumns(clearLease(map[string]any{
		"status": by(func(r Result) any { return int(r.Reason.Status()) }),
		"reason": by(func(r Result) any { return string(r.Reason) }),
		// Release 0.1.0 shows a warning only if it is in detail.
		"detail": by(func(r Result) any { return faces.Truncate(cmp.Or(r.Detail, r.Warning), faces.MaxDetailLength) }),
		"person": by(func(r Result) any {
			if r.Person == nil {
				return faces.NoPerson
			}
			return r.Person.ID
		}),
		"warning":       by(func(r Result) any { return faces.Truncate(r.Warning, faces.MaxDetailLength) }),
		"omitted":       by(func(r Result) any { return r.Omitted }),
		"width":         by(func(r Result) any { return r.Width }),
		"height":        by(func(r Result) any { return r.Height }),
		"model":         by(func(r Result) any { return r.Model }),
		"file_size":     by(func(r Result) any { return r.File.Size }),
		"file_modified": by(func(r Result) any { return r.File.Modified }),
		"file_sha256":   by(func(r Result) any { return r.File.SHA256 }),
		"retry_at": by(func(r Result) any {
			if r.RetryAt.IsZero() {
				return nil
			}
			return r.RetryAt.UTC().Truncate(time.Microsecond)
		}),
		"trace_context": nil,
		"updated_at":    now,
	})).Error
}

// markCorrectedPending makes the re-matcher match images with corrected faces
// again, because the list of neighbours may lack the next person after an
// excluded one.
func (s *Store) markCorrectedPending(tx *gorm.DB, results []Result, now time.Time) error {
	var ids []int64
	for _, r := range results {
		if slices.ContainsFunc(r.Faces, func(f faces.Face) bool { return f.Corrected }) {
			ids = append(ids, r.ImageID)
		}
	}
	for part := range chunks(ids) {
		err := tx.Model(&correctionRow{}).Where("image_id IN ? AND undone_at IS NULL", part).
			UpdateColumns(map[string]any{"pending": true, "changed_at": now}).Error
		if err != nil {
			return err
		}
	}
	return nil
}

func replaceFaces(tx *gorm.DB, results []Result, kept keptFaces, now time.Time) error {
	var ids []int64
	var rows []faceRow
	for _, r := range results {
		ids = append(ids, r.ImageID)
		for i, f := range r.Faces {
			row, err := newFaceRow(r.ImageID, i, f, now)
			if err != nil {
				return err
			}
			if f.Drawn {
				row = kept.into(row)
			}
			rows = append(rows, row)
		}
	}
	var apart []apartFace
	for part := range chunks(ids) {
		list, err := leaveGroupsApart(tx, part)
		if err != nil {
			return err
		}
		apart = append(apart, list...)
		if err := tx.Where("image_id IN ?", part).Delete(&faceRow{}).Error; err != nil {
			return err
		}
	}
	for part := range chunks(rows) {
		if err := tx.Omit("BestName", "SecondName").Create(&part).Error; err != nil {
			return err
		}
	}
	return moveApart(tx, apart)
}

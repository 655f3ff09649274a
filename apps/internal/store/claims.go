package store

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Lease is the right to write one image's outcome. Token is a fencing token: it
// is new for every claim and part of every write, so that a program that resumes
// after its lease ran out writes nothing.
type Lease struct {
	ImageID int64
	Token   int64
	Rescan  bool // of looking at an answered image again: its answer stands meanwhile
}

// Claimed is an image that the caller has leased.
type Claimed struct {
	Lease
	Path     string
	Attempts int // this one included
	Rounds   int // rounds that the redeemer has given before
	// Rescan is set where the image has an answer and is looked at again.
	Rescan *RescanTask
}

// Claim is what became of the ids that were asked for.
type Claim struct {
	Claimed []Claimed
	// Busy ids are leased by somebody else, until the time given.
	Busy map[int64]time.Time
	// Settled ids need no work: answered, failed, or not there at all.
	Settled []int64
}

// claimable selects images that wait for their turn, and those whose lease ran
// out. A row in processing without a lease comes from a program that does not
// know leases.
func claimable(q *gorm.DB, now time.Time) *gorm.DB {
	return q.Where("((status = ? AND reason NOT IN ?) OR (status = ? AND (lease_until IS NULL OR lease_until < ?)))",
		int(faces.Pending), faces.ReasonsWhere(faces.Reason.IsPendingAnswer), int(faces.Processing), now)
}

// Claim leases those of the ids that are free, each for one caller only, and
// counts an attempt of each.
func (s *Store) Claim(ctx context.Context, owner string, ids []int64, lease time.Duration) (Claim, error) {
	token := rand.Int64N(1<<62) + 1 // also the mark by which a retry finds what it already claimed
	ids = unique(ids)
	var rows map[int64]imageRow
	err := s.retry(ctx, func(tx *gorm.DB) error {
		rows = make(map[int64]imageRow, len(ids))
		for part := range chunks(ids) {
			if err := claim(tx, part, owner, token, s.now(), lease, rows); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Claim{}, fmt.Errorf("claim %d image(s): %w", len(ids), err)
	}
	c := sortClaim(ids, rows, token)
	if len(c.Settled) == 0 {
		return c, nil
	}
	if err := s.claimRescans(ctx, owner, token, lease, &c); err != nil {
		return c, fmt.Errorf("claim images to look at again: %w", err)
	}
	return c, nil
}

// claim leases the free images in one statement, and then reads who holds which
// lease.
func claim(tx *gorm.DB, ids []int64, owner string, token int64, now time.Time, lease time.Duration, rows map[int64]imageRow) error {
	// Whoever put an image back by its status alone left the old reason, and the
	// attempts that are used up: they count anew. (MySQL assigns from left to
	// right and GORM by name, so that attempts still sees the old columns.)
	nextAttempt := gorm.Expr("CASE WHEN status = ? AND reason <> ? THEN 1 ELSE attempts + 1 END",
		int(faces.Pending), string(faces.Queued))
	err := claimable(tx.Model(&imageRow{}).Where("id IN ?", ids), now).
		UpdateColumns(map[string]any{
			"status": int(faces.Processing), "reason": string(faces.NoReason),
			"lease_owner": owner, "lease_token": token, "lease_until": now.Add(lease),
			"attempts": nextAttempt, "updated_at": now,
		}).Error
	if err != nil {
		return err
	}
	var found []imageRow
	err = tx.Select("id", "path", "status", "reason", "attempts", "rounds", "lease_token", "lease_until").
		Where("id IN ?", ids).Find(&found).Error
	for _, r := range found {
		rows[r.ID] = r
	}
	return err
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
			})
		case status == faces.Processing && r.LeaseUntil != nil:
			c.Busy[id] = *r.LeaseUntil
		case status == faces.Processing, r.image().Reason == faces.Queued:
			c.Busy[id] = time.Time{} // came free between the two statements: try again
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

// eachHeld calls f for each token with the ids leased under it and with a query
// for those of their rows whose lease is still held. One statement never mixes
// tokens: the same program may have leased an image again and still know the old
// lease.
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

// Release hands images back to the queue's turn. Where the attempt was not
// the image's own (the service was known to be down, or the program stops),
// refund takes it back.
func (s *Store) Release(ctx context.Context, leases []Lease, refund bool) error {
	attempts := gorm.Expr("attempts")
	if refund {
		attempts = gorm.Expr("CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END")
	}
	images, rescans := splitLeases(leases)
	err := s.retry(ctx, func(tx *gorm.DB) error {
		if err := releaseRescans(tx, rescans, attempts, s.now()); err != nil {
			return err
		}
		return eachHeld(tx, images, func(q *gorm.DB, _ int64, _ []int64) error {
			return q.UpdateColumns(clearLease(map[string]any{
				"status": int(faces.Pending), "reason": string(faces.Queued),
				"attempts": attempts, "updated_at": s.now(),
			})).Error
		})
	})
	if err != nil {
		return fmt.Errorf("hand back %d image(s): %w", len(leases), err)
	}
	return nil
}

// clearLease adds the columns that end a lease.
func clearLease(columns map[string]any) map[string]any {
	columns["lease_owner"], columns["lease_token"], columns["lease_until"] = "", 0, nil
	return columns
}

// Result is an outcome for a leased image.
type Result struct {
	Lease
	faces.Outcome
	// RetryAt is when the redeemer may give a transient failure another round;
	// zero: no more rounds.
	RetryAt time.Time
	// File is the one that was looked at; zero where the recognizer does not say.
	File faces.File
	// Unchanged says that the file is still the one that was looked at before: the
	// old answer stands. It is for rescans only.
	Unchanged bool
}

// Finish writes outcomes and the faces found, all in one transaction, and
// ends the leases. A result whose lease has ended or gone to somebody else is
// dropped; their ids are returned. (Where the connection is lost while the
// database commits, what was written may be among them: the retry finds that
// its leases have ended.)
func (s *Store) Finish(ctx context.Context, results []Result) (stale []int64, err error) {
	images, rescans := splitResults(results)
	err = s.tx(ctx, func(tx *gorm.DB) error {
		var held []Result
		var err error
		if held, stale, err = lockHeld(tx, images); err != nil {
			return err
		}
		now := s.now()
		if err := s.writeResults(tx, held, now); err != nil {
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
func (s *Store) writeResults(tx *gorm.DB, results []Result, now time.Time) error {
	for part := range chunks(results) {
		if err := writeOutcomes(tx, part, now); err != nil {
			return err
		}
	}
	if err := replaceFaces(tx, results, now); err != nil {
		return err
	}
	return s.markCorrectedPending(tx, results, now)
}

// lockHeld locks the rows of the images and separates the results whose lease is
// held from the ids of the others.
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

// writeOutcomes writes the outcomes of locked rows in one statement: a batch
// costs one round trip, not one for each image.
func writeOutcomes(tx *gorm.DB, results []Result, now time.Time) error {
	ids := make([]int64, len(results))
	for i, r := range results {
		ids[i] = r.ImageID
	}
	by := func(value func(Result) any) clause.Expr { return caseByID(results, value) }
	return tx.Model(&imageRow{}).Where("id IN ?", ids).UpdateColumns(clearLease(map[string]any{
		"status": by(func(r Result) any { return int(r.Reason.Status()) }),
		"reason": by(func(r Result) any { return string(r.Reason) }),
		// Release 0.1.0 shows a warning only where it is in detail.
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
		"updated_at": now,
	})).Error
}

// caseByID is the value of a column for each of the results' rows.
func caseByID(results []Result, value func(Result) any) clause.Expr {
	sql := strings.Builder{}
	sql.WriteString("CASE id")
	vars := make([]any, 0, 2*len(results))
	for _, r := range results {
		sql.WriteString(" WHEN ? THEN ?")
		vars = append(vars, r.ImageID, value(r))
	}
	sql.WriteString(" END")
	return gorm.Expr(sql.String(), vars...)
}

// markCorrectedPending has the re-matcher match corrected faces again: the next
// person after an excluded one may be missing from the list of neighbours.
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

func replaceFaces(tx *gorm.DB, results []Result, now time.Time) error {
	var ids []int64
	var rows []faceRow
	for _, r := range results {
		ids = append(ids, r.ImageID)
		for i, f := range r.Faces {
			row, err := newFaceRow(r.ImageID, i, f, now)
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
	}
	for part := range chunks(ids) {
		if err := tx.Where("image_id IN ?", part).Delete(&faceRow{}).Error; err != nil {
			return err
		}
	}
	for part := range chunks(rows) {
		if err := tx.Omit("BestName", "SecondName").Create(&part).Error; err != nil {
			return err
		}
	}
	return nil
}

package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// ErasureLease is the right to do the work of an erasure, for a limited time. Two
// programs that do it at once do no harm.
type ErasureLease struct {
	Entry erasure.Entry
	id    int64
	token int64
}

// KnownErasures returns which of the erasures the database knows.
func (s *Store) KnownErasures(ctx context.Context, ids []string) (map[string]bool, error) {
	known := map[string]bool{}
	err := s.retry(ctx, func(tx *gorm.DB) error { // not read: a replica could be behind
		for part := range chunks(ids) {
			var found []string
			if err := tx.Model(&erasureRow{}).Where("public_id IN ?", part).Pluck("public_id", &found).Error; err != nil {
				return err
			}
			for _, id := range found {
				known[id] = true
			}
		}
		return nil
	})
	return known, wrap(err, "look up erasures")
}

// ErasureEntries returns the entries of all erasures with ids of the database above after,
// and the id to go on after, or 0.
func (s *Store) ErasureEntries(ctx context.Context, after int64) (list []erasure.Entry, next int64, err error) {
	const page = 100
	err = s.read(ctx, func(tx *gorm.DB) error {
		list, next = nil, 0
		var rows []erasureRow
		if err := tx.Where("id > ?", after).Order("id").Limit(page).Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			e, err := r.entry()
			if err != nil {
				return err
			}
			list = append(list, e)
		}
		if len(rows) == page {
			next = rows[page-1].ID
		}
		return nil
	})
	return list, next, wrap(err, "read the entries of erasures")
}

// Erasures returns erasures, newest first. before is the id of the last one of the page
// before, or empty.
func (s *Store) Erasures(ctx context.Context, before string, limit int) (list []erasure.Receipt, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		list = nil
		q := tx.Order("id DESC").Limit(limit)
		if before != "" {
			q = q.Where("id < (?)", tx.Model(&erasureRow{}).Select("id").Where("public_id = ?", before))
		}
		var rows []erasureRow
		if err := q.Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			one, err := r.receipt()
			if err != nil {
				return err
			}
			list = append(list, one)
		}
		return nil
	})
	return list, wrap(err, "list erasures")
}

// Erasure returns one erasure.
func (s *Store) Erasure(ctx context.Context, id string) (erasure.Receipt, error) {
	var rows []erasureRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("public_id = ?", id).Find(&rows).Error
	})
	if err == nil && len(rows) == 0 {
		err = faces.Errorf(faces.CodeMissing, "there is no erasure %.40s", id)
	}
	if err != nil {
		return erasure.Receipt{}, fmt.Errorf("read an erasure: %w", err)
	}
	return rows[0].receipt()
}

// ErasuresChanged returns a text that is another one when an erasure has begun or ended.
func (s *Store) ErasuresChanged(ctx context.Context) (string, error) {
	var row struct {
		Last   int64
		Erased int64
	}
	err := s.read(ctx, func(tx *gorm.DB) error {
		return tx.Model(&erasureRow{}).Select("COALESCE(MAX(id), 0) AS last, COUNT(erased_at) AS erased").Scan(&row).Error
	})
	return fmt.Sprint(row.Last, " ", row.Erased), wrap(err, "look for erasures")
}

// ClaimErasure leases the oldest erasure with work to do: a new one, or one of which
// the search found something. ok is false without any.
func (s *Store) ClaimErasure(ctx context.Context, lease time.Duration) (l ErasureLease, ok bool, err error) {
	token := 1 + rand.Int64N(math.MaxInt64) //nolint:gosec // it tells holders apart, and is no secret
	err = s.retry(ctx, func(tx *gorm.DB) error {
		ok = false
		now := s.now()
		free := func() *gorm.DB {
			return tx.Model(&erasureRow{}).Where("state IN ? AND (lease_until IS NULL OR lease_until < ? OR lease_token = ?)",
				[]erasure.State{erasure.Erasing, erasure.Found}, now, token)
		}
		var ids []int64
		if err := free().Order("id").Limit(1).Pluck("id", &ids).Error; err != nil || len(ids) == 0 {
			return err
		}
		taken := free().Where("id = ?", ids[0]).UpdateColumns(map[string]any{"lease_token": token, "lease_until": now.Add(lease)})
		if taken.Error != nil || taken.RowsAffected == 0 {
			return taken.Error
		}
		row, err := oneRow[erasureRow](tx.Where("id = ?", ids[0]), "erasure", ids[0])
		if err != nil {
			return err
		}
		l.id, l.token, ok = row.ID, token, true
		l.Entry, err = row.entry()
		return err
	})
	return l, ok && err == nil, wrap(err, "take over an erasure")
}

// RenewErasure extends a lease. It returns false if the lease is lost.
func (s *Store) RenewErasure(ctx context.Context, l ErasureLease, lease time.Duration) (bool, error) {
	held := false
	err := s.retry(ctx, func(tx *gorm.DB) error {
		done := tx.Model(&erasureRow{}).Where("id = ? AND lease_token = ?", l.id, l.token).UpdateColumn("lease_until", s.now().Add(lease))
		held = done.RowsAffected > 0
		return done.Error
	})
	return held, wrap(err, "renew the lease of an erasure")
}

// EndErasure notes that the job is done, with what went beside what Erase counted.
func (s *Store) EndErasure(ctx context.Context, l ErasureLease, counts map[string]int) error {
	err := s.tx(ctx, func(tx *gorm.DB) error {
		row, err := oneRow[erasureRow](tx.Where("id = ? AND lease_token = ?", l.id, l.token), "erasure", l.id)
		if err != nil {
			return err
		}
		all := map[string]int{}
		if err := json.Unmarshal([]byte(row.Counts), &all); err != nil {
			return err
		}
		for what, n := range counts { // a step that is repeated finds less
			all[what] = max(all[what], n)
		}
		text, err := json.Marshal(all)
		if err != nil {
			return err
		}
		return tx.Model(&erasureRow{}).Where("id = ?", l.id).UpdateColumns(clearErasureLease(map[string]any{
			"state": string(erasure.Erased), "erased_at": s.now(), "counts": string(text),
		})).Error
	})
	return wrap(err, "end an erasure")
}

func clearErasureLease(columns map[string]any) map[string]any {
	columns["lease_token"], columns["lease_until"] = 0, nil
	return columns
}

// NoteErasureSearch stores what the search found of an erasure: places only. Without any,
// the erasure is verified. Otherwise the job runs again.
func (s *Store) NoteErasureSearch(ctx context.Context, id string, found []string) error {
	text, err := json.Marshal(append([]string{}, found...))
	if err != nil {
		return err
	}
	now := s.now()
	columns := map[string]any{"found": string(text), "searched_at": now}
	if len(found) == 0 {
		columns["state"], columns["verified_at"] = string(erasure.Verified), gorm.Expr("COALESCE(verified_at, ?)", now)
	} else {
		columns["state"], columns["verified_at"] = string(erasure.Found), nil
	}
	err = s.retry(ctx, func(tx *gorm.DB) error {
		return tx.Model(&erasureRow{}).Where("public_id = ? AND state <> ?", id, erasure.Erasing).UpdateColumns(columns).Error
	})
	return wrap(err, fmt.Sprintf("store the search of erasure %s", id))
}

// UnverifiedErasures reports whether a search has something to do.
func (s *Store) UnverifiedErasures(ctx context.Context) (bool, error) {
	var n int64
	err := s.read(ctx, func(tx *gorm.DB) error {
		return tx.Model(&erasureRow{}).Where("state = ?", erasure.Erased).Count(&n).Error
	})
	return n > 0, wrap(err, "look for erasures to verify")
}

// ErasuresNotVerified returns how many erasures no search has found to be complete, and
// when the oldest of them began.
func (s *Store) ErasuresNotVerified(ctx context.Context) (n int64, since time.Time, err error) {
	var oldest []erasureRow
	err = s.read(ctx, func(tx *gorm.DB) error {
		oldest = nil
		open := []string{string(erasure.Erasing), string(erasure.Erased), string(erasure.Found)}
		if err := tx.Model(&erasureRow{}).Where("state IN ?", open).Count(&n).Error; err != nil || n == 0 {
			return err
		}
		return tx.Select("id", "created_at").Where("state IN ?", open).Order("created_at").Limit(1).Find(&oldest).Error
	})
	for _, r := range oldest {
		since = r.CreatedAt
	}
	return n, since, wrap(err, "count the erasures that nobody has verified")
}

// SearchableErasures returns the entries of erasures whose job is done, and how many there
// are whose job is not.
func (s *Store) SearchableErasures(ctx context.Context) (entries []erasure.Entry, erasing int, err error) {
	err = s.retry(ctx, func(tx *gorm.DB) error { // not read: a replica could be behind
		entries, erasing = nil, 0
		var rows []erasureRow
		if err := tx.Order("id").Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			if r.State == string(erasure.Erasing) {
				erasing++
				continue
			}
			e, err := r.entry()
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return nil
	})
	return entries, erasing, wrap(err, "read the erasures to search for")
}

// ForgetErasedMentions takes the people of an entry out of what faces, images and
// corrections say about who they may show, and returns how many people it found there.
// The transaction of the erasure has done so; a program of an older release, which knows
// of no erasures, may have written it again since. Whoever else has got the id, as after a
// restore, keeps everything.
func (s *Store) ForgetErasedMentions(ctx context.Context, e erasure.Entry) (n int, err error) {
	for _, person := range append([]int64{e.PersonID}, e.Merged...) {
		found := false
		err := s.tx(ctx, func(tx *gorm.DB) (err error) {
			found, err = s.forgetMentions(tx, person)
			return err
		})
		if err != nil {
			return n, wrap(err, fmt.Sprintf("forget who may be person %d", person))
		}
		if found {
			n++
		}
	}
	return n, nil
}

func (s *Store) forgetMentions(tx *gorm.DB, person int64) (found bool, err error) {
	gone, err := s.goneOf(tx, map[int64]bool{person: true})
	if err != nil || !gone[person] {
		return false, err
	}
	var shows, said int64
	if err := tx.Model(&faceRow{}).Where("best_person_id = ? OR second_person_id = ?", person, person).Count(&shows).Error; err != nil {
		return false, err
	}
	if err := tx.Model(&correctionRow{}).Where("candidates LIKE ?", likeCandidate(person)).Count(&said).Error; err != nil {
		return false, err
	}
	if shows+said == 0 {
		return false, nil
	}
	shown, err := forgetAnswers(tx, person)
	if err != nil {
		return false, err
	}
	if err := forgetCandidates(tx, []int64{person}); err != nil {
		return false, err
	}
	return true, addChangedNow(tx, unique(shown), faces.ByPersonDelete, s.now())
}

// ForgetErasedAnswers takes the answers that have a name away from idempotency keys. A
// request that is repeated is told that its answer is not kept, and is not carried out
// again.
func (s *Store) ForgetErasedAnswers(ctx context.Context, e erasure.Entry) (n int, err error) {
	var after []byte
	for {
		var rows []idempotencyRow
		err := s.retry(ctx, func(tx *gorm.DB) error {
			rows = nil
			q := tx.Where("status <> 0").Order("key_sha256").Limit(chunk)
			if after != nil {
				q = q.Where("key_sha256 > ?", after)
			}
			return q.Find(&rows).Error
		})
		if err != nil {
			return n, wrap(err, "read the answers of idempotency keys")
		}
		var named [][]byte
		for _, r := range rows {
			if e.InText(r.Headers) || e.InAnswer(string(unzipped(r.Answer))) {
				named = append(named, r.KeySHA256)
			}
		}
		if len(named) > 0 {
			err := s.retry(ctx, func(tx *gorm.DB) error {
				return tx.Model(&idempotencyRow{}).Where("key_sha256 IN ? AND status <> 0", named).
					UpdateColumns(map[string]any{"answer": nil, "headers": "{}"}).Error
			})
			if err != nil {
				return n, wrap(err, "forget the answers of idempotency keys")
			}
			n += len(named)
		}
		if len(rows) < chunk {
			return n, nil
		}
		after = rows[len(rows)-1].KeySHA256
	}
}

// unzipped returns the content of a kept answer, or the bytes as they are.
func unzipped(answer []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(answer))
	if err != nil {
		return answer
	}
	const most = 16 << 20
	text, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return answer
	}
	return text
}

// ForgetErasedTexts takes names out of what is stored of images and of jobs: the name
// that an upload had, the details of older releases, and the sentence that says what a
// re-match changed.
func (s *Store) ForgetErasedTexts(ctx context.Context, e erasure.Entry) (n int, err error) {
	if n, err = s.forgetInJobs(ctx, e); err != nil {
		return n, err
	}
	for after := int64(0); ; {
		var rows []imageRow
		err := s.retry(ctx, func(tx *gorm.DB) error {
			rows = nil
			return tx.Select("id", "file_name", "detail", "warning").Where("id > ? AND (file_name <> '' OR detail <> '')", after).
				Order("id").Limit(chunk).Find(&rows).Error
		})
		if err != nil {
			return n, wrap(err, "read the file names of images")
		}
		for _, r := range rows {
			columns := map[string]any{}
			for column, text := range map[string]string{"file_name": r.FileName, "detail": r.Detail, "warning": r.Warning} {
				if e.InText(text) {
					columns[column] = ""
				}
			}
			if len(columns) == 0 {
				continue
			}
			set := maps.Clone(columns)
			err := s.retry(ctx, func(tx *gorm.DB) error {
				return tx.Model(&imageRow{}).Where("id = ?", r.ID).UpdateColumns(set).Error
			})
			if err != nil {
				return n, wrap(err, fmt.Sprintf("take a name out of image %d", r.ID))
			}
			n++
		}
		if len(rows) < chunk {
			return n, nil
		}
		after = rows[len(rows)-1].ID
	}
}

// forgetInJobs takes names out of the results of re-matches. Few jobs are kept.
func (s *Store) forgetInJobs(ctx context.Context, e erasure.Entry) (n int, err error) {
	err = s.retry(ctx, func(tx *gorm.DB) error {
		n = 0
		var rows []rematchRow
		if err := tx.Select("id", "detail").Where("detail <> ''").Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			if !e.InText(r.Detail) {
				continue
			}
			if err := tx.Model(&rematchRow{}).Where("id = ?", r.ID).UpdateColumn("detail", "").Error; err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, wrap(err, "take a name out of the results of re-matches")
}

// SelectErasedImages returns the images that an erasure deletes, at most limit. An image
// is one only if its path is the one of the entry.
func (s *Store) SelectErasedImages(ctx context.Context, e erasure.Entry, limit int) ([]Selected, error) {
	if e.Images != erasure.Delete {
		return nil, nil
	}
	paths := map[int64]erasure.Mark{}
	var ids []int64
	for _, p := range e.Pictures {
		if p.Shows {
			ids, paths[p.ImageID] = append(ids, p.ImageID), p.Path
		}
	}
	list, err := s.SelectByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(d Selected) bool { return e.Salt.OfPath(d.Path) != paths[d.ID] })
	return list[:min(len(list), limit)], nil
}

// Compact rewrites the file of a SQLite database, so that what was deleted is in none of
// its free pages, and empties its log. MySQL does that in its own time.
func (s *Store) Compact(ctx context.Context) error {
	if s.isMySQL() {
		return nil
	}
	err := s.retry(ctx, func(tx *gorm.DB) error {
		if err := tx.Exec("VACUUM").Error; err != nil {
			return err
		}
		return tx.Exec("PRAGMA wal_checkpoint(TRUNCATE)").Error
	})
	return wrap(err, "rewrite the database file")
}

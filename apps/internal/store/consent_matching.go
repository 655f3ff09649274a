package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// Consent acts where known pictures become people (Owners, AllOwners and
// CountKnownPeople leave out who is withheld) and, because some time passes between a
// decision and its row, where answers are written. What a re-match does not take back,
// because nobody runs one or no recognizer answers, SweepConsents does.

const (
	// sweepAfter is how long after the end of a consent re-matches have to take answers
	// back. They know who is next; a sweep does not. It is longer than any transaction
	// that had read the consent before its end.
	sweepAfter = 40 * time.Second
	// sweepPeople and sweepImages bound one transaction.
	sweepPeople = 50
	sweepImages = 200
)

// given is a condition on consents: it stands. Its arguments are two times the time.
const given = "consents.withdrawn_at IS NULL AND consents.from_at <= ? AND (consents.until_at IS NULL OR consents.until_at > ?)"

// ofSomebody is a condition on consents: the person exists. Somebody who was merged has
// a consent all the same.
const ofSomebody = "EXISTS (SELECT 1 FROM person WHERE person.id = consents.person_id)"

// matchable returns a condition on the table person: the person may be matched now.
func (s *Store) matchable() (condition string, now time.Time) {
	if s.consentRequired {
		return "EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND " + given + ")", s.now()
	}
	return "NOT EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND NOT (" + given + "))", s.now()
}

// Withheld returns the people who may not be matched now, although they have known
// pictures.
func (s *Store) Withheld(ctx context.Context) (map[int64]bool, error) {
	withheld := map[int64]bool{}
	condition, now := s.matchable()
	err := s.read(ctx, func(tx *gorm.DB) error {
		clear(withheld)
		var ids []int64
		err := tx.Model(&personRow{}).Where("NOT ("+condition+")", now, now).
			Where("EXISTS (SELECT 1 FROM person_images WHERE person_images.person_id = person.id)").Pluck("id", &ids).Error
		for _, id := range ids {
			withheld[id] = true
		}
		return err
	})
	return withheld, wrap(err, "read whose consent does not stand")
}

// withheldOf returns those of the people who may not be matched now.
func (s *Store) withheldOf(tx *gorm.DB, people map[int64]bool) (map[int64]bool, error) {
	delete(people, faces.NoPerson)
	delete(people, 0)
	withheld := map[int64]bool{}
	condition, now := s.matchable()
	for part := range chunks(slices.Sorted(maps.Keys(people))) {
		var ids []int64
		if err := tx.Model(&personRow{}).Where("id IN ?", part).Where("NOT ("+condition+")", now, now).Pluck("id", &ids).Error; err != nil {
			return nil, err
		}
		for _, id := range ids {
			withheld[id] = true
		}
	}
	return withheld, nil
}

// isIn returns the function that reports whether a person is in a set.
func isIn(set map[int64]bool) func(int64) bool { return func(id int64) bool { return set[id] } }

// withhold takes people out of results whose consent has ended since the results were
// decided.
func (s *Store) withhold(tx *gorm.DB, results []Result) ([]Result, error) {
	people := map[int64]bool{}
	for _, r := range results {
		for _, f := range r.Faces {
			for _, c := range []*faces.Candidate{f.Best, f.Second} {
				if c != nil {
					people[c.Person.ID] = true
				}
			}
		}
	}
	if len(people) == 0 {
		return results, nil
	}
	withheld, err := s.withheldOf(tx, people)
	if err != nil || len(withheld) == 0 {
		return results, err
	}
	models, err := modelsByID(tx)
	if err != nil {
		return nil, err
	}
	results = slices.Clone(results)
	for i := range results {
		results[i].Outcome = results[i].Without(isIn(withheld), models[results[i].Model])
	}
	return results, nil
}

// checkConsents returns an error with CodeConflict if a change of a re-match names
// somebody whose consent has ended since the re-match read who is known. The re-match
// begins anew.
func (s *Store) checkConsents(tx *gorm.DB, changes []history.Change) error {
	standing, err := s.standing(tx, changes)
	if err == nil && len(standing) < len(changes) {
		err = faces.Errorf(faces.CodeConflict, "a consent has ended while stored faces were matched; they are matched again")
	}
	return err
}

// standing returns the changes whose result names nobody who may not be matched now.
func (s *Store) standing(tx *gorm.DB, changes []history.Change) ([]history.Change, error) {
	people := map[int64]bool{}
	for _, c := range changes {
		for _, f := range c.After.Faces {
			people[f.BestPerson], people[f.SecondPerson] = true, true
		}
	}
	withheld, err := s.withheldOf(tx, people)
	if err != nil || len(withheld) == 0 {
		return changes, err
	}
	return slices.DeleteFunc(slices.Clone(changes), func(c history.Change) bool { return c.After.Names(isIn(withheld)) }), nil
}

// withholdStored takes people whose consent has ended out of images that are about to
// be decided again from their stored candidates.
func (s *Store) withholdStored(tx *gorm.DB, images []history.StoredImage) ([]history.StoredImage, error) {
	people := map[int64]bool{}
	for _, img := range images {
		for _, f := range img.Faces {
			people[f.BestPerson], people[f.SecondPerson] = true, true
		}
	}
	withheld, err := s.withheldOf(tx, people)
	if err != nil || len(withheld) == 0 {
		return images, err
	}
	without := make([]history.StoredImage, len(images))
	for n, img := range images {
		img.Faces = slices.Clone(img.Faces)
		for i := range img.Faces {
			img.Faces[i].FaceAnswer = img.Faces[i].Without(isIn(withheld))
		}
		without[n] = img
	}
	return without, nil
}

// SweepConsents does what follows from the time: it writes the events of consents that
// have begun or lapsed, and takes back the answers that still name somebody whose
// consent ended a while ago. more reports that there is more to do. Only the holder of
// the lease of re-matching calls it.
func (s *Store) SweepConsents(ctx context.Context, token int64) (more bool, err error) {
	if err := s.tellConsents(ctx, token); err != nil {
		return false, err
	}
	people, err := s.unswept(ctx)
	if err != nil {
		return false, err
	}
	for _, person := range people {
		for left := true; left; {
			if left, err = s.takeBack(ctx, token, person); err != nil {
				return false, wrap(err, "take back the answers of an ended consent")
			}
		}
	}
	return len(people) == sweepPeople, nil
}

// tellConsents writes an event for each consent whose state is another one than told.
func (s *Store) tellConsents(ctx context.Context, token int64) error {
	now := s.now()
	const due = "withdrawn_at IS NULL AND (told <> ? AND until_at <= ? OR told = ? AND from_at <= ? AND (until_at IS NULL OR until_at > ?))"
	var rows []consentRow
	find := func(tx *gorm.DB) error {
		rows = nil
		return tx.Where(ofSomebody).Where(due, string(faces.ConsentLapsed), now, string(faces.ConsentUpcoming), now, now).Order("person_id").Limit(chunk).Find(&rows).Error
	}
	if err := s.read(ctx, find); err != nil || len(rows) == 0 {
		return wrap(err, "look for consents that have lapsed")
	}
	err := s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		if err := find(tx); err != nil {
			return err
		}
		for _, r := range rows {
			state := string(r.consent().State(now))
			told := unchanged(tx, r).UpdateColumn("told", state)
			if told.Error != nil {
				return told.Error
			}
			if told.RowsAffected == 0 {
				continue
			}
			if err := addPersonEvent(tx, faces.PersonConsent, r.PersonID, 0, now); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap(err, "tell of consents that have lapsed")
}

// unchanged selects a consent that was read, unless somebody has recorded or withdrawn it
// since: that is not locked while the sweep works.
func unchanged(tx *gorm.DB, r consentRow) *gorm.DB {
	return tx.Model(&consentRow{}).Where("person_id = ? AND changed_at = ?", r.PersonID, r.ChangedAt)
}

// unswept returns people whose consent ended a while ago and whose answers have not
// been looked at since. If consents are required, these are also people without one.
func (s *Store) unswept(ctx context.Context) ([]int64, error) {
	now := s.now()
	before := now.Add(-sweepAfter)
	var ids []int64
	err := s.read(ctx, func(tx *gorm.DB) error {
		ids = nil
		err := tx.Model(&consentRow{}).Where("swept = ? AND changed_at <= ? AND NOT ("+given+")", false, before, now, now).Where(ofSomebody).
			Where("(withdrawn_at IS NOT NULL OR until_at IS NULL OR until_at > ? OR until_at <= ?)", now, before).
			Order("person_id").Limit(sweepPeople).Pluck("person_id", &ids).Error
		if err != nil || !s.consentRequired || len(ids) == sweepPeople {
			return err
		}
		var none []int64
		err = tx.Model(&personRow{}).Where("NOT EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id)").
			Where("EXISTS (SELECT 1 FROM faces WHERE faces.best_person_id = person.id AND faces.corrected <> ?)", history.Confirmed).
			Order("id").Limit(sweepPeople-len(ids)).Pluck("id", &none).Error
		ids = append(ids, none...)
		return err
	})
	return ids, wrap(err, "look for consents that have ended")
}

// takeBack takes a person out of a page of answers. left reports that there may be
// more.
func (s *Store) takeBack(ctx context.Context, token, person int64) (left bool, err error) {
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		row, err := findConsent(tx, person) // first: what is asked next may be about a later one
		if err != nil {
			return err
		}
		withheld, err := s.withheldOf(tx, map[int64]bool{person: true})
		if err != nil || len(withheld) == 0 { // renewed meanwhile
			left = false
			return err
		}
		ids, err := namedIn(tx, person)
		if err != nil {
			return err
		}
		if left = len(ids) > 0; !left {
			return unchanged(tx, row).UpdateColumn("swept", true).Error
		}
		return s.takeBackFrom(tx, ids, isIn(withheld))
	})
	return left, err
}

// namedIn returns images with a face whose answer has a person, other than because
// somebody said so.
func namedIn(tx *gorm.DB, person int64) ([]int64, error) {
	var ids []int64
	for _, where := range []string{"best_person_id = ? AND corrected <> ?", "second_person_id = ? AND (best_person_id <> second_person_id OR corrected <> ?)"} {
		var found []int64
		err := tx.Model(&faceRow{}).Where(where, person, history.Confirmed).Distinct().Limit(sweepImages).Pluck("image_id", &found).Error
		if err != nil {
			return nil, err
		}
		ids = append(ids, found...)
	}
	ids = unique(ids)
	slices.Sort(ids)
	return ids, nil
}

func (s *Store) takeBackFrom(tx *gorm.DB, ids []int64, withheld func(int64) bool) error {
	if err := lockImages(tx, ids); err != nil {
		return err
	}
	images, err := readAnswers(tx, ids)
	if err != nil {
		return err
	}
	models, err := modelsByID(tx)
	if err != nil {
		return err
	}
	var changes []history.Change
	var waiting []int64
	for _, img := range images {
		if img.Waits { // its faces are replaced when it is processed
			waiting = append(waiting, img.ID)
			continue
		}
		var m faces.Model
		for _, f := range img.Faces {
			if f.Model != "" {
				m = models[f.Model]
			}
		}
		if c, changed := img.Withhold(withheld, m); changed {
			changes = append(changes, c)
		}
	}
	if err := writeAnswers(tx, changes, s.now()); err != nil {
		return err
	}
	if err := s.takeBackWaiting(tx, waiting, withheld); err != nil {
		return err
	}
	return addChangeEvents(tx, changes, faces.ByConsent, s.now())
}

// takeBackWaiting takes people out of the faces of images that are processed again,
// whose own rows say nothing of an answer meanwhile.
func (s *Store) takeBackWaiting(tx *gorm.DB, ids []int64, withheld func(int64) bool) error {
	for part := range chunks(ids) {
		found, err := queryFaces(tx, "image_id IN ? ORDER BY image_id, position", part)
		if err != nil {
			return err
		}
		for _, f := range found {
			now := f.Without(withheld)
			if now == f.FaceAnswer {
				continue
			}
			err := tx.Model(&faceRow{}).Where("id = ?", f.ID).UpdateColumns(map[string]any{
				"reason": now.Reason, "best_person_id": now.BestPerson, "best_distance": now.BestDistance, "matched_image": now.BestImage, "best_parts": now.BestParts,
				"second_person_id": now.SecondPerson, "second_distance": now.SecondDistance, "second_image": now.SecondImage, "second_parts": now.SecondParts,
			}).Error
			if err != nil {
				return err
			}
		}
	}
	return nil
}

package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// mergeRow has all that undoing a merge needs. What re-matching can find out
// again, it leaves out: the answers of images.
type mergeRow struct {
	ID            int64
	PersonID      int64
	PersonName    string // before the merge
	MergedID      int64
	MergedName    string
	MergedHidden  bool
	MergedCoverID int64
	NewName       string // of the one who stayed, after the merge
	Images        int
	KnownImages   string // JSON list of ids that were the merged person's
	Corrections   string // likewise
	CreatedAt     time.Time
	UndoneAt      *time.Time
}

func (mergeRow) TableName() string { return "merges" }

func (r mergeRow) merge() (faces.Merge, error) {
	known, err := decodeIDs(r.KnownImages)
	m := faces.Merge{
		ID: r.ID, Person: faces.Person{ID: r.PersonID, Name: r.PersonName}, Merged: faces.Person{ID: r.MergedID, Name: r.MergedName},
		Images: r.Images, KnownMoved: len(known), CreatedAt: r.CreatedAt,
	}
	if r.UndoneAt != nil {
		m.UndoneAt = *r.UndoneAt
	}
	return m, err
}

func decodeIDs(text string) (ids []int64, err error) {
	return ids, wrap(json.Unmarshal([]byte(text), &ids), "decode the ids of a merge")
}

// MergeRequest asks to make one person of two. A person is merged only if they
// still have the version that the caller has seen; see faces.AnyVersion.
type MergeRequest struct {
	Person, Merged               int64 // who stays, who goes
	PersonVersion, MergedVersion int64
	Name                         string // the name of the one who stays; empty: as it is
}

// MergePeople makes one person of two: known pictures, corrections and answers of
// the one who goes become those of the one who stays. All of it, or nothing. Until
// the next re-match, a picture that showed both shows one person twice.
func (s *Store) MergePeople(ctx context.Context, r MergeRequest) (m faces.Merge, p faces.Profile, err error) {
	r.Name = cleanName(r.Name)
	if r.Person == r.Merged {
		return m, p, faces.Errorf(faces.CodeInvalid, "person %d cannot be merged with themselves", r.Person)
	}
	if r.Name != "" {
		if err := faces.CheckName(r.Name); err != nil {
			return m, p, err
		}
	}
	err = s.tx(ctx, func(tx *gorm.DB) error {
		row, err := mergePeople(tx, r, s.now())
		if err != nil {
			return err
		}
		if err := s.auditIDs(tx, access.PeopleMerged, "merge", row.ID); err != nil {
			return err
		}
		if m, err = row.merge(); err != nil {
			return err
		}
		p, err = profileOf(tx, r.Person)
		return err
	})
	return m, p, wrap(err, fmt.Sprintf("merge person %d into person %d", r.Merged, r.Person))
}

func mergePeople(tx *gorm.DB, r MergeRequest, now time.Time) (mergeRow, error) {
	if err := serialize(tx); err != nil {
		return mergeRow{}, err
	}
	stays, err := lockPerson(tx, r.Person, r.PersonVersion)
	if err != nil {
		return mergeRow{}, err
	}
	goes, err := lockPerson(tx, r.Merged, r.MergedVersion)
	if err != nil {
		return mergeRow{}, err
	}
	row := mergeRow{
		PersonID: stays.ID, PersonName: stays.Name, MergedID: goes.ID, MergedName: goes.Name, MergedHidden: goes.Hidden,
		MergedCoverID: goes.CoverID, NewName: cmp.Or(r.Name, stays.Name), CreatedAt: now,
	}
	if row.Images, err = countShowing(tx, goes.ID); err != nil {
		return mergeRow{}, err
	}
	if row.KnownImages, err = moveRows(tx, "person_images", goes.ID, stays.ID, nil); err != nil {
		return mergeRow{}, err
	}
	changed := map[string]any{"changed_at": now, "pending": true}
	if row.Corrections, err = moveRows(tx, "corrections", goes.ID, stays.ID, changed); err != nil {
		return mergeRow{}, err
	}
	if err := mergeConsents(tx, goes.ID, stays.ID, now); err != nil {
		return mergeRow{}, err
	}
	shown, err := moveAnswers(tx, goes.ID, stays.ID)
	if err != nil {
		return mergeRow{}, err
	}
	if err := removeAndRename(tx, goes, stays, r.Name); err != nil {
		return mergeRow{}, err
	}
	if err := tx.Create(&row).Error; err != nil { // it sets the id
		return mergeRow{}, err
	}
	return row, addMergeEvents(tx, row, shown, now)
}

// addMergeEvents writes the events of a merge: of the people, of the name, and of the
// images whose answers changed.
func addMergeEvents(tx *gorm.DB, row mergeRow, shown []int64, now time.Time) error {
	if err := addPersonEvent(tx, faces.PersonMerged, row.PersonID, row.MergedID, now); err != nil {
		return err
	}
	if row.NewName != row.PersonName {
		if err := addPersonEvent(tx, faces.PersonRenamed, row.PersonID, 0, now); err != nil {
			return err
		}
	}
	return addChangedNow(tx, shown, faces.ByMerge, now)
}

// countShowing counts the images that show a person.
func countShowing(tx *gorm.DB, person int64) (int, error) {
	var n int64
	err := tx.Model(&faceRow{}).Where("best_person_id = ? AND reason = ?", person, faces.Identified).
		Distinct("image_id").Count(&n).Error
	return int(n), err
}

// moveRows gives the rows of a table to another person, and changes further
// columns. It returns their ids as JSON.
func moveRows(tx *gorm.DB, table string, from, to int64, columns map[string]any) (string, error) {
	ids := []int64{}
	if err := tx.Table(table).Where("person_id = ?", from).Order("id").Pluck("id", &ids).Error; err != nil {
		return "", err
	}
	if err := giveRows(tx, table, ids, from, to, columns); err != nil {
		return "", err
	}
	text, err := json.Marshal(ids)
	return string(text), err
}

// giveRows gives those of the rows that are still one person's to another one.
func giveRows(tx *gorm.DB, table string, ids []int64, from, to int64, columns map[string]any) error {
	set := map[string]any{"person_id": to}
	for k, v := range columns {
		set[k] = v
	}
	for part := range chunks(ids) {
		if err := tx.Table(table).Where("id IN ? AND person_id = ?", part, from).UpdateColumns(set).Error; err != nil {
			return err
		}
	}
	return nil
}

// moveAnswers makes every answer that names one person name another, and returns the
// images that showed them. A face whose two candidates become one person has no second
// one.
func moveAnswers(tx *gorm.DB, from, to int64) (shown []int64, err error) {
	shown, err = eachShowing(tx, from, func(part []int64) error {
		if err := tx.Model(&faceRow{}).Where("image_id IN ? AND best_person_id = ?", part, from).UpdateColumn("best_person_id", to).Error; err != nil {
			return err
		}
		return tx.Model(&imageRow{}).Where("id IN ? AND person = ?", part, from).UpdateColumn("person", to).Error
	})
	if err != nil {
		return nil, err
	}
	if err := tx.Model(&faceRow{}).Where("second_person_id = ?", from).UpdateColumn("second_person_id", to).Error; err != nil {
		return nil, err
	}
	err = tx.Model(&faceRow{}).Where("best_person_id = ? AND second_person_id = ?", to, to).UpdateColumns(map[string]any{
		"second_person_id": faces.NoPerson, "second_distance": 0, "second_image": "", "second_parts": "",
	}).Error
	if err != nil {
		return nil, err
	}
	return shown, refreshCertaintyNear(tx, to)
}

// removeAndRename deletes the row of the person who goes, whose name is free from
// then on, and gives the one who stays a name.
func removeAndRename(tx *gorm.DB, goes, stays personRow, name string) error {
	if err := tx.Delete(&personRow{ID: goes.ID}).Error; err != nil {
		return err
	}
	if err := keepFolder(tx, goes.Name, goes.ID); err != nil {
		return err
	}
	columns := map[string]any{}
	if name != "" && name != stays.Name {
		if err := checkNameIsFree(tx, name, stays.ID); err != nil {
			return err
		}
		if err := keepFolder(tx, stays.Name, stays.ID); err != nil {
			return err
		}
		columns["name"] = name
	}
	return touchPerson(tx, stays.ID, columns)
}

// Merges returns the merges into a person, newest first.
func (s *Store) Merges(ctx context.Context, person int64) ([]faces.Merge, error) {
	var rows []mergeRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("person_id = ?", person).Order("id DESC").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list the merges of person %d: %w", person, err)
	}
	list := make([]faces.Merge, len(rows))
	for i, r := range rows {
		if list[i], err = r.merge(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// UndoMerge makes two people of one again: the known pictures and corrections
// that were the merged person's are theirs again, if they are still there, and so
// are the answers that follow from these pictures. The other answers follow with
// the next re-match. Undoing an undone merge is an error with CodeConflict.
func (s *Store) UndoMerge(ctx context.Context, id int64) (m faces.Merge, p faces.Profile, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		row, err := undoMerge(tx, id, s.now())
		if err != nil {
			return err
		}
		if err := s.auditIDs(tx, access.MergeUndone, "merge", id); err != nil {
			return err
		}
		if m, err = row.merge(); err != nil {
			return err
		}
		p, err = profileOf(tx, row.MergedID)
		return err
	})
	return m, p, wrap(err, fmt.Sprintf("undo merge %d", id))
}

func undoMerge(tx *gorm.DB, id int64, now time.Time) (mergeRow, error) {
	if err := serialize(tx); err != nil {
		return mergeRow{}, err
	}
	row, err := oneRow[mergeRow](tx.Where("id = ?", id), "merge", id)
	if faces.ErrorCode(err) == faces.CodeMissing {
		err = faces.Errorf(faces.CodeMissing, "there is no merge %d; a merge of somebody who was deleted or erased cannot be undone", id)
	}
	if err != nil {
		return row, err
	}
	if row.UndoneAt != nil {
		return row, faces.Errorf(faces.CodeConflict, "merge %d is undone already", id)
	}
	stays, err := lockPerson(tx, row.PersonID, faces.AnyVersion)
	if err != nil {
		return row, err
	}
	if err := bringBack(tx, stays, row, now); err != nil {
		return row, err
	}
	if err := addPersonEvent(tx, faces.PersonMergeUndo, row.PersonID, row.MergedID, now); err != nil {
		return row, err
	}
	if stays.Name == row.NewName && stays.Name != row.PersonName { // as bringBack does
		if err := addPersonEvent(tx, faces.PersonRenamed, row.PersonID, 0, now); err != nil {
			return row, err
		}
	}
	shown, err := giveBack(tx, row, now)
	if err != nil {
		return row, err
	}
	if err := sweepAgain(tx, []int64{row.PersonID, row.MergedID}, now); err != nil {
		return row, err
	}
	back, err := stillShowing(tx, shown, row.MergedID)
	if err != nil {
		return row, err
	}
	if err := addChangedNow(tx, back, faces.ByMerge, now); err != nil {
		return row, err
	}
	row.UndoneAt = &now
	return row, tx.Model(&mergeRow{}).Where("id = ?", id).UpdateColumn("undone_at", now).Error
}

// bringBack adds the row of the merged person, with their id. If the merge
// changed the name of the one who stayed, that changes back, unless somebody
// chose another one since.
func bringBack(tx *gorm.DB, stays personRow, row mergeRow, now time.Time) error {
	columns := map[string]any{}
	if stays.Name == row.NewName && stays.Name != row.PersonName {
		if err := checkNameIsFree(tx, row.PersonName, stays.ID); err != nil {
			return err
		}
		columns["name"] = row.PersonName
	}
	if err := touchPerson(tx, stays.ID, columns); err != nil {
		return err
	}
	if err := checkNameIsFree(tx, row.MergedName, row.MergedID); err != nil {
		return err
	}
	return tx.Create(&personRow{
		ID: row.MergedID, Name: row.MergedName, Hidden: row.MergedHidden, CoverID: row.MergedCoverID,
		Version: now.UnixMilli(), // nobody has seen this one before
	}).Error
}

// giveBack gives the merged person back what was theirs, and returns the images whose
// answers were looked at.
func giveBack(tx *gorm.DB, row mergeRow, now time.Time) (shown []int64, err error) {
	known, err := decodeIDs(row.KnownImages)
	if err != nil {
		return nil, err
	}
	if err := giveRows(tx, "person_images", known, row.PersonID, row.MergedID, nil); err != nil {
		return nil, err
	}
	corrections, err := decodeIDs(row.Corrections)
	if err != nil {
		return nil, err
	}
	changed := map[string]any{"changed_at": now, "pending": true}
	if err := giveRows(tx, "corrections", corrections, row.PersonID, row.MergedID, changed); err != nil {
		return nil, err
	}
	return giveAnswersBack(tx, known, row)
}

// giveAnswersBack gives the answers that follow from known pictures to the person
// who owns these pictures again.
func giveAnswersBack(tx *gorm.DB, known []int64, row mergeRow) (shown []int64, err error) {
	shown, err = eachShowing(tx, row.PersonID, func(images []int64) error {
		err := eachPicture(tx, known, row, func(pictures *gorm.DB) error {
			return tx.Model(&faceRow{}).Where("image_id IN ? AND best_person_id = ? AND matched_image IN (?)", images, row.PersonID, pictures).
				UpdateColumn("best_person_id", row.MergedID).Error
		})
		if err != nil {
			return err
		}
		// The image shows its best identified face; only images of the one who stayed
		// can have changed.
		return refreshPersonOfImages(tx, "images.id IN ? AND images.person = ?", images, row.PersonID)
	})
	if err != nil {
		return nil, err
	}
	err = eachPicture(tx, known, row, func(pictures *gorm.DB) error {
		return tx.Model(&faceRow{}).Where("second_person_id = ? AND second_image IN (?)", row.PersonID, pictures).
			UpdateColumn("second_person_id", row.MergedID).Error
	})
	if err != nil {
		return nil, err
	}
	return shown, refreshCertaintyNear(tx, row.PersonID, row.MergedID)
}

// eachPicture calls give with queries that select the names of those known pictures
// that are the merged person's again.
func eachPicture(tx *gorm.DB, known []int64, row mergeRow, give func(pictures *gorm.DB) error) error {
	for part := range chunks(known) {
		if err := give(tx.Model(&knownImageRow{}).Select("image_name").Where("id IN ? AND person_id = ?", part, row.MergedID)); err != nil {
			return err
		}
	}
	return nil
}

// refreshPersonOfImages sets the person of images to that of the best identified
// face, or to nobody. The order is that of faces.Conclude.
func refreshPersonOfImages(tx *gorm.DB, where string, args ...any) error {
	best := gorm.Expr("COALESCE((SELECT best_person_id FROM faces WHERE faces.image_id = images.id AND faces.reason = ? "+
		"ORDER BY CASE WHEN faces.corrected = ? THEN 0 ELSE 1 END, faces.best_distance, faces.position LIMIT 1), -1)",
		faces.Identified, history.Confirmed)
	return tx.Model(&imageRow{}).Where(where, args...).UpdateColumn("person", best).Error
}

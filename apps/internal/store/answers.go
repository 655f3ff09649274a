package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// storedFaceColumns are the columns of a StoredFace, in the order that queryFaces
// scans them.
const storedFaceColumns = "id, image_id, x, y, width, height, model, gallery, reason, corrected, " +
	"best_person_id, best_distance, matched_image, best_parts, second_person_id, second_distance, second_image, second_parts, " +
	"quality_score, quality_size, quality_sharpness, quality_yaw, quality_roll, quality_detection, quality_cut_off, " +
	"descriptor, descriptor_rest"

// queryFaces reads faces without GORM, which would be too slow for a re-match: it
// reads all stored faces.
func queryFaces(tx *gorm.DB, where string, args ...any) ([]history.StoredFace, error) {
	rows, err := tx.Raw("SELECT "+storedFaceColumns+" FROM faces WHERE "+where, args...).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []history.StoredFace
	names := interner{}
	var model, gallery, reason, best, second, descriptor, rest sql.RawBytes
	for rows.Next() {
		var f history.StoredFace
		err := rows.Scan(&f.ID, &f.ImageID, &f.Box.X, &f.Box.Y, &f.Box.Width, &f.Box.Height, &model, &gallery, &reason,
			&f.Corrected, &f.BestPerson, &f.BestDistance, &best, &f.BestParts,
			&f.SecondPerson, &f.SecondDistance, &second, &f.SecondParts,
			&f.Quality.Score, &f.Quality.Size, &f.Quality.Sharpness, &f.Quality.Yaw, &f.Quality.Roll, &f.Quality.Detection, &f.Quality.CutOff,
			&descriptor, &rest)
		if err != nil {
			return nil, err
		}
		f.Model, f.Gallery, f.Reason = names.of(model), names.of(gallery), faces.Reason(names.of(reason))
		f.BestImage, f.SecondImage = names.of(best), names.of(second)
		f.Descriptor = slices.Concat(descriptor, rest)
		list = append(list, f)
	}
	return list, rows.Err()
}

// interner returns the same string for equal texts, to save memory.
type interner map[string]string

func (in interner) of(b []byte) string {
	if s, ok := in[string(b)]; ok {
		return s
	}
	s := string(b)
	in[s] = s
	return s
}

// ImagesWithFaces returns the images that exist, ordered by id.
func (s *Store) ImagesWithFaces(ctx context.Context, ids []int64) ([]history.StoredImage, error) {
	var list []history.StoredImage
	err := s.read(ctx, func(tx *gorm.DB) error {
		list = nil
		for part := range chunks(ids) {
			found, err := readAnswers(tx, part)
			if err != nil {
				return err
			}
			list = append(list, found...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %d image(s) with their faces: %w", len(ids), err)
	}
	return list, nil
}

func readAnswers(tx *gorm.DB, ids []int64) ([]history.StoredImage, error) {
	var rows []imageRow
	if err := tx.Select("id", "status", "reason", "person").Where("id IN ?", ids).Order("id").Find(&rows).Error; err != nil {
		return nil, err
	}
	found, err := queryFaces(tx, "image_id IN ? ORDER BY image_id, position", ids)
	if err != nil {
		return nil, err
	}
	byImage := make(map[int64][]history.StoredFace, len(rows))
	for _, f := range found {
		byImage[f.ImageID] = append(byImage[f.ImageID], f)
	}
	list := make([]history.StoredImage, len(rows))
	for i, r := range rows {
		img := r.image()
		list[i] = history.StoredImage{ID: r.ID, Faces: byImage[r.ID], Waits: !img.Reason.IsAnswer()}
		list[i].Answer = history.ImageAnswer{Reason: img.Reason, Person: faces.NoPerson}
		if img.Person != nil {
			list[i].Answer.Person = img.Person.ID
		}
		for _, f := range list[i].Faces {
			list[i].Answer.Faces = append(list[i].Answer.Faces, f.FaceAnswer)
		}
		history.SortFaces(list[i].Answer.Faces)
	}
	return list, nil
}

// compareAndSet locks the images and writes the changes of those that are still
// equal to Before, including their faces. It returns the changes that it wrote,
// and the ids of images that it skipped because somebody else changed them
// meanwhile, or because they would show somebody who is gone.
func (s *Store) compareAndSet(tx *gorm.DB, changes []history.Change, now time.Time) (done []history.Change, skipped []int64, err error) {
	changes, skipped, err = s.splitGone(tx, changes)
	if err != nil {
		return nil, nil, err
	}
	changes = slices.SortedFunc(slices.Values(changes), func(a, b history.Change) int { return int(a.ImageID - b.ImageID) })
	for part := range chunks(changes) {
		ids := make([]int64, len(part))
		for i, c := range part {
			ids[i] = c.ImageID
		}
		if err := lockImages(tx, ids); err != nil {
			return nil, nil, err
		}
		current, err := readAnswers(tx, ids)
		if err != nil {
			return nil, nil, err
		}
		unchanged, changed := splitChanges(part, current)
		if err := writeAnswers(tx, unchanged, now); err != nil {
			return nil, nil, err
		}
		if err := addChangeEvents(tx, unchanged, faces.ByRematch, now); err != nil {
			return nil, nil, err
		}
		done, skipped = append(done, unchanged...), append(skipped, changed...)
	}
	return done, skipped, nil
}

// splitChanges returns the changes whose images are still equal to Before, and the
// ids of images that have changed. Images that are equal to After are in neither:
// an earlier step of the same job has written them.
func splitChanges(changes []history.Change, current []history.StoredImage) (unchanged []history.Change, changed []int64) {
	byID := make(map[int64]history.StoredImage, len(current))
	for _, img := range current {
		byID[img.ID] = img
	}
	for _, c := range changes {
		img, ok := byID[c.ImageID]
		switch {
		case ok && !img.Waits && img.Answer.Equal(c.Before):
			unchanged = append(unchanged, c)
		case ok && !img.Waits && img.Answer.Equal(c.After):
		default:
			changed = append(changed, c.ImageID)
		}
	}
	return unchanged, changed
}

// writeAnswers writes changes of locked images. It writes only rows that differ.
func writeAnswers(tx *gorm.DB, changes []history.Change, now time.Time) error {
	var images, found [][]any
	var ids, uncertain, decided []int64
	for _, c := range changes {
		a := c.After
		if a.Reason == faces.Uncertain {
			uncertain = append(uncertain, c.ImageID)
		}
		if a.Reason != c.Before.Reason || a.Person != c.Before.Person || c.Visible() {
			images = append(images, []any{c.ImageID, int(a.Reason.Status()), a.Reason, a.Person, now})
			ids = append(ids, c.ImageID)
		}
		for i, f := range a.Faces {
			if i < len(c.Before.Faces) && c.Before.Faces[i] == f {
				continue
			}
			if i < len(c.Before.Faces) && mayBeGrouped(c.Before.Faces[i].Reason) && !mayBeGrouped(f.Reason) {
				decided = append(decided, f.ID)
			}
			found = append(found, []any{
				f.ID, f.Reason, f.Corrected, f.BestPerson, f.BestDistance, f.BestImage, f.BestParts,
				f.SecondPerson, f.SecondDistance, f.SecondImage, f.SecondParts,
			})
		}
	}
	if err := updateMany(tx, "images", []string{"id", "status", "reason", "person", "updated_at"}, images); err != nil {
		return err
	}
	// Older releases kept the names of people in detail.
	for part := range chunks(ids) {
		err := tx.Model(&imageRow{}).Where("id IN ? AND detail <> warning", part).UpdateColumn("detail", gorm.Expr("warning")).Error
		if err != nil {
			return err
		}
	}
	err := updateMany(tx, "faces", []string{
		"id", "reason", "corrected", "best_person_id", "best_distance", "matched_image", "best_parts",
		"second_person_id", "second_distance", "second_image", "second_parts",
	}, found)
	if err != nil {
		return err
	}
	if err := leaveGroups(tx, decided); err != nil {
		return err
	}
	return refreshCertainty(tx, uncertain)
}

// updateMany updates many rows of a table in few statements. The id is the first column.
//
// A join with a list of values would do the same, but Vitess cannot tell from it which shards
// have the rows.
func updateMany(tx *gorm.DB, table string, columns []string, rows [][]any) error {
	for part := range slices.Chunk(rows, updatedAtOnce) {
		ids := make([]any, len(part))
		for i, r := range part {
			ids[i] = r[0]
		}
		set := make(map[string]any, len(columns)-1)
		for i, c := range columns[1:] {
			set[c] = caseByID(part, func(r []any) (id, value any) { return r[0], r[i+1] })
		}
		if err := tx.Table(table).Where("id IN ?", ids).UpdateColumns(set).Error; err != nil {
			return err
		}
	}
	return nil
}

// updatedAtOnce is the number of rows in a statement of updateMany. The database looks for
// each value in a list of all ids of the statement, so the work grows with its square.
const updatedAtOnce = 50

// caseByID returns an expression with the value of a column for each row.
func caseByID[T any](rows []T, of func(T) (id, value any)) clause.Expr {
	sql := strings.Builder{}
	sql.WriteString("CASE id")
	vars := make([]any, 0, 2*len(rows))
	for _, r := range rows {
		sql.WriteString(" WHEN ? THEN ?")
		id, value := of(r)
		vars = append(vars, id, value)
	}
	sql.WriteString(" END")
	return gorm.Expr(sql.String(), vars...)
}

func placeholders(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// SetAnswers writes decisions that do not belong to a job: for images that were
// answered with older known people, and for corrected images. It sets the gallery
// of the faces in caughtUp. It returns the ids of images that it skipped because
// they had changed meanwhile.
func (s *Store) SetAnswers(ctx context.Context, token int64, changes []history.Change, caughtUp []int64, gallery string) (skipped []int64, err error) {
	err = s.rematchTx(ctx, token, func(tx *gorm.DB) error {
		err := s.checkConsents(tx, changes)
		if err != nil {
			return err
		}
		if _, skipped, err = s.compareAndSet(tx, changes, s.now()); err != nil {
			return err
		}
		return setGallery(tx, caughtUp, gallery)
	})
	return skipped, wrap(err, fmt.Sprintf("change the answers of %d image(s)", len(changes)))
}

func setGallery(tx *gorm.DB, ids []int64, gallery string) error {
	for part := range chunks(ids) {
		if err := tx.Model(&faceRow{}).Where("id IN ?", part).UpdateColumn("gallery", gallery).Error; err != nil {
			return err
		}
	}
	return nil
}

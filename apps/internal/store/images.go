package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// chunk is the largest number of rows per statement. It stays far below the
// 32,766 and 65,535 placeholders that SQLite and MySQL allow, and is large enough
// to make the cost of the round trip small.
const chunk = 500

// AddImages ensures that each path has a row. It returns one image per path in the
// order given; equal paths get the same image. A path that was posted before keeps
// its row and its outcome. On error, no row was added.
func (s *Store) AddImages(ctx context.Context, paths []string) ([]faces.Image, error) {
	return s.AddUploads(ctx, paths, nil)
}

// AddUploads is AddImages for uploaded files. names has the name of the file of each
// path. An image keeps the first name that it gets.
func (s *Store) AddUploads(ctx context.Context, paths, names []string) ([]faces.Image, error) {
	return s.AddTraced(ctx, paths, names, nil)
}

// AddTraced is AddUploads for paths of which some belong to traces. traces has the W3C
// traceparent of each path, or "". A new row keeps it until it has an outcome.
func (s *Store) AddTraced(ctx context.Context, paths, names, traces []string) ([]faces.Image, error) {
	more := extras{names: byPathOf(paths, names), traces: byPathOf(paths, traces)}
	byPath := make(map[string]faces.Image, len(paths))
	once := unique(paths)
	for _, p := range once {
		if err := faces.CheckPath(p); err != nil {
			return nil, err
		}
	}
	add := func(tx *gorm.DB) error {
		clear(byPath) // of rows that were rolled back
		for part := range chunks(once) {
			if err := s.addAll(tx, part, more, byPath); err != nil {
				return err
			}
		}
		return nil
	}
	var err error
	if len(once) <= chunk && len(names) == 0 {
		err = s.addFew(ctx, once, more, byPath)
	} else {
		err = s.tx(ctx, add)
	}
	if err != nil {
		return nil, fmt.Errorf("store %d image(s): %w", len(once), err)
	}
	images := make([]faces.Image, len(paths))
	for i, p := range paths {
		images[i] = byPath[p]
	}
	return images, nil
}

// extras is what new images have beside their paths, by path.
type extras struct{ names, traces map[string]string }

// byPathOf returns the first value of each path that is not empty. No values are nil.
func byPathOf(paths, values []string) map[string]string {
	if len(values) == 0 {
		return nil
	}
	of := make(map[string]string, len(values))
	for i, v := range values {
		of[paths[i]] = cmp.Or(of[paths[i]], v)
	}
	return of
}

// addTries is how often a path may be deleted by others between its insertion and its
// reading.
const addTries = 10

// addAll adds paths until each has a row.
func (s *Store) addAll(tx *gorm.DB, paths []string, more extras, byPath map[string]faces.Image) error {
	for range addTries {
		if err := s.addChunk(tx, paths, more, byPath); err != nil {
			return err
		}
		paths = slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return byPath[p].ID != 0 })
		if len(paths) == 0 {
			return nil
		}
	}
	return faces.Errorf(faces.CodeUnavailable, "%d image(s) are deleted again and again while they are posted; try again in a moment", len(paths))
}

// addChunk reads before it inserts: most paths of a repeated post exist, and
// reading does not lock rows that processors write.
func (s *Store) addChunk(tx *gorm.DB, paths []string, more extras, byPath map[string]faces.Image) error {
	if err := findMany(tx, paths, byPath); err != nil {
		return err
	}
	if err := nameFiles(tx, paths, more.names, byPath); err != nil {
		return err
	}
	return s.insertMissing(tx, paths, more, byPath)
}

// insertMissing adds those of the paths that byPath does not have.
func (s *Store) insertMissing(tx *gorm.DB, paths []string, more extras, byPath map[string]faces.Image) error {
	rows := s.newRows(paths, more, byPath)
	if len(rows) == 0 {
		return nil
	}
	done, err := insertNew(tx, rows)
	if err == nil {
		return s.readNew(tx, done, rows, byPath)
	}
	if !errors.Is(err, errTaken) {
		return err
	}
	// Another program has inserted some of the paths at the same time. Its rows are as
	// good, so read them.
	taken, err := insertEach(tx, rows, byPath)
	if err != nil || len(taken) == 0 {
		return err
	}
	return findByPath(tx, taken, byPath)
}

// nameFiles gives their names to images that were stored without one.
func nameFiles(tx *gorm.DB, paths []string, nameOf map[string]string, byPath map[string]faces.Image) error {
	for _, p := range paths {
		img, known := byPath[p]
		if !known || img.FileName != "" || nameOf[p] == "" {
			continue
		}
		if err := tx.Model(&imageRow{}).Where("id = ? AND file_name = ''", img.ID).UpdateColumn("file_name", nameOf[p]).Error; err != nil {
			return err
		}
		img.FileName = nameOf[p]
		byPath[p] = img
	}
	return nil
}

func findByPath(tx *gorm.DB, paths []string, byPath map[string]faces.Image) error {
	var rows []imageRow
	if err := withPerson(tx).Where("images.path IN ? AND images.dedup = 0", paths).Find(&rows).Error; err != nil {
		return err
	}
	images, err := withFaces(tx, rows)
	for _, img := range images {
		byPath[img.Path] = img
	}
	return err
}

// HasOutcomes reports whether an image has an outcome that no service caused: somebody
// has seen its picture, or that there is none.
func (s *Store) HasOutcomes(ctx context.Context) (bool, error) {
	reasons := faces.ReasonsWhere(faces.Reason.IsOutcome)
	statuses := []int{int(faces.Pending), int(faces.Processed), int(faces.Failed)}
	var ids []int64
	err := s.retry(ctx, func(tx *gorm.DB) error { // not read: a replica could be behind
		ids = nil
		return tx.Model(&imageRow{}).Where("status IN ? AND reason IN ?", statuses, reasons).Limit(1).Pluck("id", &ids).Error
	})
	return len(ids) > 0, wrap(err, "look for an image with an outcome")
}

// Image returns one image with its faces, or an error with CodeMissing.
func (s *Store) Image(ctx context.Context, id int64) (faces.Image, error) {
	var img faces.Image
	err := s.snapshot(ctx, func(tx *gorm.DB) (err error) {
		if img, err = readImage(tx, id); err != nil {
			return err
		}
		img.Rescan, err = rescanOf(tx, img)
		return err
	})
	if err != nil {
		return faces.Image{}, fmt.Errorf("read image %d: %w", id, err)
	}
	return img, nil
}

// readImage returns one image with its faces and its version.
func readImage(tx *gorm.DB, id int64) (faces.Image, error) {
	row, err := oneRow[imageRow](withPerson(tx).Where("images.id = ?", id), "image", id)
	if err != nil {
		return faces.Image{}, err
	}
	img := row.image()
	if img.Faces, err = facesOf(tx, id); err != nil {
		return img, err
	}
	said, err := correctionsOf(tx, []int64{id}, true)
	if err != nil {
		return img, err
	}
	img.Version = faces.VersionOf(img, said)
	if len(img.Faces) == 0 {
		return img, nil
	}
	models, err := modelsByID(tx)
	img.Rule = models[img.Model]
	return img, err
}

const joinPerson = "LEFT JOIN person ON person.id = images.person"

func withPerson(tx *gorm.DB) *gorm.DB {
	return tx.Model(&imageRow{}).Select("images.*, person.name AS person_name").Joins(joinPerson)
}

// withFaces returns the images of rows with the decisions about their faces. It
// needs the same few queries for one image as for a page.
func withFaces(tx *gorm.DB, rows []imageRow) ([]faces.Image, error) {
	images := make([]faces.Image, len(rows))
	var answered []int64
	for i, r := range rows {
		images[i] = r.image()
		if images[i].Reason.IsAnswer() {
			answered = append(answered, r.ID)
		}
	}
	if len(answered) == 0 {
		return images, nil
	}
	models, err := modelsByID(tx)
	if err != nil {
		return nil, err
	}
	decided, err := decidedFaces(tx, answered)
	if err != nil {
		return nil, err
	}
	for i := range images {
		if list := decided[images[i].ID]; len(list) > 0 {
			images[i].Faces, images[i].Rule = list, models[images[i].Model]
		}
	}
	return images, nil
}

// decidedColumns are the columns that faceRow.decided reads.
const decidedColumns = "faces.id, faces.image_id, faces.x, faces.y, faces.width, faces.height, faces.model, faces.gallery, faces.reason, faces.drawn, " +
	"faces.corrected, faces.best_person_id, faces.best_distance, faces.matched_image, faces.best_parts, " +
	"faces.second_person_id, faces.second_distance, faces.second_image, faces.second_parts, " +
	"faces.quality_score, faces.quality_size, faces.quality_sharpness, faces.quality_yaw, faces.quality_roll, " +
	"faces.quality_detection, faces.quality_cut_off"

func withPeopleOfFace(tx *gorm.DB, columns string) *gorm.DB {
	return tx.Model(&faceRow{}).Select(columns + ", best.name AS best_name, second.name AS second_name").
		Joins("LEFT JOIN person AS best ON best.id = faces.best_person_id").
		Joins("LEFT JOIN person AS second ON second.id = faces.second_person_id")
}

// decidedFaces returns the faces of images, without landmarks and descriptors.
func decidedFaces(tx *gorm.DB, imageIDs []int64) (map[int64][]faces.Face, error) {
	byImage := map[int64][]faces.Face{}
	for part := range chunks(imageIDs) {
		var rows []faceRow
		err := withPeopleOfFace(tx, decidedColumns).Where("image_id IN ?", part).Order("image_id, position").Find(&rows).Error
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			byImage[r.ImageID] = append(byImage[r.ImageID], r.decided())
		}
	}
	return byImage, nil
}

func facesOf(tx *gorm.DB, imageID int64) ([]faces.Face, error) {
	var rows []faceRow
	err := withPeopleOfFace(tx, "faces.*").Where("image_id = ?", imageID).Order("position").Find(&rows).Error
	if err != nil {
		return nil, err
	}
	found := make([]faces.Face, len(rows))
	for i, r := range rows {
		if found[i], err = r.face(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// withLimit limits the number of rows. 0 means no limit.
func withLimit(q *gorm.DB, n int) *gorm.DB {
	if n <= 0 {
		return q
	}
	return q.Limit(n)
}

// whereShown selects the images that show one of the reasons (see
// faces.ShownReason): the default reason of a status is also that of rows whose
// reason belongs to another status.
func whereShown(q *gorm.DB, shown ...faces.Reason) *gorm.DB {
	var conditions []string
	var args []any
	for _, r := range shown {
		status := r.Status()
		if faces.ShownReason(status, faces.NoReason) != r {
			conditions = append(conditions, "(images.status = ? AND images.reason = ?)")
			args = append(args, int(status), string(r))
			continue
		}
		others := faces.ReasonsWhere(func(o faces.Reason) bool { return o != r && o.Status() == status })
		others = append(others, "-") // of a list that could be empty
		conditions = append(conditions, "(images.status = ? AND images.reason NOT IN ?)")
		args = append(args, int(status), others)
	}
	return q.Where("("+strings.Join(conditions, " OR ")+")", args...)
}

// Count is the number of images that show a reason.
type Count struct {
	Status faces.Status
	Reason faces.Reason
	Images int64
}

// CountImages counts the images by outcome.
func (s *Store) CountImages(ctx context.Context) ([]Count, error) {
	var rows []struct {
		Status int
		Reason string
		Images int64
	}
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Model(&imageRow{}).Select("status, reason, COUNT(*) AS images").
			Group("status, reason").Order("status, reason").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("count images: %w", err)
	}
	var counts []Count
	at := make(map[[2]any]int)
	for _, r := range rows {
		status := faces.Status(r.Status)
		reason := faces.ShownReason(status, faces.Reason(r.Reason))
		key := [2]any{status, reason}
		if i, ok := at[key]; ok {
			counts[i].Images += r.Images
			continue
		}
		at[key] = len(counts)
		counts = append(counts, Count{Status: status, Reason: reason, Images: r.Images})
	}
	return counts, nil
}

// MarkPublished stores when the ids were published to the queue.
func (s *Store) MarkPublished(ctx context.Context, ids []int64, at time.Time) error {
	at = at.UTC().Truncate(time.Microsecond)
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	err := s.retry(ctx, func(tx *gorm.DB) error {
		for part := range chunks(ids) {
			which, of := inRuns("id", part)
			if err := tx.Model(&imageRow{}).Where(which, of...).UpdateColumn("published_at", at).Error; err != nil {
				return err
			}
			which, of = inRuns("image_id", part)
			err := tx.Model(&imageRescanRow{}).Where("state = ?", rescanWaits).Where(which, of...).UpdateColumn("published_at", at).Error
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("mark %d image(s) as published: %w", len(ids), err)
	}
	return nil
}

// inRuns returns a condition for a column to have one of the ids, which ascend. Ids that
// follow each other are one range: a database finds a range faster than each of its ids.
// The others are a list, from which Vitess can tell their shards.
func inRuns(column string, ids []int64) (condition string, values []any) {
	var conditions []string
	var alone []int64
	for len(ids) > 0 {
		n := 1
		for n < len(ids) && ids[n] == ids[0]+int64(n) {
			n++
		}
		if n == 1 {
			alone = append(alone, ids[0])
		} else {
			conditions = append(conditions, column+" BETWEEN ? AND ?")
			values = append(values, ids[0], ids[n-1])
		}
		ids = ids[n:]
	}
	if len(alone) > 0 {
		conditions = append(conditions, column+" IN ?")
		values = append(values, alone)
	}
	return "(" + strings.Join(conditions, " OR ") + ")", values
}

// Unpublished returns ids larger than after, in ascending order, of images that
// wait for processing or a rescan, were never published to the queue, and have not
// changed since before.
func (s *Store) Unpublished(ctx context.Context, after int64, before time.Time, limit int) ([]int64, error) {
	return s.unpublished(ctx, after, "updated_at <= ?", before, limit)
}

// unpublished lists images for Unpublished and NeverQueued. condition selects the
// images that are old enough at a time.
func (s *Store) unpublished(ctx context.Context, after int64, condition string, before time.Time, limit int) ([]int64, error) {
	var ids []int64
	err := s.read(ctx, func(tx *gorm.DB) error {
		ids = nil
		q := whereShown(tx.Model(&imageRow{}), faces.Queued).
			Where("published_at IS NULL AND id > ?", after).Where(condition, before.UTC())
		if err := withLimit(q, limit).Order("id").Pluck("id", &ids).Error; err != nil {
			return err
		}
		again, err := waitingRescans(tx, after, limit, "published_at IS NULL AND updated_at <= ?", before.UTC())
		ids = mergeIDs(ids, again, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list unpublished images: %w", err)
	}
	return ids, nil
}

// unique returns the values without duplicates, in the order of their first
// occurrence.
func unique[T comparable](list []T) []T {
	seen := make(map[T]bool, len(list))
	var once []T
	for _, v := range list {
		if !seen[v] {
			seen[v] = true
			once = append(once, v)
		}
	}
	return once
}

// chunks yields the list in parts of at most chunk elements.
func chunks[T any](list []T) func(yield func([]T) bool) {
	return func(yield func([]T) bool) {
		for len(list) > 0 {
			n := min(chunk, len(list))
			if !yield(list[:n]) {
				return
			}
			list = list[n:]
		}
	}
}

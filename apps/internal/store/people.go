package store

import (
	"context"
	"fmt"
	"sort"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// People returns everybody, by name.
func (s *Store) People(ctx context.Context) ([]faces.Person, error) {
	var rows []personRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Order("name, id").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	people := make([]faces.Person, len(rows))
	for i, r := range rows {
		people[i] = faces.Person{ID: r.ID, Name: r.Name}
	}
	return people, nil
}

// KnownImages returns every known image that has a name, ordered by id. An image
// may be listed for several people.
func (s *Store) KnownImages(ctx context.Context) ([]faces.KnownImage, error) {
	var rows []knownImageRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Where("image_name IS NOT NULL AND source <> ?", faces.SourceRemoved).Order("id").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list known images: %w", err)
	}
	images := make([]faces.KnownImage, len(rows))
	for i, r := range rows {
		images[i] = faces.KnownImage{ID: r.ID, Name: r.ImageName, PersonID: r.PersonID}
	}
	return images, nil
}

// Owners returns the owners of known images by image name. Images without an owner
// are left out. An image that is listed for several people belongs to the first.
func (s *Store) Owners(ctx context.Context, images []string) (map[string]faces.Person, error) {
	owners := make(map[string]faces.Person, len(images))
	condition, now := s.matchable()
	err := s.read(ctx, func(tx *gorm.DB) error {
		for part := range chunks(unique(images)) {
			var rows []struct {
				ImageName string
				ID        int64
				Name      string
				Matchable bool
			}
			err := tx.Model(&knownImageRow{}).
				Select("person_images.image_name, person.id, person.name, ("+condition+") AS matchable", now, now).
				Joins("JOIN person ON person.id = person_images.person_id").
				Where("person_images.image_name IN ?", part).
				Order("person_images.id DESC").Find(&rows).Error
			if err != nil {
				return err
			}
			for _, r := range rows {
				if owners[r.ImageName] = (faces.Person{ID: r.ID, Name: r.Name}); !r.Matchable {
					delete(owners, r.ImageName)
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find the people of %d known image(s): %w", len(images), err)
	}
	return owners, nil
}

// Enrolment is what SyncKnownImages changed.
type Enrolment struct {
	PeopleAdded   []string
	ImagesAdded   []string
	ImagesRemoved []string
	ImagesMoved   []string // assigned to another person
	NamesJoined   []string // taken for a person whose name differs in upper and lower case only
	NamesGone     []string // of people who were deleted: their folders are passed over
	FoldersErased int      // of people who were erased: they are passed over, too
}

// SyncKnownImages makes the known images for which managed returns true equal to
// wanted (image name → person's name). It adds people and images, moves images to
// other people, and removes images that are not wanted. What the API changed
// stays: the folder of a person who was renamed, merged or deleted (person_folders),
// and single images (faces.EnrolSource). It never removes people, because answers
// name them.
func (s *Store) SyncKnownImages(ctx context.Context, wanted map[string]string, managed func(image string) bool) (Enrolment, error) {
	var e Enrolment
	err := s.tx(ctx, func(tx *gorm.DB) error {
		e = Enrolment{}
		if err := serialize(tx); err != nil {
			return err
		}
		erased, err := erasedMarks(tx)
		if err != nil {
			return err
		}
		wanted := erased.without(wanted)
		ids, err := ensurePeople(tx, wanted, erased, s.now(), &e)
		if err != nil {
			return err
		}

		var rows []knownImageRow
		if err := tx.Where("image_name IS NOT NULL").Order("id").Find(&rows).Error; err != nil {
			return err
		}
		existing := make(map[string]bool, len(rows))
		for _, r := range rows {
			existing[r.ImageName] = true
			if err := syncKnownImage(tx, r, wanted, ids, managed, &e); err != nil {
				return err
			}
		}
		return addKnownImages(tx, wanted, ids, existing, &e)
	})
	if err != nil {
		return Enrolment{}, fmt.Errorf("enrol known people: %w", err)
	}
	return e, nil
}

// serialize makes transactions that call it run one after another. Otherwise two of
// them could add the same missing person twice.
func serialize(tx *gorm.DB) error {
	var versions []int
	err := tx.Table("schema_migrations").Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).
		Order("version").Limit(1).Pluck("version", &versions).Error
	if err != nil || len(versions) == 0 {
		return err
	}
	return holdRows(tx, "schema_migrations", "applied_at", "INTERVAL 1 SECOND", "version = ?", versions[0])
}

// ensurePeople returns the ids of all people in wanted, by name. It adds those who
// are missing. A name that differs from a person's only in case means that person:
// the folders of one person may be spelled in two ways.
func ensurePeople(tx *gorm.DB, wanted map[string]string, erased erasedNames, now time.Time, e *Enrolment) (map[string]int64, error) {
	var rows []personRow
	if err := tx.Find(&rows).Error; err != nil {
		return nil, err
	}
	folders, err := foldersOfPeople(tx)
	if err != nil {
		return nil, err
	}
	ids, people := map[string]int64{}, newRegistry(rows)
	for _, name := range sortedValues(wanted) {
		if _, ok := ids[name]; ok {
			continue
		}
		p, ok := people.find(name)
		if !ok {
			id, known := folders[cleanName(name)]
			if known && id == 0 {
				e.NamesGone = append(e.NamesGone, name)
				continue
			}
			p, ok = faces.Person{ID: id}, known
		}
		if !ok {
			if p, ok = people.similar(name); ok {
				e.NamesJoined = append(e.NamesJoined, fmt.Sprintf("%s (as %s)", name, p.Name))
			}
		}
		if !ok && erased.hasFolder(name) {
			e.FoldersErased++
			continue
		}
		if !ok {
			var err error
			if p, err = addPerson(tx, name); err != nil {
				return nil, err
			}
			if err := addPersonEvent(tx, faces.PersonCreated, p.ID, 0, now); err != nil {
				return nil, err
			}
			people.add(p)
			e.PeopleAdded = append(e.PeopleAdded, p.Name)
		}
		ids[name] = p.ID
	}
	return ids, nil
}

// foldersOfPeople returns whose the folders of changed people are, by name. See
// personFolderRow. The folder of somebody who was merged is that of the one who
// stayed, as long as the merge stands.
func foldersOfPeople(tx *gorm.DB) (map[string]int64, error) {
	var rows []personFolderRow
	if err := tx.Find(&rows).Error; err != nil {
		return nil, err
	}
	into, err := standingMerges(tx)
	if err != nil {
		return nil, err
	}
	folders := make(map[string]int64, len(rows))
	for _, r := range rows {
		folders[r.Name] = follow(into, r.PersonID)
	}
	return folders, nil
}

// standingMerges returns who was merged into whom.
func standingMerges(tx *gorm.DB) (map[int64]int64, error) {
	var rows []mergeRow
	if err := tx.Select("person_id", "merged_id").Where("undone_at IS NULL").Find(&rows).Error; err != nil {
		return nil, err
	}
	into := make(map[int64]int64, len(rows))
	for _, r := range rows {
		into[r.MergedID] = r.PersonID
	}
	return into, nil
}

// follow returns who somebody is now, after merges.
func follow(into map[int64]int64, person int64) int64 {
	for range len(into) {
		next, merged := into[person]
		if !merged {
			break
		}
		person = next
	}
	return person
}

func syncKnownImage(tx *gorm.DB, r knownImageRow, wanted map[string]string, ids map[string]int64,
	managed func(string) bool, e *Enrolment) error {
	name, want := wanted[r.ImageName]
	if want && ids[name] == 0 {
		want = false
	}
	switch {
	case r.Source != string(faces.SourceFolder):
		return nil
	case want && ids[name] != r.PersonID:
		e.ImagesMoved = append(e.ImagesMoved, r.ImageName)
		return tx.Model(&knownImageRow{}).Where("id = ?", r.ID).UpdateColumn("person_id", ids[name]).Error
	case !want && managed(r.ImageName):
		e.ImagesRemoved = append(e.ImagesRemoved, r.ImageName)
		return tx.Where("id = ?", r.ID).Delete(&knownImageRow{}).Error
	default:
		return nil
	}
}

func addKnownImages(tx *gorm.DB, wanted map[string]string, ids map[string]int64, existing map[string]bool, e *Enrolment) error {
	var rows []knownImageRow
	for _, image := range sortedKeys(wanted) {
		if !existing[image] && ids[wanted[image]] != 0 {
			rows = append(rows, knownImageRow{ImageName: image, PersonID: ids[wanted[image]], PublicID: newPublicID()})
			e.ImagesAdded = append(e.ImagesAdded, image)
		}
	}
	for part := range chunks(rows) {
		if err := tx.Create(&part).Error; err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func sortedValues(m map[string]string) []string {
	values := make([]string, 0, len(m))
	for _, v := range m {
		values = append(values, v)
	}
	sort.Strings(values)
	return values
}

// UseModel stores that a model set is in use, for the dashboard, and when it was
// first used.
func (s *Store) UseModel(ctx context.Context, m faces.Model) error {
	err := s.retry(ctx, func(tx *gorm.DB) error { return s.useModel(tx, m) })
	if err != nil {
		return fmt.Errorf("store the model set %s: %w", m.ID, err)
	}
	return nil
}

func (s *Store) useModel(tx *gorm.DB, m faces.Model) error {
	row := newModelRow(m, s.now())
	if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error; err != nil {
		return err
	}
	// Programs of release 0.1.0 do not set first_used.
	return tx.Table("models").Where("id = ? AND first_used IS NULL", m.ID).UpdateColumn("first_used", s.now()).Error
}

// ModelInUse returns the model set that was used last. ok is false if none was used
// yet.
func (s *Store) ModelInUse(ctx context.Context) (m faces.Model, ok bool, err error) {
	var rows []modelRow
	err = s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Order("last_used DESC, id").Limit(1).Find(&rows).Error
	})
	if err != nil {
		return m, false, fmt.Errorf("read the model set in use: %w", err)
	}
	if len(rows) == 0 {
		return m, false, nil
	}
	return rows[0].model(), true, nil
}

// Models returns the model sets that have answered, by id, with their current
// rules.
func (s *Store) Models(ctx context.Context) (models map[string]faces.Model, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		models, err = modelsByID(tx)
		return err
	})
	return models, wrap(err, "read the model sets")
}

// CountKnownPeople returns the number of people with known pictures. It stops
// counting at limit.
func (s *Store) CountKnownPeople(ctx context.Context, limit int) (int, error) {
	var n int
	condition, now := s.matchable()
	err := s.read(ctx, func(tx *gorm.DB) error {
		return tx.Raw("SELECT COUNT(*) FROM (SELECT DISTINCT person_images.person_id FROM person_images "+
			"JOIN person ON person.id = person_images.person_id WHERE "+condition+" LIMIT ?) AS people", now, now, limit).Scan(&n).Error
	})
	return n, wrap(err, "count the people with known pictures")
}

// modelsByID returns the model sets that have answered. The one in use has the
// deployment's threshold and margin.
func modelsByID(tx *gorm.DB) (map[string]faces.Model, error) {
	var rows []modelRow
	if err := tx.Find(&rows).Error; err != nil {
		return nil, err
	}
	models := map[string]faces.Model{}
	for _, r := range rows {
		models[r.ID] = r.model()
	}
	var states []rematchStateRow
	if err := tx.Where("id = 1 AND model <> ''").Find(&states).Error; err != nil {
		return nil, err
	}
	for _, r := range states { // the deployment's own numbers
		models[r.Model] = models[r.Model].WithRule(r.Threshold, r.Margin)
	}
	return models, nil
}

package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// PeopleFilter selects people. The zero value selects all who are not hidden.
type PeopleFilter struct {
	Name   string // exactly this name, however its letters are composed
	Query  string // part of the name, in upper or lower case (on SQLite, of A to Z)
	Hidden *bool  // nil: not the hidden ones
	All    bool   // hidden and not
	After  int64  // id of the last person of the page before
	Limit  int    // 0 is no limit
}

// profileRow is a person with the columns that a Profile needs.
type profileRow struct {
	PersonRow     personRow `gorm:"embedded"`
	KnownPictures int
	FirstPicture  int64 // the oldest row of person_images; 0 if there is none
	CoverOwner    int64 // the person of the row CoverID; 0 if there is none
}

func (r profileRow) profile() faces.Profile {
	who := r.PersonRow
	p := faces.Profile{
		Person:  faces.Person{ID: who.ID, Name: who.Name},
		Version: who.Version, Hidden: who.Hidden, KnownPictures: r.KnownPictures, Cover: r.FirstPicture,
	}
	if who.CoverID != 0 && r.CoverOwner == who.ID {
		p.Cover = who.CoverID
	}
	return p
}

func profiles(tx *gorm.DB) *gorm.DB {
	const known = "FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL"
	return tx.Table("person").Select("person.*, " +
		"(SELECT COUNT(*) " + known + ") AS known_pictures, " +
		"COALESCE((SELECT MIN(id) " + known + "), 0) AS first_picture, " +
		"COALESCE((SELECT cover.person_id FROM person_images AS cover WHERE cover.id = person.cover_id), 0) AS cover_owner")
}

// Profiles returns people by id.
func (s *Store) Profiles(ctx context.Context, f PeopleFilter) ([]faces.Profile, error) {
	var rows []profileRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		q := profiles(tx).Where("person.id > ?", f.After)
		if f.Name != "" {
			q = q.Where("person.name IN ?", spellings(f.Name))
		}
		if f.Query != "" {
			// SQLite's LOWER knows the letters from A to Z only.
			q = q.Where("INSTR(LOWER(person.name), LOWER(?)) > 0", cleanName(f.Query))
		}
		if !f.All {
			q = q.Where("person.hidden = ?", f.Hidden != nil && *f.Hidden)
		}
		return withLimit(q, f.Limit).Order("person.id").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	list := make([]faces.Profile, len(rows))
	for i, r := range rows {
		list[i] = r.profile()
	}
	return list, nil
}

// Profile returns one person, or an error with CodeMissing.
func (s *Store) Profile(ctx context.Context, id int64) (p faces.Profile, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		p, err = profileOf(tx, id)
		return err
	})
	return p, wrap(err, fmt.Sprintf("read person %d", id))
}

func profileOf(tx *gorm.DB, id int64) (faces.Profile, error) {
	row, err := oneRow[profileRow](profiles(tx).Where("person.id = ?", id), "person", id)
	return row.profile(), err
}

// AddPerson adds a person. A name that somebody has, or that differs from
// somebody's in upper and lower case only, is an error with CodeConflict.
func (s *Store) AddPerson(ctx context.Context, name string) (p faces.Profile, err error) {
	name = cleanName(name)
	if err := faces.CheckName(name); err != nil {
		return p, err
	}
	err = s.tx(ctx, func(tx *gorm.DB) error {
		if err := serialize(tx); err != nil {
			return err
		}
		if err := checkNameIsFree(tx, name, 0); err != nil {
			return err
		}
		added, err := addPerson(tx, name)
		if err != nil {
			return err
		}
		if err := s.personAdded(tx, added.ID); err != nil {
			return err
		}
		p, err = profileOf(tx, added.ID)
		return err
	})
	return p, wrap(err, "add a person")
}

// personAdded notes that somebody added a person.
func (s *Store) personAdded(tx *gorm.DB, id int64) error {
	if err := addPersonEvent(tx, faces.PersonCreated, id, 0, s.now()); err != nil {
		return err
	}
	return s.auditIDs(tx, access.PersonAdded, "person", id)
}

// checkNameIsFree returns an error if somebody other than the person self has a
// name, or one that differs in upper and lower case only. The caller has called
// serialize.
func checkNameIsFree(tx *gorm.DB, name string, self int64) error {
	var rows []personRow
	if err := tx.Where("id <> ?", self).Find(&rows).Error; err != nil {
		return err
	}
	people := newRegistry(rows)
	if p, ok := people.find(name); ok {
		return faces.Errorf(faces.CodeConflict, "person %d has this name already; if both are one person, merge them", p.ID)
	}
	if p, ok := people.similar(name); ok {
		return faces.Errorf(faces.CodeConflict,
			"person %d has the name %q, which differs in upper and lower case only; choose another name", p.ID, p.Name)
	}
	return nil
}

// lockPerson locks a person until the transaction ends, and compares the version
// with the one that the caller has seen. A difference is an error with
// CodeStale.
func lockPerson(tx *gorm.DB, id, version int64) (personRow, error) {
	row, err := oneRow[personRow](tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("id = ?", id), "person", id)
	if err == nil && version != faces.AnyVersion && version != row.Version {
		err = faces.Errorf(faces.CodeStale,
			"person %d has changed since you read them; read them again, and repeat the change if it still makes sense", id)
	}
	if err != nil {
		return row, err
	}
	if err := holdIDs(tx, "person", "version", id); err != nil {
		return row, err
	}
	return row, holdAlone(tx, id)
}

// touchPerson stores columns of a person and gives them a new version.
func touchPerson(tx *gorm.DB, id int64, columns map[string]any) error {
	if columns == nil {
		columns = map[string]any{}
	}
	columns["version"] = gorm.Expr("version + 1")
	return tx.Model(&personRow{}).Where("id = ?", id).UpdateColumns(columns).Error
}

// ChangePerson renames or hides a person, or chooses another cover. The change
// is made if the person still has the version, or if it is AnyVersion.
func (s *Store) ChangePerson(ctx context.Context, id, version int64, change faces.ProfileChange) (p faces.Profile, err error) {
	if change.Name != nil {
		name := cleanName(*change.Name)
		if err := faces.CheckName(name); err != nil {
			return p, err
		}
		change.Name = &name
	}
	err = s.tx(ctx, func(tx *gorm.DB) error {
		changed, renamed, err := changePerson(tx, id, version, change)
		if err != nil {
			return err
		}
		if renamed {
			if err := addPersonEvent(tx, faces.PersonRenamed, id, 0, s.now()); err != nil {
				return err
			}
		}
		if changed {
			if err := s.auditIDs(tx, access.PersonChanged, "person", id); err != nil {
				return err
			}
		}
		p, err = profileOf(tx, id)
		return err
	})
	return p, wrap(err, fmt.Sprintf("change person %d", id))
}

func changePerson(tx *gorm.DB, id, version int64, change faces.ProfileChange) (changed, renamed bool, err error) {
	if change.Name != nil {
		if err := serialize(tx); err != nil {
			return false, false, err
		}
	}
	row, err := lockPerson(tx, id, version)
	if err != nil {
		return false, false, err
	}
	columns := map[string]any{}
	if change.Name != nil && *change.Name != row.Name {
		if err := checkNameIsFree(tx, *change.Name, id); err != nil {
			return false, false, err
		}
		if err := keepFolder(tx, row.Name, id); err != nil {
			return false, false, err
		}
		columns["name"] = *change.Name
	}
	if change.Hidden != nil && *change.Hidden != row.Hidden {
		columns["hidden"] = *change.Hidden
	}
	if change.Cover != nil && *change.Cover != row.CoverID {
		if err := checkOwns(tx, id, *change.Cover); err != nil {
			return false, false, err
		}
		columns["cover_id"] = *change.Cover
	}
	if len(columns) == 0 {
		return false, false, nil
	}
	_, renamed = columns["name"]
	return true, renamed, touchPerson(tx, id, columns)
}

// checkOwns returns an error if a known image is not the person's. 0 is no known
// image.
func checkOwns(tx *gorm.DB, person, knownImage int64) error {
	if knownImage == 0 {
		return nil
	}
	var n int64
	err := tx.Model(&knownImageRow{}).Where("id = ? AND person_id = ?", knownImage, person).Count(&n).Error
	if err == nil && n == 0 {
		err = faces.Errorf(faces.CodeInvalid, "person %d has no known picture %d", person, knownImage)
	}
	return err
}

// personFolderRow says whose the folder of a name is. See the migration.
type personFolderRow struct {
	Name     string
	PersonID int64 // 0: a person who was deleted
}

func (personFolderRow) TableName() string { return "person_folders" }

// keepFolder stores that the folder of a name belongs to a person, or to nobody
// (0).
func keepFolder(tx *gorm.DB, name string, person int64) error {
	row := personFolderRow{Name: cleanName(name), PersonID: person}
	return tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
}

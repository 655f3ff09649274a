package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// GroupSays is what somebody said about a group. The database stores it.
type GroupSays string

// What can be said about a group.
const (
	GroupIs       GroupSays = "is"
	GroupIgnore   GroupSays = "ignore"
	GroupNotAFace GroupSays = "not_a_face"
	GroupApart    GroupSays = "apart"
)

// kind returns the kind of the corrections that say it.
func (g GroupSays) kind() faces.Kind {
	switch g {
	case GroupIgnore:
		return faces.SaysIgnore
	case GroupNotAFace:
		return faces.SaysNoFace
	default:
		return faces.AboutPerson
	}
}

// groupChangeRow is what somebody said about a group.
type groupChangeRow struct {
	ID        int64
	Says      string
	Model     string
	GroupKey  int64
	PersonID  int64
	Added     bool // the person
	Faces     int
	Best      string // JSON list of the ids of faces that may become known pictures
	One       string // JSON list: of a split, the faces of one side
	Others    string // likewise, the other side
	CreatedAt time.Time
	UndoneAt  *time.Time
}

func (groupChangeRow) TableName() string { return "group_changes" }

// GroupStatement is a user's claim about the faces of a group.
type GroupStatement struct {
	Model   string
	Key     int64
	Version string // that the user has seen; empty: any
	Says    GroupSays
	// PersonID identifies the person of GroupIs. If it is 0, Name does. A name that
	// nobody has makes a new person.
	PersonID int64
	Name     string
	// Faces are those that it is about; nil means the whole group. Faces that are in
	// no group, or in another one, may be among them.
	Faces []int64
}

// ChangedGroup is what a statement about a group changed.
type ChangedGroup struct {
	ID        int64 // of the change
	Person    faces.Person
	NewPerson bool
	Faces     int
	Images    []int64 // all have another version now
	Skipped   int     // faces that were decided or replaced meanwhile
	Left      int     // faces that the group still has
	Best      []int64 // faces that may become known pictures of the person, the best first
}

const (
	// maxBest is how many faces of a group are kept as those to enrol.
	maxBest = 10
	// imagesAtOnce is how many images are decided in one step, with all their faces and
	// descriptors.
	imagesAtOnce = 200
)

// ChangeGroup corrects all faces of a group, or those that the statement names: all of
// them or none. If the group has another version, or a face that the statement names
// is decided or not there any more, the error has CodeStale.
func (s *Store) ChangeGroup(ctx context.Context, say GroupStatement) (done ChangedGroup, err error) {
	if say.Says == GroupIs && say.PersonID == 0 {
		say.Name = cleanName(say.Name)
		if err := faces.CheckName(say.Name); err != nil {
			return done, err
		}
	}
	err = s.tx(ctx, func(tx *gorm.DB) error {
		done, err = s.changeGroup(tx, say)
		return err
	})
	return done, wrap(err, fmt.Sprintf("change group %d", say.Key))
}

func (s *Store) changeGroup(tx *gorm.DB, say GroupStatement) (done ChangedGroup, err error) {
	about := faces.Statement{Kind: say.Says.kind(), PersonID: say.PersonID, Name: say.Name}
	if done.Person, done.NewPerson, err = s.findOrAddPerson(tx, about); err != nil {
		return done, err
	}
	about.PersonID = done.Person.ID
	chosen, err := s.lockChosen(tx, say)
	if err != nil {
		return done, err
	}
	row := groupChangeRow{
		Says: string(say.Says), Model: say.Model, GroupKey: say.Key, PersonID: done.Person.ID, Added: done.NewPerson,
		Best: "[]", One: "[]", Others: "[]", CreatedAt: s.now(),
	}
	if err := tx.Create(&row).Error; err != nil { // it sets the id
		return done, err
	}
	done.ID = row.ID
	said := map[int64]bool{}
	for part := range slices.Chunk(chosen.images(), imagesAtOnce) {
		if err := s.correctFaces(tx, part, chosen, about, row, said); err != nil {
			return done, err
		}
	}
	if len(said) == 0 {
		return done, faces.Errorf(faces.CodeStale, "all faces of group %d have been decided or replaced meanwhile; list the groups again", say.Key)
	}
	ids := slices.Sorted(maps.Keys(said))
	done.Faces, done.Skipped = len(ids), len(chosen.of)+chosen.gone-len(ids)
	for _, id := range ids {
		done.Images = append(done.Images, chosen.of[id])
	}
	done.Images = unique(done.Images)
	if done.Best, err = bestFaces(tx, ids); err != nil {
		return done, err
	}
	if err := addChangedNow(tx, done.Images, faces.ByCorrection, s.now()); err != nil {
		return done, err
	}
	if err := leaveGroups(tx, ids); err != nil {
		return done, err
	}
	if done.Left, err = sizeOfGroup(tx, say.Model, say.Key); err != nil {
		return done, err
	}
	columns := map[string]any{"faces": done.Faces, "best": encodeIDs(done.Best)}
	if err := tx.Model(&groupChangeRow{}).Where("id = ?", row.ID).UpdateColumns(columns).Error; err != nil {
		return done, err
	}
	action := access.GroupDismissed
	if say.Says == GroupIs {
		action = access.GroupNamed
	}
	return done, s.auditIDs(tx, action, "group_change", row.ID)
}

// chosenFaces are the faces of a statement whose images are locked.
type chosenFaces struct {
	of    map[int64]int64 // the image of each face
	named bool            // the statement names the faces
	gone  int             // faces of the group that are not there any more
}

// images returns the ids of the images, ascending.
func (c chosenFaces) images() []int64 {
	return slices.Compact(slices.Sorted(maps.Values(c.of)))
}

// lockChosen locks the people near the faces of a statement, their images, and then the
// group. So of two people who decide about one group, the second one finds it changed.
func (s *Store) lockChosen(tx *gorm.DB, say GroupStatement) (chosenFaces, error) {
	chosen := chosenFaces{of: map[int64]int64{}, named: say.Faces != nil}
	ids, err := idsOfGroup(tx, say.Model, say.Key, false)
	if err != nil {
		return chosen, err
	}
	about := ids
	if chosen.named {
		about = unique(say.Faces)
	}
	if err := imagesOfFaces(tx, about, chosen.of); err != nil {
		return chosen, err
	}
	if _, err := s.lockPeopleNear(tx, chosen.images()); err != nil {
		return chosen, err
	}
	for part := range chunks(chosen.images()) {
		if err := lockImages(tx, part); err != nil {
			return chosen, err
		}
	}
	now, err := lockGroup(tx, say.Model, say.Key, say.Version)
	if err != nil {
		return chosen, err
	}
	if !chosen.named { // with any version, faces may have come meanwhile: their images are not locked
		about = slices.DeleteFunc(about, func(id int64) bool { _, still := slices.BinarySearch(now, id); return !still })
	}
	locked := map[int64]int64{}
	if err := imagesOfFaces(tx, about, locked); err != nil {
		return chosen, err
	}
	if chosen.named && len(locked) < len(about) {
		return chosen, faces.Errorf(faces.CodeStale, "%d of the faces are not there any more; read the group again", len(about)-len(locked))
	}
	chosen.of, chosen.gone = locked, len(about)-len(locked)
	return chosen, nil
}

// idsOfGroup returns the ids of the faces of a group, ascending.
func idsOfGroup(tx *gorm.DB, model string, key int64, lock bool) (ids []int64, err error) {
	q := tx.Table("face_groups").Where("model = ? AND group_key = ?", model, key).Order("face_id")
	if lock {
		q = q.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	if err := q.Pluck("face_id", &ids).Error; err != nil || !lock {
		return ids, err
	}
	for part := range chunks(ids) {
		if err := holdRows(tx, "face_groups", "group_key", "1", "face_id IN ?", part); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// lockGroup locks the rows of a group and returns the ids of its faces. A user who has
// seen another version of it gets an error with CodeStale.
func lockGroup(tx *gorm.DB, model string, key int64, seen string) ([]int64, error) {
	ids, err := idsOfGroup(tx, model, key, true)
	switch {
	case err != nil:
		return nil, err
	case seen != "" && seen != groups.VersionOf(ids):
		return nil, faces.Errorf(faces.CodeStale, "group %d has changed since you read it; read the groups again, then decide again", key)
	case len(ids) == 0:
		return nil, noGroup(key)
	default:
		return ids, nil
	}
}

func sizeOfGroup(tx *gorm.DB, model string, key int64) (int, error) {
	var n int64
	err := tx.Table("face_groups").Where("model = ? AND group_key = ?", model, key).Count(&n).Error
	return int(n), err
}

// imagesOfFaces adds the image of each face that exists.
func imagesOfFaces(tx *gorm.DB, ids []int64, of map[int64]int64) error {
	for part := range chunks(ids) {
		var rows []faceRow
		if err := tx.Select("id", "image_id").Where("id IN ?", part).Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			of[r.ID] = r.ImageID
		}
	}
	return nil
}

// mayBeGrouped reports whether nobody has decided about a face with this reason.
func mayBeGrouped(r faces.Reason) bool { return r == faces.UnknownPerson || r == faces.Uncertain }

// correctFaces stores a statement about the chosen faces of some locked images, and
// decides the images again. It adds the faces that it is about to said.
func (s *Store) correctFaces(tx *gorm.DB, imageIDs []int64, chosen chosenFaces, about faces.Statement, change groupChangeRow, said map[int64]bool) error {
	images, err := readAnswers(tx, imageIDs)
	if err != nil {
		return err
	}
	var rows []correctionRow
	var answered []history.StoredImage
	for _, img := range images {
		found := false
		for _, f := range img.Faces {
			if _, ok := chosen.of[f.ID]; !ok {
				continue
			}
			if !mayBeGrouped(f.Reason) || f.Model != change.Model {
				if chosen.named {
					return faces.Errorf(faces.CodeStale, "somebody has decided about face %d meanwhile; read the group again", f.ID)
				}
				continue
			}
			row, err := newGroupCorrection(f, about, change)
			if err != nil {
				return err
			}
			rows, said[f.ID], found = append(rows, row), true, true
		}
		if found && !img.Waits {
			answered = append(answered, img)
		}
	}
	for part := range slices.Chunk(rows, imagesAtOnce) {
		if err := tx.Omit("PersonName").Create(&part).Error; err != nil {
			return err
		}
	}
	return s.decideAgain(tx, answered)
}

func newGroupCorrection(f history.StoredFace, about faces.Statement, change groupChangeRow) (correctionRow, error) {
	near, err := json.Marshal(f.Candidates())
	if err != nil {
		return correctionRow{}, err
	}
	descriptor, rest := splitDescriptor(f.Descriptor)
	return correctionRow{
		ImageID: f.ImageID, X: f.Box.X, Y: f.Box.Y, Width: f.Box.Width, Height: f.Box.Height,
		Descriptor: descriptor, DescriptorRest: rest, Model: f.Model, Kind: string(about.Kind), PersonID: about.PersonID,
		Candidates: string(near), CreatedAt: change.CreatedAt, ChangedAt: change.CreatedAt, Pending: true, GroupChangeID: change.ID,
	}, nil
}

// bestFaces returns the faces that can be seen best.
func bestFaces(tx *gorm.DB, ids []int64) ([]int64, error) {
	quality, err := qualityOf(tx, ids)
	if err != nil {
		return nil, err
	}
	large := slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return quality[id].QualitySize < faces.MinEnrolSize })
	best := make([]int64, 0, maxBest)
	for _, m := range bestOf(quality, large, maxBest) {
		best = append(best, m.FaceID)
	}
	return best, nil
}

func encodeIDs(ids []int64) string {
	text, err := json.Marshal(ids)
	if err != nil {
		panic(err) // numbers always have JSON
	}
	if ids == nil {
		return "[]"
	}
	return string(text)
}

package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// erasureRow is an erasure. See the migration.
type erasureRow struct {
	ID         int64
	PublicID   string
	Salt       string
	PersonID   int64
	Images     string
	State      string
	Entry      string // JSON of an erasure.Entry
	Counts     string // JSON: what went, by store
	LeftFiles  int
	Found      string // JSON: places of what the search found
	LeaseToken int64
	LeaseUntil *time.Time
	CreatedAt  time.Time
	ErasedAt   *time.Time
	SearchedAt *time.Time
	VerifiedAt *time.Time
}

func (erasureRow) TableName() string { return "erasures" }

func (r erasureRow) entry() (erasure.Entry, error) { return erasure.Decode([]byte(r.Entry)) }

func (r erasureRow) receipt() (erasure.Receipt, error) {
	out := erasure.Receipt{
		ID: r.PublicID, PersonID: r.PersonID, Images: erasure.Policy(r.Images), State: erasure.State(r.State),
		LeftFiles: r.LeftFiles, CreatedAt: r.CreatedAt, ErasedAt: timeOf(r.ErasedAt), VerifiedAt: timeOf(r.VerifiedAt),
	}
	e, err := r.entry()
	if err != nil {
		return out, err
	}
	if e.Images == erasure.Keep {
		for _, p := range e.Pictures {
			if p.Shows {
				out.Kept = append(out.Kept, p.ImageID)
			}
		}
	}
	if err := json.Unmarshal([]byte(r.Counts), &out.Counts); err != nil {
		return out, fmt.Errorf("read the counts of erasure %s: %w", r.PublicID, err)
	}
	if err := json.Unmarshal([]byte(r.Found), &out.Found); err != nil {
		return out, fmt.Errorf("read what was found of erasure %s: %w", r.PublicID, err)
	}
	return out, nil
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// EraseRequest asks to erase a person who still has the version; see faces.AnyVersion.
type EraseRequest struct {
	ID              string // of the erasure; see erasure.NewID
	Person, Version int64
	Images          erasure.Policy
	MaxEntry        int // bytes of the entry; 0 is erasure.MaxEntry
}

// PlanErasure returns what Erase would remove. It changes nothing.
func (s *Store) PlanErasure(ctx context.Context, r EraseRequest) (erasure.Plan, error) {
	var plan erasure.Plan
	err := s.snapshot(ctx, func(tx *gorm.DB) error {
		row, err := oneRow[personRow](tx.Where("id = ?", r.Person), "person", r.Person)
		if err != nil {
			return err
		}
		if r.Version != faces.AnyVersion && r.Version != row.Version {
			return faces.Errorf(faces.CodeStale, "person %d has changed since you read them; read them again", r.Person)
		}
		g, err := gather(tx, row)
		if err != nil {
			return err
		}
		plan = g.plan(r.Images)
		return nil
	})
	return plan, wrap(err, fmt.Sprintf("plan the erasure of person %d", r.Person))
}

// Erase takes a person away with all that names or describes them, in one transaction.
// record must make the entry durable; it is called before the first deletion, and again
// if the transaction is repeated. What is left for StepErasure needs no name. It returns the
// files of others among the known pictures. A person who is being erased already has
// that erasure as the answer.
func (s *Store) Erase(ctx context.Context, r EraseRequest, record func(erasure.Entry) error) (done erasure.Receipt, left []string, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		done, left = erasure.Receipt{}, nil
		if err := serialize(tx); err != nil { // standalone may be about to enrol the person's folder
			return err
		}
		row, err := lockPerson(tx, r.Person, r.Version)
		if faces.ErrorCode(err) == faces.CodeMissing {
			if done, err = newestErasureOf(tx, r.Person, err); err == nil {
				return nil
			}
		}
		if err != nil {
			return err
		}
		g, err := gather(tx, row)
		if err != nil {
			return err
		}
		salt, err := newestSalt(tx)
		if err != nil {
			return err
		}
		e := g.entry(r, salt, s.now())
		if err := lockManyImages(tx, g.imageIDs()); err != nil {
			return err
		}
		if g, err = gather(tx, row); err != nil { // as it is now that nobody can change it
			return err
		}
		e = g.entry(r, salt, e.At)
		if err := checkEntry(e, cmp.Or(r.MaxEntry, erasure.MaxEntry)); err != nil {
			return err
		}
		if err := record(e); err != nil {
			return err
		}
		plan := g.plan(r.Images)
		left = plan.LeftFiles
		created, err := s.erase(tx, e, g)
		if err != nil {
			return err
		}
		done, err = created.receipt()
		return err
	})
	return done, left, wrap(err, fmt.Sprintf("erase person %d", r.Person))
}

// checkEntry returns an error if an entry is too large to be carried out again. Nothing is
// recorded then.
func checkEntry(e erasure.Entry, most int) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode the entry of an erasure: %w", err)
	}
	if len(text) > most {
		return faces.Errorf(faces.CodeConflict, "the entry of person %d for the ledger of erasures would have %d bytes, more than %d, because of %d images; delete some of the images that show them, and erase them then",
			e.PersonID, len(text), most, len(e.Pictures))
	}
	return nil
}

// newestErasureOf returns the erasure of a person who is gone, or missing.
func newestErasureOf(tx *gorm.DB, person int64, missing error) (erasure.Receipt, error) {
	var rows []erasureRow
	if err := tx.Where("person_id = ?", person).Order("id DESC").Limit(1).Find(&rows).Error; err != nil {
		return erasure.Receipt{}, err
	}
	if len(rows) == 0 {
		return erasure.Receipt{}, missing
	}
	return rows[0].receipt()
}

// newestSalt returns the salt of the newest erasure, or a new one. One salt means one
// mark for each value that is looked up.
func newestSalt(tx *gorm.DB) (salt erasure.Salt, err error) {
	var texts []string
	if err := tx.Model(&erasureRow{}).Order("id DESC").Limit(1).Pluck("salt", &texts).Error; err != nil {
		return salt, err
	}
	if len(texts) == 0 {
		return erasure.NewSalt(), nil
	}
	return salt, salt.UnmarshalText([]byte(texts[0]))
}

// erase writes an erasure. gone are the people of it that the database has; without any,
// only the entry says what goes.
func (s *Store) erase(tx *gorm.DB, e erasure.Entry, gone ...gathered) (erasureRow, error) {
	row, err := s.addErasure(tx, e, gone)
	if err != nil {
		return row, err
	}
	var changed []int64
	for _, g := range gone {
		shown, err := s.erasePerson(tx, g)
		if err != nil {
			return row, err
		}
		changed = append(changed, slices.Concat(g.imageIDs(), shown)...)
		if err := addPersonEvent(tx, faces.PersonDeleted, g.person.ID, 0, s.now()); err != nil {
			return row, err
		}
		if err := s.auditIDs(tx, access.PersonErased, "person", g.person.ID); err != nil {
			return row, err
		}
	}
	return row, addChangedNow(tx, unique(changed), faces.ByPersonDelete, s.now())
}

// addErasure writes the row of an erasure, its marks and its places.
func (s *Store) addErasure(tx *gorm.DB, e erasure.Entry, gone []gathered) (erasureRow, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return erasureRow{}, err
	}
	counts, left := map[string]int{}, 0
	for _, g := range gone {
		plan := g.plan(e.Images)
		left += len(plan.LeftFiles)
		for what, n := range plan.Counts {
			counts[what] += n
		}
	}
	countText, err := json.Marshal(counts)
	if err != nil {
		return erasureRow{}, err
	}
	salt, _ := e.Salt.MarshalText()
	row := erasureRow{
		PublicID: e.ID, Salt: string(salt), PersonID: e.PersonID, Images: string(e.Images), State: string(erasure.Erasing),
		Entry: string(text), Counts: string(countText), LeftFiles: left, Found: "[]", CreatedAt: s.now(),
	}
	if err := tx.Create(&row).Error; err != nil {
		return row, err
	}
	if err := addMarks(tx, row.ID, e); err != nil {
		return row, err
	}
	return row, addPlaces(tx, row.ID, e)
}

// erasedMarkRow is a mark of a name or of a known picture's name, by which standalone
// passes over folders and files.
type erasedMarkRow struct {
	Mark      []byte
	Kind      string // markName or markFile
	ErasureID int64
}

func (erasedMarkRow) TableName() string { return "erased_marks" }

const (
	markName = "name"
	markFile = "file"
)

func addMarks(tx *gorm.DB, id int64, e erasure.Entry) error {
	var rows []erasedMarkRow
	for _, n := range e.Names {
		rows = append(rows, erasedMarkRow{n.Mark[:], markName, id})
	}
	for _, f := range e.Files {
		rows = append(rows, erasedMarkRow{f[:], markFile, id})
	}
	for part := range chunks(rows) {
		if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&part).Error; err != nil {
			return err
		}
	}
	return nil
}

// erasePerson removes what was gathered. The images are locked. It returns the images
// that showed the person, or began to since.
func (s *Store) erasePerson(tx *gorm.DB, g gathered) (shown []int64, err error) {
	if err := forgetInGroups(tx, g.faceIDs()); err != nil {
		return nil, err
	}
	for _, of := range []struct {
		rows any
		ids  []int64
	}{{&faceRow{}, g.faceIDs()}, {&correctionRow{}, g.corrections}, {&knownImageRow{}, g.knownIDs()}} {
		for part := range chunks(of.ids) {
			if err := tx.Where("id IN ?", part).Delete(of.rows).Error; err != nil {
				return nil, err
			}
		}
	}
	if err := s.decideWithout(tx, g); err != nil {
		return nil, err
	}
	if shown, err = forgetAnswers(tx, g.person.ID); err != nil {
		return nil, err
	}
	if err := forgetCandidates(tx, g.ids()); err != nil {
		return nil, err
	}
	if err := s.forgetRowsAbout(tx, g.ids()); err != nil {
		return nil, err
	}
	if err := tx.Where("person_id IN ? OR merged_id IN ?", g.ids(), g.ids()).Delete(&mergeRow{}).Error; err != nil {
		return nil, err
	}
	if err := tx.Where("person_id IN ? OR person_id = 0 AND name IN ?", g.ids(), g.names).Delete(&personFolderRow{}).Error; err != nil {
		return nil, err
	}
	return shown, tx.Delete(&personRow{ID: g.person.ID}).Error
}

// decideWithout decides the answered images again, many at once: somebody may be in
// thousands of them.
func (s *Store) decideWithout(tx *gorm.DB, g gathered) error {
	const atOnce = 200
	var answered []int64
	for _, p := range g.pictures {
		if p.answered {
			answered = append(answered, p.row.ID)
		}
	}
	for part := range slices.Chunk(answered, atOnce) {
		images, err := readAnswers(tx, part)
		if err != nil {
			return err
		}
		if err := s.decideAgain(tx, images); err != nil {
			return err
		}
	}
	return nil
}

// outliving are the tables whose rows stay when their person goes: they have ids only,
// and say what happened.
func outliving() []string { return []string{"audit_log", "erasures", "events", "outbox"} }

// forgetRowsAbout deletes the rows about people from every table that has a column for
// one person, as the database lists them: a table of tomorrow must not be forgotten here.
func (s *Store) forgetRowsAbout(tx *gorm.DB, people []int64) error {
	query := "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'person_id' ORDER BY m.name"
	if s.isMySQL() {
		query = "SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name = 'person_id' ORDER BY table_name"
	}
	var tables []string
	if err := tx.Raw(query).Scan(&tables).Error; err != nil {
		return err
	}
	for _, table := range tables {
		if slices.Contains(outliving(), table) {
			continue
		}
		if err := tx.Exec("DELETE FROM "+s.quoted(table)+" WHERE person_id IN ?", people).Error; err != nil {
			return err
		}
	}
	return nil
}

// likeCandidate is the pattern of corrections that keep a person as a candidate.
func likeCandidate(person int64) string { return "%\"person\":" + strconv.FormatInt(person, 10) + ",%" }

// forgetCandidates takes people out of the candidates that corrections keep.
func forgetCandidates(tx *gorm.DB, people []int64) error {
	for _, person := range people {
		var rows []correctionRow
		if err := tx.Select("id", "candidates").Where("candidates LIKE ?", likeCandidate(person)).Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			var list []history.StoredCandidate
			if err := json.Unmarshal([]byte(r.Candidates), &list); err != nil {
				return fmt.Errorf("decode the candidates of correction %d: %w", r.ID, err)
			}
			list = slices.DeleteFunc(list, func(c history.StoredCandidate) bool { return slices.Contains(people, c.Person) })
			text, err := json.Marshal(append([]history.StoredCandidate{}, list...))
			if err != nil {
				return err
			}
			if err := tx.Model(&correctionRow{}).Where("id = ?", r.ID).UpdateColumn("candidates", string(text)).Error; err != nil {
				return err
			}
		}
	}
	return nil
}

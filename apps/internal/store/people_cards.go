package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	// FewPictures is the number of known pictures from which on a person needs no more.
	FewPictures = 3
	// ConsentEndsSoon is how long before its end a consent needs attention.
	ConsentEndsSoon = 30 * 24 * time.Hour
)

// PersonNeeds is a person, and what about them needs somebody's attention.
type PersonNeeds struct {
	faces.Person
	Hidden   bool
	Pictures int  // rows of known pictures
	Unsure   bool // faces that may be the person are uncertain
	Consent  bool // it does not stand, or it ends soon
}

// PeopleNeeds returns everybody, in no order. It reads the indexes of all people: callers
// keep its answer for a moment.
func (s *Store) PeopleNeeds(ctx context.Context) (list []PersonNeeds, err error) {
	err = s.snapshot(ctx, func(tx *gorm.DB) error {
		var people []struct {
			ID     int64
			Name   string
			Hidden bool
		}
		if err := tx.Table("person").Select("id, name, hidden").Find(&people).Error; err != nil {
			return err
		}
		pictures, err := countPictures(tx)
		if err != nil {
			return err
		}
		unsure, err := idSet(tx.Raw("SELECT person.id FROM person WHERE EXISTS (SELECT 1 FROM faces"+useIndex(tx, "faces_shows")+
			" WHERE faces.best_person_id = person.id AND faces.reason = ?)", string(faces.Uncertain)))
		if err != nil {
			return err
		}
		consent, err := s.needConsent(tx)
		if err != nil {
			return err
		}
		list = make([]PersonNeeds, len(people))
		for i, p := range people {
			list[i] = PersonNeeds{
				Person: faces.Person{ID: p.ID, Name: p.Name}, Hidden: p.Hidden,
				Pictures: pictures[p.ID], Unsure: unsure[p.ID], Consent: consent[p.ID],
			}
		}
		return nil
	})
	return list, wrap(err, "read what people need")
}

// countPictures returns how many known pictures each person has. Without a look at their
// names, the index is enough; a row without a name is rare, and of the original's tables.
func countPictures(tx *gorm.DB) (map[int64]int, error) {
	var rows []struct {
		PersonID int64
		N        int
	}
	err := tx.Table("person_images").Select("person_id, COUNT(*) AS n").Where("person_id > 0").Group("person_id").Find(&rows).Error
	counts := make(map[int64]int, len(rows))
	for _, r := range rows {
		counts[r.PersonID] = r.N
	}
	return counts, err
}

// needConsent returns the people whose consent does not stand, or ends soon.
func (s *Store) needConsent(tx *gorm.DB) (map[int64]bool, error) {
	now := s.now()
	ids, err := idSet(tx.Raw("SELECT person_id FROM consents WHERE NOT ("+given+") OR until_at <= ?", now, now, now.Add(ConsentEndsSoon)))
	if err != nil || !s.consentRequired {
		return ids, err
	}
	without, err := idSet(tx.Raw("SELECT person.id FROM person WHERE NOT EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id)"))
	for id := range without {
		ids[id] = true
	}
	return ids, err
}

func idSet(q *gorm.DB) (map[int64]bool, error) {
	var ids []int64
	err := q.Scan(&ids).Error
	set := make(map[int64]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set, err
}

// PersonCard is a person as a card shows them.
type PersonCard struct {
	faces.Profile
	Face  int64 // to show if there is no cover; 0 if there is none
	Until time.Time
	State faces.ConsentState
}

// PeopleCards returns people, in the order of their ids in the list. Who is gone is left
// out.
func (s *Store) PeopleCards(ctx context.Context, ids []int64) (cards []PersonCard, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = s.snapshot(ctx, func(tx *gorm.DB) error {
		cards, err = s.readCards(tx, ids)
		return err
	})
	return cards, wrap(err, "read the cards of people")
}

func (s *Store) readCards(tx *gorm.DB, ids []int64) ([]PersonCard, error) {
	at := make(map[int64]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	var rows []profileRow
	if err := profiles(tx).Where("person.id IN ?", ids).Find(&rows).Error; err != nil {
		return nil, err
	}
	var consents []consentRow
	if err := tx.Where("person_id IN ?", ids).Find(&consents).Error; err != nil {
		return nil, err
	}
	cards := make([]PersonCard, len(ids))
	var bare []int64 // without a known picture
	for _, r := range rows {
		p := r.profile()
		cards[at[p.ID]] = PersonCard{Profile: p, State: faces.ConsentNone}
		if p.Cover == 0 {
			bare = append(bare, p.ID)
		}
	}
	for _, r := range consents {
		c := &cards[at[r.PersonID]]
		consent := r.consent()
		c.Until, c.State = consent.Until, consent.State(s.now())
	}
	newest, err := newestFaces(tx, bare)
	for person, face := range newest {
		cards[at[person]].Face = face
	}
	return slices.DeleteFunc(cards, func(c PersonCard) bool { return c.ID == 0 }), err
}

// newestFaces returns a face of each of some people, if there is one. It is one
// statement, and reads one row for each of them.
func newestFaces(tx *gorm.DB, people []int64) (map[int64]int64, error) {
	if len(people) == 0 {
		return nil, nil
	}
	parts := make([]string, len(people))
	var args []any
	for i, person := range people {
		parts[i] = "SELECT * FROM (SELECT faces.best_person_id AS person, faces.id AS face FROM faces" + useIndex(tx, "faces_shows") +
			" WHERE faces.best_person_id = ? AND faces.reason = ? ORDER BY faces.image_id DESC LIMIT 1) AS newest"
		args = append(args, person, string(faces.Identified))
	}
	var rows []struct{ Person, Face int64 }
	if err := tx.Raw(strings.Join(parts, " UNION ALL "), args...).Scan(&rows).Error; err != nil {
		return nil, err
	}
	newest := make(map[int64]int64, len(rows))
	for _, r := range rows {
		newest[r.Person] = r.Face
	}
	return newest, nil
}

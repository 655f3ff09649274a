package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// rescanResultRow is a job's result for one image. Images whose answer did not
// change have none.
type rescanResultRow struct {
	RescanID            int64 `gorm:"primaryKey"`
	ImageID             int64 `gorm:"primaryKey"`
	State               history.ResultState
	FromReason          faces.Reason
	FromPerson          int64
	ToReason            faces.Reason
	ToPerson            int64
	FacesBefore         int
	FacesAfter          int
	PeopleFound         string // JSON: people's ids
	PeopleLost          string
	CorrectionsUnplaced int
	Detail              string
}

func (rescanResultRow) TableName() string { return "rescan_results" }

// rescanReport has the sums of a batch's results, by job.
type rescanReport map[int64]*rescanSums

type rescanSums struct {
	rescanRow // its counters only
	results   []rescanResultRow
}

// facesBefore describes the faces of an image before a rescan.
type facesBefore struct {
	people []int64 // one entry per identified face
	faces  int     // number of all faces
}

// add adds the results of a batch. It must run before the new answers replace the
// old ones.
func (p rescanReport) add(tx *gorm.DB, end rescanEnd, images map[int64]faces.Image) error {
	if len(end.job) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(end.job))
	old, err := readFacesBefore(tx, ids)
	if err != nil {
		return err
	}
	all, err := correctionsOf(tx, ids, false)
	if err != nil {
		return err
	}
	corrections := faces.CorrectionsByImage(all)
	for _, r := range end.replaced {
		if job, ok := end.job[r.ImageID]; ok {
			unplaced := len(faces.Unplaced(faces.Boxes(r.Faces), corrections[r.ImageID]))
			if err := p.of(job).replaced(job, images[r.ImageID], old[r.ImageID], r, unplaced); err != nil {
				return err
			}
		}
	}
	for _, r := range end.kept {
		if job, ok := end.job[r.ImageID]; ok {
			p.of(job).failed(job, images[r.ImageID], old[r.ImageID], r)
		}
	}
	return nil
}

func (p rescanReport) of(job int64) *rescanSums {
	if p[job] == nil {
		p[job] = &rescanSums{}
	}
	return p[job]
}

func readFacesBefore(tx *gorm.DB, ids []int64) (map[int64]facesBefore, error) {
	var rows []faceRow
	if err := tx.Select("image_id", "reason", "best_person_id").Where("image_id IN ?", ids).Find(&rows).Error; err != nil {
		return nil, err
	}
	old := map[int64]facesBefore{}
	for _, r := range rows {
		b := old[r.ImageID]
		b.faces++
		if r.Reason == string(faces.Identified) {
			b.people = append(b.people, r.BestPersonID)
		}
		old[r.ImageID] = b
	}
	return old, nil
}

func newResult(job int64, img faces.Image, before facesBefore, r Result) rescanResultRow {
	row := rescanResultRow{
		RescanID: job, ImageID: img.ID, State: history.ResultChanged, FromReason: img.Reason, FromPerson: faces.NoPerson,
		ToReason: r.Reason, ToPerson: faces.NoPerson, FacesBefore: before.faces, FacesAfter: len(r.Faces),
		PeopleFound: "[]", PeopleLost: "[]",
	}
	if img.Person != nil {
		row.FromPerson = img.Person.ID
	}
	if r.Person != nil {
		row.ToPerson = r.Person.ID
	}
	return row
}

func (s *rescanSums) replaced(job int64, img faces.Image, before facesBefore, r Result, unplaced int) error {
	row := newResult(job, img, before, r)
	var people []int64
	for _, f := range r.Faces {
		if f.Reason == faces.Identified {
			people = append(people, f.Person.ID)
		}
	}
	found, lost := without(people, before.people), without(before.people, people)
	var err error
	if row.PeopleFound, err = personIDs(found); err != nil {
		return err
	}
	if row.PeopleLost, err = personIDs(lost); err != nil {
		return err
	}
	row.CorrectionsUnplaced = unplaced
	if !r.Reason.IsAnswer() {
		row.Detail = faces.Truncate(r.Detail, faces.MaxDetailLength)
	}
	s.Done++
	s.PeopleFound += int64(len(found))
	s.PeopleLost += int64(len(lost))
	s.FacesFound += int64(max(row.FacesAfter-row.FacesBefore, 0))
	s.FacesLost += int64(max(row.FacesBefore-row.FacesAfter, 0))
	s.CorrectionsUnplaced += int64(unplaced)
	same := row.FromReason == row.ToReason && row.FromPerson == row.ToPerson && row.FacesBefore == row.FacesAfter
	if !same || len(found)+len(lost)+unplaced > 0 {
		s.Changed++
		s.results = append(s.results, row)
	}
	return nil
}

func (s *rescanSums) failed(job int64, img faces.Image, before facesBefore, r Result) {
	row := newResult(job, img, before, r)
	row.State, row.FacesAfter, row.Detail = history.ResultFailed, before.faces, faces.Truncate(r.Detail, faces.MaxDetailLength)
	s.Done++
	s.Failed++
	s.results = append(s.results, row)
}

// without returns the multiset difference of list and other: each element of other
// removes one equal element.
func without(list, other []int64) []int64 {
	counts := map[int64]int{}
	for _, id := range other {
		counts[id]++
	}
	var left []int64
	for _, id := range list {
		if counts[id] > 0 {
			counts[id]--
			continue
		}
		left = append(left, id)
	}
	return left
}

func (p rescanReport) write(tx *gorm.DB) error {
	for _, job := range slices.Sorted(maps.Keys(p)) {
		s := p[job]
		plus := func(column string, n int64) clause.Expr { return gorm.Expr(column+" + ?", n) }
		err := tx.Model(&rescanRow{}).Where("id = ?", job).UpdateColumns(map[string]any{
			"done": plus("done", s.Done), "changed": plus("changed", s.Changed), "failed": plus("failed", s.Failed),
			"people_found": plus("people_found", s.PeopleFound), "people_lost": plus("people_lost", s.PeopleLost),
			"faces_found": plus("faces_found", s.FacesFound), "faces_lost": plus("faces_lost", s.FacesLost),
			"corrections_unplaced": plus("corrections_unplaced", s.CorrectionsUnplaced),
		}).Error
		if err != nil {
			return err
		}
		for part := range chunks(s.results) {
			// If the job has processed an image before, its first result stays.
			if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&part).Error; err != nil {
				return err
			}
		}
	}
	return nil
}

// RescanResults returns a page of a job's results, newest image first. It returns
// only image ids below below if that is not 0, and only results in state if that is
// not empty.
func (s *Store) RescanResults(ctx context.Context, id, below int64, limit int, state history.ResultState) ([]history.RescanResult, error) {
	var rows []struct {
		Row  rescanResultRow `gorm:"embedded"`
		Path string
	}
	var names map[int64]string
	var found, lost [][]int64
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows, found, lost = nil, nil, nil
		q := tx.Table("rescan_results").Select("rescan_results.*, images.path").
			Joins("JOIN images ON images.id = rescan_results.image_id").Where("rescan_results.rescan_id = ?", id)
		if below > 0 {
			q = q.Where("rescan_results.image_id < ?", below)
		}
		if state != "" {
			q = q.Where("rescan_results.state = ?", state)
		}
		if err := withLimit(q, limit).Order("rescan_results.image_id DESC").Find(&rows).Error; err != nil {
			return err
		}
		var people []int64
		for _, r := range rows {
			var f, l []int64
			if err := json.Unmarshal([]byte(r.Row.PeopleFound), &f); err != nil {
				return fmt.Errorf("read the people found in image %d: %w", r.Row.ImageID, err)
			}
			if err := json.Unmarshal([]byte(r.Row.PeopleLost), &l); err != nil {
				return fmt.Errorf("read the people lost in image %d: %w", r.Row.ImageID, err)
			}
			found, lost = append(found, f), append(lost, l)
			people = append(append(append(people, f...), l...), r.Row.FromPerson, r.Row.ToPerson)
		}
		var err error
		names, err = personNames(tx, people)
		return err
	})
	list := make([]history.RescanResult, len(rows))
	for i, r := range rows {
		list[i] = history.RescanResult{
			ImageID: r.Row.ImageID, Path: r.Path, State: r.Row.State,
			From: outcome(r.Row.FromReason, r.Row.FromPerson, names), To: outcome(r.Row.ToReason, r.Row.ToPerson, names),
			FacesBefore: r.Row.FacesBefore, FacesAfter: r.Row.FacesAfter, Unplaced: r.Row.CorrectionsUnplaced, Detail: r.Row.Detail,
			Found: named(found[i], names), Lost: named(lost[i], names),
		}
	}
	return list, wrap(err, fmt.Sprintf("list the results of rescan %d", id))
}

func named(ids []int64, names map[int64]string) []faces.Person {
	people := make([]faces.Person, len(ids))
	for i, id := range ids {
		people[i] = faces.Person{ID: id, Name: names[id]}
	}
	return people
}

package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// ProgramState is what a running program said about itself last.
type ProgramState struct {
	Program  string // such as "processor"
	Instance string // which of the processors; "" where a run replaces the one before
	SeenAt   time.Time
	State    []byte // JSON; see package operations
}

type programStateRow struct {
	Program  string `gorm:"primaryKey"`
	Instance string `gorm:"primaryKey"`
	SeenAt   time.Time
	State    string
}

func (programStateRow) TableName() string { return "program_states" }

// MinuteOutcome is how many images a processor finished in a minute with an outcome.
type MinuteOutcome struct {
	Minute int64 // Unix time / 60
	Reason faces.Reason
	Images int64
}

type outcomeMinuteRow struct {
	Minute   int64  `gorm:"primaryKey"`
	Instance string `gorm:"primaryKey"`
	Reason   string `gorm:"primaryKey"`
	Images   int64
}

func (outcomeMinuteRow) TableName() string { return "outcome_minutes" }

type imageTotalRow struct {
	Minute int64  `gorm:"primaryKey"`
	Reason string `gorm:"primaryKey"`
	Images int64
}

func (imageTotalRow) TableName() string { return "image_totals" }

// minuteOf returns the number of a minute, as the tables of samples have it.
func minuteOf(t time.Time) int64 { return t.Unix() / int64(time.Minute/time.Second) }

// NoteProgram stores what a program says about itself, over what it said before.
func (s *Store) NoteProgram(ctx context.Context, program, instance string, state []byte) error {
	row := programStateRow{Program: program, Instance: instance, SeenAt: s.now(), State: string(state)}
	err := s.retry(ctx, func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
	})
	return wrap(err, "store what a program says about itself")
}

// ForgetProgram deletes what a program said about itself, because it ends.
func (s *Store) ForgetProgram(ctx context.Context, program, instance string) error {
	err := s.retry(ctx, func(tx *gorm.DB) error {
		return tx.Where("program = ? AND instance = ?", program, instance).Delete(&programStateRow{}).Error
	})
	return wrap(err, "forget a program that ends")
}

// Programs returns what all programs said last, by program and instance.
func (s *Store) Programs(ctx context.Context) ([]ProgramState, error) {
	var rows []programStateRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Order("program, instance").Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("read what programs say about themselves: %w", err)
	}
	list := make([]ProgramState, len(rows))
	for i, r := range rows {
		list[i] = ProgramState{Program: r.Program, Instance: r.Instance, SeenAt: r.SeenAt, State: []byte(r.State)}
	}
	return list, nil
}

// noteBatch is how many rows one statement stores.
const noteBatch = 100

// NoteOutcomes stores how many images an instance finished in some minutes. Numbers
// replace those of before, so that a repeated call changes nothing.
func (s *Store) NoteOutcomes(ctx context.Context, instance string, list []MinuteOutcome) error {
	if len(list) == 0 {
		return nil
	}
	rows := make([]outcomeMinuteRow, len(list))
	for i, m := range list {
		rows[i] = outcomeMinuteRow{Minute: m.Minute, Instance: instance, Reason: string(m.Reason), Images: m.Images}
	}
	err := s.retry(ctx, func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(rows, noteBatch).Error
	})
	return wrap(err, "store the outcomes of a minute")
}

// InProgress is what samples of totals say instead of a reason about images that are
// being processed.
const InProgress faces.Reason = "processing"

// SampleTotals stores how many images there are now, by outcome, unless somebody has
// done so in this minute.
func (s *Store) SampleTotals(ctx context.Context) (sampled bool, err error) {
	minute, there := minuteOf(s.now()), int64(0)
	err = s.read(ctx, func(tx *gorm.DB) error {
		return tx.Model(&imageTotalRow{}).Where("minute = ?", minute).Limit(1).Count(&there).Error
	})
	if err != nil || there > 0 {
		return false, wrap(err, "look for the totals of a minute")
	}
	counts, err := s.CountImages(ctx)
	if err != nil {
		return false, err
	}
	byReason := map[faces.Reason]int64{faces.Queued: 0} // so that each minute has a row
	for _, c := range counts {
		reason := c.Reason
		if c.Status == faces.Processing {
			reason = InProgress
		}
		byReason[reason] += c.Images
	}
	var rows []imageTotalRow
	for r, n := range byReason {
		rows = append(rows, imageTotalRow{Minute: minute, Reason: string(r), Images: n})
	}
	err = s.retry(ctx, func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error
	})
	return err == nil, wrap(err, "store the totals of a minute")
}

// LatestTotals returns the newest sample of totals since a time, as CountImages would have
// returned it then. It is empty if there is none.
func (s *Store) LatestTotals(ctx context.Context, since time.Time) ([]Count, error) {
	var rows []imageTotalRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		newest := tx.Model(&imageTotalRow{}).Select("MAX(minute)").Where("minute >= ?", minuteOf(since))
		return tx.Where("minute = (?)", newest).Order("reason").Find(&rows).Error
	})
	counts := make([]Count, 0, len(rows))
	for _, r := range rows {
		c := Count{Reason: faces.Reason(r.Reason), Status: faces.Reason(r.Reason).Status(), Images: r.Images}
		if c.Reason == InProgress {
			c.Status, c.Reason = faces.Processing, faces.ShownReason(faces.Processing, "")
		}
		counts = append(counts, c)
	}
	return counts, wrap(err, "read the newest totals")
}

// Bucket is how many images there were in some minutes, by outcome.
type Bucket struct {
	From   int64 // the first minute
	Reason faces.Reason
	Images int64
}

// OutcomeBuckets returns how many images were finished since a time, by outcome, in
// buckets of some minutes.
func (s *Store) OutcomeBuckets(ctx context.Context, since time.Time, minutes int) ([]Bucket, error) {
	return s.buckets(ctx, &outcomeMinuteRow{}, "SUM", since, minutes)
}

// TotalBuckets returns how many images there were at most, by outcome, in buckets of
// some minutes.
func (s *Store) TotalBuckets(ctx context.Context, since time.Time, minutes int) ([]Bucket, error) {
	return s.buckets(ctx, &imageTotalRow{}, "MAX", since, minutes)
}

func (s *Store) buckets(ctx context.Context, table any, fold string, since time.Time, minutes int) (list []Bucket, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		list = nil
		return tx.Model(table).Select("minute - (minute % ?) AS `from`, reason, "+fold+"(images) AS images", minutes).
			Where("minute >= ?", minuteOf(since)).Group("1, 2").Order("1, 2").Scan(&list).Error
	})
	return list, wrap(err, "read samples")
}

// SweepOperations deletes what programs said, and samples, of before a time each.
func (s *Store) SweepOperations(ctx context.Context, silent, samples time.Time) error {
	err := s.retry(ctx, func(tx *gorm.DB) error {
		if err := tx.Where("seen_at < ? AND instance <> ''", silent.UTC()).Delete(&programStateRow{}).Error; err != nil {
			return err
		}
		if err := tx.Where("minute < ?", minuteOf(samples)).Delete(&outcomeMinuteRow{}).Error; err != nil {
			return err
		}
		return tx.Where("minute < ?", minuteOf(samples)).Delete(&imageTotalRow{}).Error
	})
	return wrap(err, "sweep samples")
}

// oldestAmong is how many waiting images OldestWaiting looks at.
const oldestAmong = 1000

// OldestWaiting returns the image that has been queued for the longest time, among the
// first ones by id, and since when. id is 0 if none waits. The order of ids is the order
// of posting; an old image that is retried waits since the retry.
func (s *Store) OldestWaiting(ctx context.Context) (id int64, since time.Time, err error) {
	var rows []imageRow
	err = s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Select("id", "updated_at").Where("status = ? AND reason = ?", int(faces.Pending), string(faces.Queued)).
			Order("id").Limit(oldestAmong).Find(&rows).Error
	})
	for _, r := range rows {
		if id == 0 || r.UpdatedAt.Before(since) {
			id, since = r.ID, r.UpdatedAt
		}
	}
	return id, since, wrap(err, "find the image that waits for the longest time")
}

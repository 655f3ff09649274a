package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// lastBackup is the name of the setting that says when the last backup to a folder was
// complete, in seconds since 1970.
const lastBackup = "backup_last_success"

type settingRow struct {
	Name  string
	Value string
}

func (settingRow) TableName() string { return "settings" }

// NoteBackup stores that a backup was complete at a time. A later one stays.
func (s *Store) NoteBackup(ctx context.Context, at time.Time) error {
	err := s.tx(ctx, func(tx *gorm.DB) error {
		before, err := readLastBackup(tx)
		if err != nil || before.After(at) {
			return err
		}
		return tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "name"}}, DoUpdates: clause.AssignmentColumns([]string{"value"})}).
			Create(&settingRow{Name: lastBackup, Value: strconv.FormatInt(at.Unix(), 10)}).Error
	})
	return wrap(err, "note that a backup is complete")
}

// LastBackup returns when the last backup was complete; zero if none ever was.
func (s *Store) LastBackup(ctx context.Context) (at time.Time, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		at, err = readLastBackup(tx)
		return err
	})
	return at, wrap(err, "read when the last backup was complete")
}

func readLastBackup(tx *gorm.DB) (time.Time, error) {
	var values []string
	if err := tx.Model(&settingRow{}).Where("name = ?", lastBackup).Pluck("value", &values).Error; err != nil || len(values) == 0 {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the setting %s is no time: %w", lastBackup, err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// BackupCollector exports when the last backup was complete. A system without backups
// has no such metric.
func BackupCollector(s *Store) prometheus.Collector {
	return backupCollector{store: s, last: prometheus.NewDesc("rollcall_backup_last_success_timestamp_seconds",
		"When the last backup to a folder of archives was complete, in seconds since 1970. Missing if none ever was.", nil, nil)}
}

type backupCollector struct {
	store *Store
	last  *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c backupCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.last }

// Collect implements prometheus.Collector.
func (c backupCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	at, err := c.store.LastBackup(ctx)
	if err != nil || at.IsZero() {
		return // rollcall_database_problem says why
	}
	ch <- prometheus.MustNewConstMetric(c.last, prometheus.GaugeValue, float64(at.Unix()))
}

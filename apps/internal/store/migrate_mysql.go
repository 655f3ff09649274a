package store

// This file owns the schema on MySQL and MariaDB.

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// mysqlBase makes the original's three tables where they are missing, widens
// them where they are there, and adds ours.
func mysqlBase(tx *gorm.DB, unknownRoot string) error {
	collation, err := exactCollation(tx)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return mysqlTables(tx, collation) },
		func() error { return mysqlWiden(tx, collation) },
		func() error { return mysqlImageColumns(tx, collation) },
		func() error { return mysqlPaths(tx, unknownRoot) },
		func() error { return mysqlIndexes(tx) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// exactCollation names the collation that compares byte for byte, trailing
// spaces included. MySQL and MariaDB have one each.
func exactCollation(tx *gorm.DB) (string, error) {
	for _, name := range []string{"utf8mb4_0900_bin", "utf8mb4_nopad_bin"} {
		var n int64
		err := tx.Raw("SELECT COUNT(*) FROM information_schema.COLLATIONS WHERE COLLATION_NAME = ?", name).Scan(&n).Error
		if err != nil {
			return "", fmt.Errorf("look for a collation: %w", err)
		}
		if n > 0 {
			return name, nil
		}
	}
	return "", errors.New("the server has neither utf8mb4_0900_bin (MySQL 8) nor utf8mb4_nopad_bin (MariaDB 10.2): it is too old")
}

const mysqlTime = "DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6))"

// mysqlText is a type of texts that compare byte for byte.
func mysqlText(length int, collation string) string {
	return fmt.Sprintf("VARCHAR(%d) CHARACTER SET utf8mb4 COLLATE %s", length, collation)
}

func mysqlTables(tx *gorm.DB, collation string) error {
	nullable := mysqlText(faces.MaxPathLength, collation)
	name := nullable + " NOT NULL"
	return execAll(tx,
		"CREATE TABLE IF NOT EXISTS images (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, path "+name+
			", person BIGINT NULL DEFAULT -1, status INT NOT NULL DEFAULT 0) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
		"CREATE TABLE IF NOT EXISTS person (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, name "+
			mysqlText(255, collation)+" NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
		"CREATE TABLE IF NOT EXISTS person_images (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, image_name "+nullable+
			" NULL, person_id BIGINT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
		"CREATE TABLE IF NOT EXISTS faces (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, image_id BIGINT NOT NULL, "+
			"position INT NOT NULL, x INT NOT NULL, y INT NOT NULL, width INT NOT NULL, height INT NOT NULL, "+
			"landmarks TEXT NOT NULL, descriptor VARBINARY(512) NOT NULL, model VARCHAR(64) NOT NULL, reason VARCHAR(32) NOT NULL, "+
			"best_person_id BIGINT NOT NULL, best_distance DOUBLE NOT NULL, matched_image "+name+", "+
			"second_person_id BIGINT NOT NULL, second_distance DOUBLE NOT NULL, second_image "+name+", "+
			"created_at "+mysqlTime+", KEY faces_image (image_id, position), KEY faces_best_person (best_person_id)) "+
			"ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
		"CREATE TABLE IF NOT EXISTS models (id VARCHAR(64) NOT NULL PRIMARY KEY, threshold DOUBLE NOT NULL, "+
			"margin DOUBLE NOT NULL, official BOOLEAN NOT NULL, last_used "+mysqlTime+") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
	)
}

// mysqlWiden changes the columns that the original made: ids grow, names
// compare byte for byte. Tables from an old server may be in a format whose
// indexes are too short for a path. On tables of ours it changes nothing.
func mysqlWiden(tx *gorm.DB, collation string) error {
	const format = ", ENGINE=InnoDB, ROW_FORMAT=DYNAMIC"
	name := mysqlText(faces.MaxPathLength, collation)
	return execAll(tx,
		"UPDATE images SET status = 0 WHERE status IS NULL",
		"ALTER TABLE images MODIFY id BIGINT NOT NULL AUTO_INCREMENT, MODIFY path "+name+
			" NOT NULL, MODIFY person BIGINT NULL DEFAULT -1, MODIFY status INT NOT NULL DEFAULT 0"+format,
		"ALTER TABLE person MODIFY id BIGINT NOT NULL AUTO_INCREMENT, MODIFY name "+mysqlText(255, collation)+" NOT NULL"+format,
		"ALTER TABLE person_images MODIFY id BIGINT NOT NULL AUTO_INCREMENT, MODIFY image_name "+name+
			" NULL, MODIFY person_id BIGINT NULL"+format,
	)
}

type column struct{ name, definition string }

// imageColumns are ours beside the original's four; each has a default, so
// that an INSERT which names path, person and status alone still works. Texts
// name their character set: the original's table may have another.
func imageColumns(collation string) []column {
	return []column{
		{"reason", mysqlText(32, collation) + " NOT NULL DEFAULT 'queued'"},
		{"detail", mysqlText(maxDetail, collation) + " NOT NULL DEFAULT ''"},
		{"width", "INT NOT NULL DEFAULT 0"},
		{"height", "INT NOT NULL DEFAULT 0"},
		{"model", mysqlText(64, collation) + " NOT NULL DEFAULT ''"},
		{"attempts", "INT NOT NULL DEFAULT 0"},
		{"rounds", "INT NOT NULL DEFAULT 0"},
		{"lease_token", "BIGINT NOT NULL DEFAULT 0"},
		{"lease_owner", mysqlText(255, collation) + " NOT NULL DEFAULT ''"},
		{"lease_until", "DATETIME(6) NULL"},
		{"published_at", "DATETIME(6) NULL"},
		{"retry_at", "DATETIME(6) NULL"},
		{"duplicate_of", "BIGINT NOT NULL DEFAULT 0"},
		{"dedup", "BIGINT NOT NULL DEFAULT 0"},
		{"created_at", mysqlTime},
		{"updated_at", mysqlTime},
	}
}

func mysqlImageColumns(tx *gorm.DB, collation string) error {
	return mysqlColumns(tx, "images", imageColumns(collation))
}

// mysqlColumns adds those of the columns that a table has not.
func mysqlColumns(tx *gorm.DB, table string, columns []column) error {
	var have []string
	err := tx.Raw("SELECT LOWER(COLUMN_NAME) FROM information_schema.COLUMNS "+
		"WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?", table).Scan(&have).Error
	if err != nil {
		return fmt.Errorf("read the columns of %s: %w", table, err)
	}
	var add []string
	for _, c := range columns {
		if !slices.Contains(have, c.name) {
			add = append(add, "ADD COLUMN "+c.name+" "+c.definition)
		}
	}
	if len(add) == 0 {
		return nil
	}
	return tx.Exec("ALTER TABLE " + table + " " + strings.Join(add, ", ")).Error
}

// mysqlPaths makes every path findable by one row. It does nothing where that
// was done before: a path that it changed then could be there already.
func mysqlPaths(tx *gorm.DB, unknownRoot string) error {
	const index = "images_path"
	done, err := mysqlHasIndex(tx, "images", index)
	if err != nil || done {
		return err
	}
	if err := absolutePaths(tx, unknownRoot); err != nil {
		return fmt.Errorf("make paths absolute: %w", err)
	}
	const tries = 5
	for i := 1; ; i++ {
		if err := execAll(tx, unmarkDuplicates, markDuplicates); err != nil {
			return fmt.Errorf("mark duplicate paths: %w", err)
		}
		err := mysqlIndex(tx, "images", index, "UNIQUE KEY images_path (path, dedup)")
		if mysqlNumber(err) == mysqlDuplicateEntry && i < tries {
			continue // the original has added a duplicate meanwhile
		}
		return err
	}
}

// absolutePaths makes the original's paths absolute and cleaned, a page at a
// time.
func absolutePaths(tx *gorm.DB, root string) error {
	var last int64
	for {
		var rows []imageRow
		err := tx.Select("id", "path").Where("id > ?", last).Order("id").Limit(chunk).Find(&rows).Error
		if err != nil || len(rows) == 0 {
			return err
		}
		last = rows[len(rows)-1].ID
		err = tx.Transaction(func(tx *gorm.DB) error {
			for _, r := range rows {
				if err := absolutePath(tx, r, root); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

func absolutePath(tx *gorm.DB, r imageRow, root string) error {
	abs := path.Clean(r.Path)
	if !path.IsAbs(r.Path) {
		abs = path.Join(root, r.Path)
	}
	if abs == r.Path || utf8.RuneCountInString(abs) > faces.MaxPathLength {
		return nil // one too long stays as it was; the recognizer resolves it, too
	}
	return tx.Model(&imageRow{}).Where("id = ?", r.ID).UpdateColumn("path", abs).Error
}

// The oldest row of each path is the one that a post finds; the others are
// marked.
const (
	unmarkDuplicates = `UPDATE images SET dedup = 0, duplicate_of = 0 WHERE dedup <> 0`
	markDuplicates   = `UPDATE images
		JOIN (SELECT path, MIN(id) AS first_id FROM images GROUP BY path HAVING COUNT(*) > 1) AS firsts
		ON firsts.path = images.path AND firsts.first_id <> images.id
		SET images.dedup = images.id, images.duplicate_of = firsts.first_id`
)

func mysqlIndexes(tx *gorm.DB) error {
	for _, i := range []struct{ table, name, definition string }{
		{"images", "images_status", "KEY images_status (status, reason, id)"},
		{"images", "images_person", "KEY images_person (person, id)"},
		{"images", "images_order", "KEY images_order (status, id)"},
		{"person", "person_name", "KEY person_name (name)"},
		{"person_images", "person_images_name", "KEY person_images_name (image_name)"},
		{"person_images", "person_images_person", "KEY person_images_person (person_id)"},
	} {
		if err := mysqlIndex(tx, i.table, i.name, i.definition); err != nil {
			return err
		}
	}
	return nil
}

func mysqlIndex(tx *gorm.DB, table, name, definition string) error {
	has, err := mysqlHasIndex(tx, table, name)
	if err != nil || has {
		return err
	}
	return tx.Exec("ALTER TABLE " + table + " ADD " + definition).Error
}

func mysqlHasIndex(tx *gorm.DB, table, name string) (bool, error) {
	var n int64
	err := tx.Raw("SELECT COUNT(*) FROM information_schema.STATISTICS "+
		"WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND INDEX_NAME = ?", table, name).Scan(&n).Error
	return n > 0, err
}

func execAll(tx *gorm.DB, statements ...string) error {
	for _, sql := range statements {
		if err := tx.Exec(sql).Error; err != nil {
			return fmt.Errorf("%.60s…: %w", sql, err)
		}
	}
	return nil
}

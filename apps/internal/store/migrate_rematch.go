package store

// This file owns the second version of the schema: what a face looked like and
// which known pictures answered it, what people said of faces, and re-matching.
// Programs of the first version write faces without the new columns: each has
// a default that means "not known".

import (
	"gorm.io/gorm"
)

// faceColumns are beside those of the first version.
func faceColumns(text, real, integer string) []column {
	return []column{
		{"quality_score", real + " NOT NULL DEFAULT 0"},
		{"quality_size", integer + " NOT NULL DEFAULT 0"},
		{"quality_sharpness", real + " NOT NULL DEFAULT 0"},
		{"quality_yaw", real + " NOT NULL DEFAULT 0"},
		{"quality_roll", real + " NOT NULL DEFAULT 0"},
		{"gallery", text + " NOT NULL DEFAULT ''"},
		{"corrected", integer + " NOT NULL DEFAULT 0"},
	}
}

func mysqlRematch(tx *gorm.DB, _ string) error {
	collation, err := exactCollation(tx)
	if err != nil {
		return err
	}
	short := mysqlText(64, collation)
	if err := mysqlColumns(tx, "faces", faceColumns(short, "DOUBLE", "INT")); err != nil {
		return err
	}
	// Faces are looked up by the people near them: the index on the best one is
	// there. One on names of pictures would be many times as large.
	if err := mysqlIndex(tx, "faces", "faces_second_person", "KEY faces_second_person (second_person_id)"); err != nil {
		return err
	}
	const engine = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
	name := mysqlText(750, collation) + " NOT NULL"
	word := mysqlText(32, collation) + " NOT NULL"
	line := mysqlText(maxDetail, collation) + " NOT NULL DEFAULT ''"
	return execAll(tx,
		"CREATE TABLE IF NOT EXISTS corrections (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, image_id BIGINT NOT NULL, "+
			"x INT NOT NULL, y INT NOT NULL, width INT NOT NULL, height INT NOT NULL, "+
			"descriptor VARBINARY(512) NOT NULL, model "+short+" NOT NULL, person_id BIGINT NOT NULL, "+
			"excludes BOOLEAN NOT NULL, candidates MEDIUMTEXT NOT NULL, "+
			"created_at DATETIME(6) NOT NULL, undone_at DATETIME(6) NULL, changed_at DATETIME(6) NOT NULL, "+
			"pending BOOLEAN NOT NULL DEFAULT 1, KEY corrections_image (image_id, id), KEY corrections_person (person_id), "+
			"KEY corrections_pending (pending, id))"+engine,
		"CREATE TABLE IF NOT EXISTS rematch_state (id INT NOT NULL PRIMARY KEY, fingerprint "+short+" NOT NULL DEFAULT '', "+
			"gallery "+short+" NOT NULL DEFAULT '', model "+short+" NOT NULL DEFAULT '', threshold DOUBLE NOT NULL DEFAULT 0, "+
			"margin DOUBLE NOT NULL DEFAULT 0, face_mark BIGINT NOT NULL DEFAULT 0, dirty BOOLEAN NOT NULL DEFAULT 0, "+
			"lease_owner VARCHAR(255) NOT NULL DEFAULT '', lease_token BIGINT NOT NULL DEFAULT 0, lease_until DATETIME(6) NULL)"+engine,
		"INSERT IGNORE INTO rematch_state (id) VALUES (1)",
		"CREATE TABLE IF NOT EXISTS rematch_known (image_name "+name+" PRIMARY KEY, content_id "+short+" NOT NULL, person_id BIGINT NOT NULL)"+engine,
		"CREATE TABLE IF NOT EXISTS rematches (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, state "+word+", cause "+word+", "+
			"scope "+word+" DEFAULT '', apply BOOLEAN NOT NULL DEFAULT 0, whole BOOLEAN NOT NULL DEFAULT 0, detail "+line+", "+
			"fingerprint "+short+" NOT NULL DEFAULT '', gallery "+short+" NOT NULL DEFAULT '', model "+short+" NOT NULL DEFAULT '', "+
			"threshold DOUBLE NOT NULL DEFAULT 0, margin DOUBLE NOT NULL DEFAULT 0, "+
			"pictures_added INT NOT NULL DEFAULT 0, pictures_removed INT NOT NULL DEFAULT 0, "+
			"faces BIGINT NOT NULL DEFAULT 0, images BIGINT NOT NULL DEFAULT 0, skipped BIGINT NOT NULL DEFAULT 0, "+
			"seek BIGINT NOT NULL DEFAULT 0, created_at DATETIME(6) NOT NULL, started_at DATETIME(6) NULL, "+
			"finished_at DATETIME(6) NULL, KEY rematches_state (state, id))"+engine,
		"CREATE TABLE IF NOT EXISTS rematch_changes (rematch_id BIGINT NOT NULL, image_id BIGINT NOT NULL, state "+word+", "+
			"visible BOOLEAN NOT NULL, from_reason "+word+", from_person BIGINT NOT NULL, to_reason "+word+", to_person BIGINT NOT NULL, "+
			"before_change MEDIUMTEXT NOT NULL, after_change MEDIUMTEXT NOT NULL, PRIMARY KEY (rematch_id, image_id))"+engine,
	)
}

func sqliteRematch(tx *gorm.DB, _ string) error {
	for _, c := range faceColumns("TEXT", "REAL", "INTEGER") {
		if err := tx.Exec("ALTER TABLE faces ADD COLUMN " + c.name + " " + c.definition).Error; err != nil {
			return err
		}
	}
	return execAll(tx,
		"CREATE INDEX faces_second_person ON faces (second_person_id)",
		`CREATE TABLE corrections (
			id INTEGER PRIMARY KEY AUTOINCREMENT, image_id INTEGER NOT NULL,
			x INTEGER NOT NULL, y INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
			descriptor BLOB NOT NULL, model TEXT NOT NULL, person_id INTEGER NOT NULL,
			excludes BOOLEAN NOT NULL, candidates TEXT NOT NULL,
			created_at DATETIME NOT NULL, undone_at DATETIME NULL, changed_at DATETIME NOT NULL,
			pending BOOLEAN NOT NULL DEFAULT 1)`,
		"CREATE INDEX corrections_image ON corrections (image_id, id)",
		"CREATE INDEX corrections_person ON corrections (person_id)",
		"CREATE INDEX corrections_pending ON corrections (pending, id)",
		`CREATE TABLE rematch_state (
			id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL DEFAULT '', gallery TEXT NOT NULL DEFAULT '',
			model TEXT NOT NULL DEFAULT '', threshold REAL NOT NULL DEFAULT 0, margin REAL NOT NULL DEFAULT 0,
			face_mark INTEGER NOT NULL DEFAULT 0, dirty BOOLEAN NOT NULL DEFAULT 0,
			lease_owner TEXT NOT NULL DEFAULT '', lease_token INTEGER NOT NULL DEFAULT 0, lease_until DATETIME NULL)`,
		"INSERT INTO rematch_state (id) VALUES (1)",
		"CREATE TABLE rematch_known (image_name TEXT NOT NULL PRIMARY KEY, content_id TEXT NOT NULL, person_id INTEGER NOT NULL)",
		`CREATE TABLE rematches (
			id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL, cause TEXT NOT NULL, scope TEXT NOT NULL DEFAULT '',
			apply BOOLEAN NOT NULL DEFAULT 0, whole BOOLEAN NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT '',
			fingerprint TEXT NOT NULL DEFAULT '', gallery TEXT NOT NULL DEFAULT '', model TEXT NOT NULL DEFAULT '',
			threshold REAL NOT NULL DEFAULT 0, margin REAL NOT NULL DEFAULT 0,
			pictures_added INTEGER NOT NULL DEFAULT 0, pictures_removed INTEGER NOT NULL DEFAULT 0,
			faces INTEGER NOT NULL DEFAULT 0, images INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,
			seek INTEGER NOT NULL DEFAULT 0, created_at DATETIME NOT NULL, started_at DATETIME NULL, finished_at DATETIME NULL)`,
		"CREATE INDEX rematches_state ON rematches (state, id)",
		`CREATE TABLE rematch_changes (
			rematch_id INTEGER NOT NULL, image_id INTEGER NOT NULL, state TEXT NOT NULL, visible BOOLEAN NOT NULL,
			from_reason TEXT NOT NULL, from_person INTEGER NOT NULL, to_reason TEXT NOT NULL, to_person INTEGER NOT NULL,
			before_change TEXT NOT NULL, after_change TEXT NOT NULL, PRIMARY KEY (rematch_id, image_id))`,
	)
}

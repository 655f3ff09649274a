package store

import "gorm.io/gorm"

// The schema of rescans: which file an image's answer is about, which images
// are looked at again, the jobs that do so and what they found. Programs of the
// version before write images without the new columns: each has a default that
// means "not known".

// fileColumns are those of images that name the file which was looked at.
func fileColumns(text, bigint string) []column {
	return []column{
		{"file_size", bigint + " NOT NULL DEFAULT 0"},
		{"file_modified", bigint + " NOT NULL DEFAULT 0"},
		{"file_sha256", text + " NOT NULL DEFAULT ''"},
	}
}

// rescanUpgrades fill the new columns from what is there: the order in which
// model sets came into use, and the one that the answers were matched by last.
// Running them again changes nothing.
var rescanUpgrades = []string{
	"UPDATE models SET first_used = last_used WHERE first_used IS NULL",
	"UPDATE rematch_state SET agreed_model = model WHERE agreed_model = ''",
}

func mysqlRescan(tx *gorm.DB, _ string) error {
	collation, err := exactCollation(tx)
	if err != nil {
		return err
	}
	short := mysqlText(64, collation)
	word := mysqlText(32, collation) + " NOT NULL"
	line := mysqlText(maxDetail, collation) + " NOT NULL DEFAULT ''"
	const count = " BIGINT NOT NULL DEFAULT 0"
	const engine = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
	for _, add := range []struct {
		table   string
		columns []column
	}{
		{"images", fileColumns(short, "BIGINT")},
		{"models", []column{{"first_used", "DATETIME(6) NULL"}}},
		{"rematch_state", []column{{"agreed_model", short + " NOT NULL DEFAULT ''"}}},
	} {
		if err := mysqlColumns(tx, add.table, add.columns); err != nil {
			return err
		}
	}
	err = execAll(tx,
		"CREATE TABLE IF NOT EXISTS image_rescans (image_id BIGINT NOT NULL PRIMARY KEY, rescan_id"+count+", state "+word+", "+
			"only_changed BOOLEAN NOT NULL, again BOOLEAN NOT NULL DEFAULT 0, attempts INT NOT NULL DEFAULT 0, "+
			"lease_owner VARCHAR(255) NOT NULL DEFAULT '', lease_token"+count+", lease_until DATETIME(6) NULL, "+
			"published_at DATETIME(6) NULL, reason "+word+" DEFAULT '', detail "+line+", "+
			"created_at DATETIME(6) NOT NULL, updated_at DATETIME(6) NOT NULL, "+
			"KEY image_rescans_state (state, rescan_id, image_id))"+engine,
		"CREATE TABLE IF NOT EXISTS rescans (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, state "+word+", cause "+word+", "+
			"model "+short+" NOT NULL, whole BOOLEAN NOT NULL DEFAULT 0, detail "+line+", total"+count+", done"+count+", "+
			"changed"+count+", failed"+count+", people_found"+count+", people_lost"+count+", faces_found"+count+", faces_lost"+count+", "+
			"corrections_unplaced"+count+", seek"+count+", created_at DATETIME(6) NOT NULL, started_at DATETIME(6) NULL, "+
			"finished_at DATETIME(6) NULL, KEY rescans_state (state, id))"+engine,
		"CREATE TABLE IF NOT EXISTS rescan_results (rescan_id BIGINT NOT NULL, image_id BIGINT NOT NULL, state "+word+", "+
			"from_reason "+word+", from_person BIGINT NOT NULL, to_reason "+word+", to_person BIGINT NOT NULL, "+
			"faces_before INT NOT NULL, faces_after INT NOT NULL, people_found TEXT NOT NULL, people_lost TEXT NOT NULL, "+
			"corrections_unplaced INT NOT NULL, detail "+line+", PRIMARY KEY (rescan_id, image_id))"+engine,
	)
	if err != nil {
		return err
	}
	return execAll(tx, rescanUpgrades...)
}

func sqliteRescan(tx *gorm.DB, _ string) error {
	for _, c := range fileColumns("TEXT", "INTEGER") {
		if err := tx.Exec("ALTER TABLE images ADD COLUMN " + c.name + " " + c.definition).Error; err != nil {
			return err
		}
	}
	const count = " INTEGER NOT NULL DEFAULT 0"
	err := execAll(tx,
		"ALTER TABLE models ADD COLUMN first_used DATETIME NULL",
		"ALTER TABLE rematch_state ADD COLUMN agreed_model TEXT NOT NULL DEFAULT ''",
		`CREATE TABLE image_rescans (
			image_id INTEGER PRIMARY KEY, rescan_id`+count+`, state TEXT NOT NULL,
			only_changed BOOLEAN NOT NULL, again BOOLEAN NOT NULL DEFAULT 0, attempts`+count+`,
			lease_owner TEXT NOT NULL DEFAULT '', lease_token`+count+`, lease_until DATETIME NULL,
			published_at DATETIME NULL, reason TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '',
			created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL)`,
		"CREATE INDEX image_rescans_state ON image_rescans (state, rescan_id, image_id)",
		`CREATE TABLE rescans (
			id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL, cause TEXT NOT NULL, model TEXT NOT NULL,
			whole BOOLEAN NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT '', total`+count+`, done`+count+`,
			changed`+count+`, failed`+count+`, people_found`+count+`, people_lost`+count+`,
			faces_found`+count+`, faces_lost`+count+`, corrections_unplaced`+count+`, seek`+count+`,
			created_at DATETIME NOT NULL, started_at DATETIME NULL, finished_at DATETIME NULL)`,
		"CREATE INDEX rescans_state ON rescans (state, id)",
		`CREATE TABLE rescan_results (
			rescan_id INTEGER NOT NULL, image_id INTEGER NOT NULL, state TEXT NOT NULL,
			from_reason TEXT NOT NULL, from_person INTEGER NOT NULL, to_reason TEXT NOT NULL, to_person INTEGER NOT NULL,
			faces_before INTEGER NOT NULL, faces_after INTEGER NOT NULL, people_found TEXT NOT NULL, people_lost TEXT NOT NULL,
			corrections_unplaced INTEGER NOT NULL, detail TEXT NOT NULL DEFAULT '', PRIMARY KEY (rescan_id, image_id))`,
	)
	if err != nil {
		return err
	}
	return execAll(tx, rescanUpgrades...)
}

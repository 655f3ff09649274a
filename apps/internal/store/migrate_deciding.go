package store

import (
	"fmt"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// columnTypes are the types of new columns on one of the databases.
type columnTypes struct {
	real, integer string
	text          func(length int) string
	bytes         func(length int) string
}

// decidingColumns are the columns of the third version of the schema, by
// table. Programs of the second version write rows without them: each has a
// default that means "not known".
//
// A descriptor of more than 128 numbers is in two columns: release 0.1.0 cannot
// show a face whose column descriptor has more than 512 bytes, and runs beside
// this one during a rollout.
func decidingColumns(t columnTypes) map[string][]column {
	text := func(length int) string { return t.text(length) + " NOT NULL DEFAULT ''" }
	number, count := t.real+" NOT NULL DEFAULT 0", t.integer+" NOT NULL DEFAULT 0"
	rest := column{"descriptor_rest", t.bytes(4*faces.MaxDescriptorSize-oldDescriptor) + " NOT NULL DEFAULT ''"}
	return map[string][]column{
		"faces": {
			rest, {"best_parts", text(maxParts)}, {"second_parts", text(maxParts)},
			{"quality_detection", number}, {"quality_cut_off", number},
		},
		"images": {{"warning", text(maxDetail)}, {"omitted", count}},
		"models": {
			{"size", count}, {"networks", text(255)}, {"far_threshold", number}, {"far_margin", number},
			{"floor_size", count}, {"floor_sharpness", number}, {"floor_yaw", number}, {"floor_cut_off", number}, {"floor_detection", number},
		},
		"corrections":   {rest},
		"rematch_state": {{"rule", text(64)}},
		"rematches":     {{"rule", text(64)}},
	}
}

// maxParts is the width of the columns of parts: MaxNetworks numbers as JSON.
const maxParts = 100

func mysqlDeciding(tx *gorm.DB, _ string) error {
	collation, err := exactCollation(tx)
	if err != nil {
		return err
	}
	types := columnTypes{
		real: "DOUBLE", integer: "INT",
		text:  func(length int) string { return mysqlText(length, collation) },
		bytes: func(length int) string { return fmt.Sprintf("VARBINARY(%d)", length) },
	}
	for table, columns := range decidingColumns(types) {
		if err := mysqlColumns(tx, table, columns); err != nil {
			return err
		}
	}
	return nil
}

func sqliteDeciding(tx *gorm.DB, _ string) error {
	types := columnTypes{
		real: "REAL", integer: "INTEGER",
		text:  func(int) string { return "TEXT" },
		bytes: func(int) string { return "BLOB" },
	}
	for table, columns := range decidingColumns(types) {
		for _, c := range columns {
			if err := tx.Exec("ALTER TABLE " + table + " ADD COLUMN " + c.name + " " + c.definition).Error; err != nil {
				return fmt.Errorf("add %s.%s: %w", table, c.name, err)
			}
		}
	}
	return nil
}

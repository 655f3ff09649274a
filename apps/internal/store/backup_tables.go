package store

import (
	"maps"
	"slices"
)

// backupTable is what a backup does with a table.
type backupTable struct {
	left string // why a backup leaves it out; "" if it is kept
	// own says that programs write rows of it on a system in which nobody has done
	// anything, so rows of it are no reason to refuse a restore.
	own bool
}

// backupTables names all tables of the schema but schema_migrations, which migrations
// write. A table that is missing here fails a test.
var backupTables = map[string]backupTable{
	"images":             {},
	"person":             {},
	"person_images":      {},
	"faces":              {},
	"models":             {own: true},
	"corrections":        {},
	"rematch_state":      {own: true},
	"rematch_known":      {},
	"rematches":          {},
	"rematch_changes":    {},
	"image_rescans":      {},
	"rescans":            {},
	"rescan_results":     {},
	"person_folders":     {},
	"merges":             {},
	"api_keys":           {},
	"users":              {},
	"audit_log":          {},
	"settings":           {own: true},
	"idempotency_keys":   {},
	"outbox":             {},
	"events":             {},
	"event_state":        {own: true},
	"webhooks":           {},
	"webhook_deliveries": {},
	"face_groups":        {},
	"face_apart":         {},
	"grouping":           {own: true},
	"grouping_parts":     {own: true},
	"group_changes":      {},
	"group_sizes":        {own: true},
	"consents":           {},
	"retention":          {own: true},
	"erasures":           {},
	"erased_marks":       {},
	"erased_places":      {},
	"user_passwords":     {},
	"user_identities":    {},

	"sign_in_codes":   {left: "a code works once, and one that was used since would work again", own: true},
	"sessions":        {left: "users sign in again, so that nobody is signed in who has signed out since", own: true},
	"program_states":  {left: "what programs say about themselves every few seconds", own: true},
	"outcome_minutes": {left: "samples of the last two days, for a chart", own: true},
	"image_totals":    {left: "samples of the last two days, for a chart", own: true},
}

// BackupTables returns the tables that a backup keeps, sorted, and why it leaves out each
// of the others.
func BackupTables() (kept []string, left map[string]string) {
	left = map[string]string{"schema_migrations": "migrations write it; the archive names the version"}
	for _, name := range slices.Sorted(maps.Keys(backupTables)) {
		if why := backupTables[name].left; why != "" {
			left[name] = why
			continue
		}
		kept = append(kept, name)
	}
	return kept, left
}

// Package models holds the recognizer's model files: the lite set, which is
// committed beside this file, and the lock of the official set, which the
// program apps/models fetches. How both are read is in apps/internal/models.
package models

import _ "embed"

//go:embed official.lock.json
var officialLock string

// OfficialLock returns the text of official.lock.json: where the official
// models come from, their checksums, and how to read their distances.
func OfficialLock() string { return officialLock }

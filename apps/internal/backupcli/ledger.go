package backupcli

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
)

// readLedger reads a ledger of erasures as rollcall erase ledger writes it.
func readLedger(file string) ([]erasure.Entry, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("-ledger: %w", err)
	}
	var ledger struct {
		Entries []json.RawMessage `json:"entries"`
	}
	if err := json.Unmarshal(text, &ledger); err != nil || ledger.Entries == nil {
		return nil, fmt.Errorf("-ledger: %s is no ledger of erasures; rollcall erase ledger writes one", file)
	}
	entries := make([]erasure.Entry, len(ledger.Entries))
	for i, text := range ledger.Entries {
		if entries[i], err = erasure.Decode(text); err != nil {
			return nil, fmt.Errorf("-ledger: entry %d: %w", i+1, err)
		}
	}
	return entries, nil
}

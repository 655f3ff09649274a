package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// RequiredScopes returns what each operation of the document needs, by method and
// path: "GET /api/v1/images/{id}". An operation that needs no API key has nil, one
// that any key may call has an empty list. It fails only if the document is damaged,
// or if the ways to send a key differ in what they need.
func RequiredScopes() (map[string][]KeyScope, error) {
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	scopes := map[string][]KeyScope{}
	for path, operations := range doc.Paths {
		for method, text := range operations {
			if method == "parameters" { // those of all operations
				continue
			}
			key := strings.ToUpper(method) + " " + path
			needed, err := requiredScopes(text)
			if err != nil {
				return nil, fmt.Errorf("read the OpenAPI document: security of %s: %w", key, err)
			}
			scopes[key] = needed
		}
	}
	return scopes, nil
}

func requiredScopes(operation json.RawMessage) ([]KeyScope, error) {
	var o struct {
		Security *[]map[string][]KeyScope `json:"security"`
	}
	if err := json.Unmarshal(operation, &o); err != nil {
		return nil, err
	}
	if o.Security == nil {
		return nil, fmt.Errorf("there is none; an operation without a key has an empty list")
	}
	var needed []KeyScope
	for i, way := range *o.Security {
		if len(way) != 1 {
			return nil, fmt.Errorf("entry %d has %d schemes, want 1", i+1, len(way))
		}
		for _, scopes := range way {
			if i > 0 && !slices.Equal(scopes, needed) {
				return nil, fmt.Errorf("the schemes need %v and %v", needed, scopes)
			}
			needed = append([]KeyScope{}, scopes...)
		}
	}
	return needed, nil
}

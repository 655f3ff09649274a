package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// IdempotencyKey is the header that names a request that changes something, so that
// it can be repeated.
const IdempotencyKey = "Idempotency-Key"

// QueryParameters returns the names of the query parameters of each operation of
// the document, by method and path: "GET /api/v1/images/{id}". It fails only if the
// document is damaged.
func QueryParameters() (map[string][]string, error) { return parameters("query") }

// Idempotent returns which operations of the document take the header
// Idempotency-Key, by method and path. It fails only if the document is damaged.
func Idempotent() (map[string]bool, error) {
	headers, err := parameters("header")
	operations := map[string]bool{}
	for operation, names := range headers {
		if slices.Contains(names, IdempotencyKey) {
			operations[operation] = true
		}
	}
	return operations, err
}

// parameters returns the names of the parameters in a part of the request.
func parameters(in string) (map[string][]string, error) {
	type parameter struct {
		Ref  string `json:"$ref"`
		Name string `json:"name"`
		In   string `json:"in"`
	}
	var doc struct {
		Paths      map[string]map[string]json.RawMessage `json:"paths"`
		Components struct {
			Parameters map[string]parameter `json:"parameters"`
		} `json:"components"`
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	names := map[string][]string{}
	for path, operations := range doc.Paths {
		for method, text := range operations {
			if method == "parameters" { // those of all operations: in the path
				continue
			}
			var operation struct {
				Parameters []parameter `json:"parameters"`
			}
			if err := json.Unmarshal(text, &operation); err != nil {
				return nil, fmt.Errorf("read the OpenAPI document: %s of %s: %w", method, path, err)
			}
			for _, p := range operation.Parameters {
				if p.Ref != "" {
					p = doc.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
				}
				if p.In == in {
					key := strings.ToUpper(method) + " " + path
					names[key] = append(names[key], p.Name)
				}
			}
		}
	}
	return names, nil
}

package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Deprecation says that an operation, or one of its query parameters, will go away.
// In the document it is `deprecated: true` with two days:
//
//	deprecated: true
//	x-deprecated: '2026-12-01' # since when there is something better
//	x-sunset: '2027-12-01'     # from when it may be gone
type Deprecation struct {
	Operation string // its id
	Parameter string // of the query; empty: the whole operation
	Since     time.Time
	Sunset    time.Time
}

// deprecated is the part of an operation or a parameter that says so.
type deprecated struct {
	Ref        string `json:"$ref"`
	Name       string `json:"name"`
	In         string `json:"in"`
	Deprecated bool   `json:"deprecated"`
	Since      string `json:"x-deprecated"`
	Sunset     string `json:"x-sunset"`
}

// Deprecations returns what an OpenAPI document in JSON says is deprecated, by method
// and path: "GET /api/v1/images/{id}". It fails if a day is missing, and for headers and
// parts of a path: only parameters of a query can be deprecated.
func Deprecations(document []byte) (map[string][]Deprecation, error) {
	var doc struct {
		Paths      map[string]map[string]json.RawMessage `json:"paths"`
		Components struct {
			Parameters map[string]deprecated `json:"parameters"`
		} `json:"components"`
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	all := map[string][]Deprecation{}
	for path, operations := range doc.Paths {
		for method, text := range operations {
			if method == "parameters" { // those of all operations: in the path
				continue
			}
			var operation struct {
				deprecated
				ID         string       `json:"operationId"`
				Parameters []deprecated `json:"parameters"`
			}
			if err := json.Unmarshal(text, &operation); err != nil {
				return nil, fmt.Errorf("read the OpenAPI document: %s of %s: %w", method, path, err)
			}
			key := strings.ToUpper(method) + " " + path
			for _, d := range append(operation.Parameters, operation.deprecated) {
				if d.Ref != "" {
					d = doc.Components.Parameters[strings.TrimPrefix(d.Ref, "#/components/parameters/")]
				}
				if !d.Deprecated {
					continue
				}
				read, err := d.read(operation.ID)
				if err != nil {
					return nil, fmt.Errorf("read the OpenAPI document: %s: %w", key, err)
				}
				all[key] = append(all[key], read)
			}
		}
	}
	return all, nil
}

func (d deprecated) read(operation string) (Deprecation, error) {
	read := Deprecation{Operation: operation, Parameter: d.Name}
	if d.Name != "" && d.In != "query" {
		return read, fmt.Errorf("the parameter %s is deprecated, but it is none of the query", d.Name)
	}
	var err error
	if read.Since, err = time.Parse(time.DateOnly, d.Since); err != nil {
		return read, fmt.Errorf("x-deprecated of what is deprecated must be a day such as 2026-12-01: %w", err)
	}
	if read.Sunset, err = time.Parse(time.DateOnly, d.Sunset); err != nil {
		return read, fmt.Errorf("x-sunset of what is deprecated must be a day such as 2027-12-01: %w", err)
	}
	if !read.Sunset.After(read.Since) {
		return read, fmt.Errorf("x-sunset %s is not after x-deprecated %s", d.Sunset, d.Since)
	}
	return read, nil
}

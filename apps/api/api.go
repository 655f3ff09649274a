// Package api is the contract of Rollcall's REST API: the OpenAPI document, the
// types of requests and answers, and the error codes. The receiver and every
// client use the same types. Package client, beside it, calls the API.
//
// openapi.yaml is the source: change it and run `make api`. That writes
// openapi.json, types.gen.go and the generated part of the client.
package api

import _ "embed"

//go:embed openapi.json
var document []byte

// Document returns the OpenAPI document as JSON. The caller must not change it.
func Document() []byte { return document }

package config

import (
	"regexp"
	"slices"
	"strings"
)

// ownPaths are first parts of our own paths. A base path that begins with one could
// not be told from them.
var ownPaths = [...]string{"api", "docs", "healthz", "image", "images", "metrics", "openapi.json", "readyz", "static"}

// basePath matches a path that is the same in an address, in HTML and in a file, and
// so needs no escaping anywhere.
var basePath = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)

// ReadBasePath reads the path that a proxy serves an HTTP server below, such as
// /rollcall. Empty means none.
func ReadBasePath(r *Reader) string {
	const name = "ROLLCALL_BASE_PATH"
	path := r.String(name, "", "path that an Ingress or another proxy serves this below, such as /rollcall; whether the proxy removes it does not matter")
	if path == "" {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case !basePath.MatchString(path):
		r.Fail(name, "%q is not a path such as /rollcall or /team/rollcall: it begins with a slash, ends with none, and its parts consist of letters, digits, and . _ ~ -, with no dot at their beginning", path)
	case slices.Contains(ownPaths[:], first):
		r.Fail(name, "%q begins with a path of Rollcall's own, /%s; choose another one, such as /rollcall", path, first)
	}
	return path
}

// Package privacy tests that nobody's name, no path and no secret is on an admin
// port or in a trace: whoever collects metrics and traces, or looks at /readyz, may not
// know them. It has no code of its own.
package privacy

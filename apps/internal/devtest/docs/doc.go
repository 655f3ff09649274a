// Package docs tests that the documents name what is there: files behind links, and
// targets of make. It has no code of its own.
package docs

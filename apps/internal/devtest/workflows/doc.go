// Package workflows holds the lines for .github/workflows: nothing runs there that
// a commit hash does not pin, and nothing may do more than it must. It has no code
// of its own.
package workflows

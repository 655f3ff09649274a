// Package workflows tests .github/workflows: every action is pinned by a commit
// hash, and no job has more permissions than it needs. It has no code but
// tests.
package workflows

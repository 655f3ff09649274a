// Package manifests tests base/, overlays/ and argocd/ as kustomize renders
// them. It has no code but tests.
//
// The renders of both overlays are golden files in testdata, so that a reviewer
// sees in the diff how a change affects a cluster. `make manifests` writes
// them. All other tests are checks: a function that returns what is wrong with
// a render, and mutations of the render that it must detect.
package manifests

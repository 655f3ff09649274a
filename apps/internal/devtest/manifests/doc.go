// Package manifests holds the lines that base/, overlays/ and argocd/ must not
// cross, as tests over what kustomize makes of them. It has no code of its own.
//
// The renders of both overlays are golden files in testdata, so that a reviewer
// reads in the diff what a change does to a cluster; `make manifests` writes them
// anew. Everything else is a check: a function from a render to what is wrong
// with it, with mutations of the render that it must notice.
package manifests

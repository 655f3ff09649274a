// Package docs reads the blocks of commands in the documents and runs them, so that
// documents and tests cannot diverge. Its tests hold the documents to what is there:
// files behind links, targets of make, flags, and names in the manifests.
//
// A comment directly before a block says where it runs:
//
//	<!-- run: alone -->        in a copy of the tree
//	<!-- run: standalone -->   beside a standalone that has answered the samples
//	<!-- run: services -->     beside a MariaDB and an nsqd
//	<!-- run: apps/e2e -->     on a cluster, by the walk of apps/e2e
//	<!-- not run: reason -->   nowhere, because of the reason
package docs

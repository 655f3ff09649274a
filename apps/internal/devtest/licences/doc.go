// Package licences tests the licences of the Go modules that the shipped
// programs are built from. It has no code of its own.
//
// A licence outside the allowed list fails the test. THIRD_PARTY_NOTICES, in the
// repository's root, must hold the text of every module's licence and notice;
// `make notices` writes it anew. What is not a Go module (C and C++ libraries,
// WebAssembly, models) is listed by hand in NOTICE.
//
// The test uses licensecheck, which pkg.go.dev uses too. go-licenses does the same
// job but is a program with 70 dependencies of its own.
package licences

//go:build !amd64 && !arm64

// No version for other architectures: nearest.Plain works everywhere.

#include "scan.h"

const struct version rollcall_versions[1];
const int rollcall_version_count = 0;

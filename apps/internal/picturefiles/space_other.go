//go:build !linux

package picturefiles

import (
	"errors"
	"os"
)

// forgetCached does nothing: only Linux can.
func forgetCached(*os.File) {}

// VolumeOf returns the state of the volume of a folder. Only Linux tells.
func VolumeOf(string) (Volume, error) { return Volume{}, errors.ErrUnsupported }

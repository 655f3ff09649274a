//go:build !linux

package picturefiles

import (
	"errors"
	"os"
)

// FreeBytes returns how many bytes this program may still write to the volume of
// a folder. Only Linux tells.
func FreeBytes(string) (uint64, error) { return 0, errors.ErrUnsupported }

// forgetCached does nothing: only Linux can.
func forgetCached(*os.File) {}

// VolumeOf returns the state of the volume of a folder. Only Linux tells.
func VolumeOf(string) (Volume, error) { return Volume{}, errors.ErrUnsupported }

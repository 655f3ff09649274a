// Package capacity has what docs/capacity.md computes and cannot run on two cores: known
// pictures in several indexes, and a day of more images than one machine answers. Tests and
// `make bench` use it.
package capacity

//go:build !linux && !darwin && !windows

package machine

import "math"

// roomOf takes any disk for an empty one: each of these systems tells it in a way of its own.
func roomOf(string) (room, error) { return room{free: math.MaxUint64, freeFiles: math.MaxUint64}, nil }
